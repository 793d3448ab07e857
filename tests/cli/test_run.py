"""`fastgw run` with a configuration, as a process."""

from __future__ import annotations

import re
import signal
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.kit import fastgw
from tests.process.gateway import Gateway

PYTHON = """\
def config():
    return {"version": 1, "routes": {n: {"match": f"/{n}", "respond": {"body": n}} for n in "ab"}}
"""


def running(tmp_path: Path, *words: str, env: dict[str, str] | None = None) -> Gateway:
    """A gateway on a free port, with one worker."""
    command = [sys.executable, "-m", "fastgw", "run", *words]
    return Gateway(
        command,
        {"FASTGW_WORKERS": "1", "FASTGW_RUN_DIR": str(tmp_path), **(env or {})},
    )


def test_a_configuration_in_python_is_served(tmp_path: Path) -> None:
    file = tmp_path / "gateway.py"
    file.write_text(PYTHON)
    with running(tmp_path, "-c", str(file), "--listen", "127.0.0.1:0") as gateway:
        host, port = gateway.address()
        gateway.ready()
        with urlopen(f"http://{host}:{port}/b", timeout=10) as answer:
            assert answer.read() == b"b"
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(10) == 0


def test_the_environment_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("version: 1\nroutes: {a: {match: /a, respond: {body: '${env:SAY}'}}}\n")
    env = {"FASTGW_CONFIG": str(file), "FASTGW_LISTEN": "127.0.0.1:0", "SAY": "hello"}
    with running(tmp_path, env=env) as gateway:
        host, port = gateway.address()
        gateway.ready()
        with urlopen(f"http://{host}:{port}/a", timeout=10) as answer:
            assert answer.read() == b"hello"


WARNS = "version: 1\nupstreams: {u: http://10.0.0.1}\nroutes: {a: {match: /a, respond: 404}}\n"


def test_warnings_are_logged(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(WARNS)
    with running(tmp_path, str(file), "--listen", "127.0.0.1:0") as gateway:
        found = gateway.wait_for(r" warning compiler\[\d+\] (.*)$")
        assert found[1].endswith("upstreams.u: is used by no route [FGW111]")
        gateway.ready()


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        (WARNS, ["--strict"], "gateway.yaml:2:13: warning: upstreams.u: is used by no route"),
        ("version: 1\nroutes: {a: {macth: /a}}\n", [], r"unknown key (did you mean 'match'?)"),
        (WARNS, ["--timeout-connect", "5"], "command line: defaults.timeouts.connect: '5' needs"),
        (WARNS, ["--listen", "no"], "command line: listen.cli-1.addr: 'no' is not an address"),
    ],
)
def test_errors_are_clear_lines_and_code_2(
    text: str, words: list[str], says: str, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    with running(tmp_path, str(file), *words) as gateway:
        gateway.wait_for(re.escape(says))
        assert gateway.wait(10) == 2
        assert "Traceback" not in gateway.log


def test_a_listener_redirects_everything_and_explain_says_so(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        "version: 1\nlisten: {http: {addr: '127.0.0.1:0', redirect: 'https:8443'}}\n"
        "routes: {a: {match: /a, respond: {body: a}}}\n"
    )
    with running(tmp_path, str(file)) as gateway:
        host, port = gateway.address()
        gateway.ready()
        client = HTTPConnection(host, port, timeout=10)
        client.request("GET", "/a?x=1", headers={"Host": "example.com"})
        answer = client.getresponse()
        assert answer.status == 308
        assert answer.getheader("Location") == "https://example.com:8443/a?x=1"
        client.close()
    told = fastgw("explain", "GET", "http://example.com/a?x=1", "-c", file).stdout
    assert "route listen.http (" in told
    assert "takes all of its listener" in told
    assert "a (*/a): fits as well, but another route takes all of this listener" in told
