"""`access_log` and `dns` of a configuration: what they become, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastgw.config.build import CommandLine, build, build_file
from fastgw.config.document import Document
from fastgw.config.problems import ConfigError
from fastgw.config.reader import read_text
from fastgw.config.server_urls import hosts_resolver

ROUTES = "routes: {r: {match: /a, respond: 404}}\n"


def document(text: str) -> Document:
    return read_text("g.yaml", "version: 1\n" + text + ROUTES)


def node(text: str, **flags: Any) -> dict[str, Any]:
    """What is said of the processes; `flags` are keys of `access_log` on the command line."""
    made = build(document(text), CommandLine(access_log=flags), hosts_resolver)
    return dict(made.node)


def wrong(text: str, **flags: Any) -> list[str]:
    with pytest.raises(ConfigError) as e:
        build(document(text), CommandLine(access_log=flags), hosts_resolver)
    return [str(p).splitlines()[0] for p in e.value.problems]


def test_nothing_said() -> None:
    assert node("") == {}


def test_short_form() -> None:
    assert node("access_log: '-'\n") == {"access_log": {"to": "-", "line": {}}}


def test_everything() -> None:
    said = node(
        "access_log:\n"
        "  to: unix:/run/log.sock\n"
        "  format: json\n"
        "  fields: [time, tls.version, header.x-tenant]\n"
        "  show: query.page\n"
        "  sample: 10%\n"
        "  keep: [{status: 5xx, slower_than: 1s}, 'reason=any,method=GET|HEAD']\n"
        "  skip: {path: [/health, /ready], status: 200}\n"
    )
    assert said["access_log"] == {
        "to": "unix:/run/log.sock",
        "line": {
            "format": "json",
            "fields": ["time", "tls.version", "header.x-tenant"],
            "show": ["query.page"],
            "sample": "10%",
            "keep": [
                {"status": "5xx", "slower_than": "1s"},
                {"reason": ["any"], "method": ["GET", "HEAD"]},
            ],
            "skip": [{"path": ["/health", "/ready"], "status": 200}],
        },
    }


def test_a_path_is_taken_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    file = tmp_path / "conf" / "g.yaml"
    file.write_text("version: 1\naccess_log: ../logs/access.log\n" + ROUTES)
    found = build_file(str(file), resolver=hosts_resolver)
    assert found.node["access_log"]["to"] == str(tmp_path / "logs" / "access.log")


def test_flags_win_key_by_key() -> None:
    text = "access_log: {to: /var/log/a, sample: 0.5, format: combined}\n"
    said = node(text, to="stderr", sample="1%")["access_log"]
    assert said == {"to": "stderr", "line": {"format": "combined", "sample": "1%"}}
    assert node(text, sample="1%")["access_log"]["to"] == "/var/log/a"
    assert node("", to="-", format="combined")["access_log"]["line"] == {"format": "combined"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("access_log: {format: combined}", "2:13: access_log: 'to' is missing: nothing is wri"),
        ("access_log: tcp:host", "2:13: access_log: 'tcp:host' is no target: "),
        ("access_log: {to: '-', format: '{clinet}'}", "'clinet' (did you mean 'client'?)"),
        ("access_log: {to: '-', fields: [time, tls]}", "unknown field 'tls'"),
        ("access_log: {to: '-', fields: [tls.client.subjct]}", "mean 'tls.client.subject'?"),
        ("access_log: {to: '-', sample: 200%}", "2:31: access_log.sample: '200%' is neither"),
        ("access_log: {to: '-', keep: {}}", "keep"),
        ("access_log: {to: '-', keep: [{status: 5yy}]}", "keep: status '5yy' is no"),
        ("access_log: {to: '-', keep: [{reason: no_rute}]}", "did you mean 'no_route'?"),
        ("access_log: {to: '-', skip: [{path: [a, b, c, d, e, f, g, h, i]}]}", "more than 8"),
        ("access_log: {to: '-', skip: [{paht: /x}]}", "did you mean 'path'?) [FGW003]"),
        ("access_log: {to: '-', formt: json}", "unknown key (did you mean 'format'?) [FGW003]"),
        ("dns: {servers: ns.test}", "2:16: dns.servers: 'ns.test' is neither 'ip' nor"),
        ("dns: {servers: [10.0.0.2, '10.0.0.3:x']}", "dns.servers[1]"),
        ("dns: {timeout: 1ms}", "dns.timeout"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_where_it_stands(text: str, says: str) -> None:
    (problem,) = wrong(text + "\n")
    assert says in problem


def test_wrong_flags_are_of_the_command_line() -> None:
    (problem,) = wrong("", format="combined")
    assert problem.startswith("command line: access_log: 'to' is missing")


def test_dns() -> None:
    assert node("dns: {servers: ['10.0.0.2', '[::1]:5353']}\n")["dns"] == {
        "servers": ["10.0.0.2", "[::1]:5353"],
        "timeout_ms": 5000,
    }
    assert node("dns: {timeout: 500ms}\n")["dns"] == {"servers": [], "timeout_ms": 500}
