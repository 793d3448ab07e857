"""The verbs that look at a configuration: routes, show, diff, schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from fastgw.config.reader import read_file
from fastgw.config.schema import json_schema
from tests.cli.kit import fastgw
from tests.meta.tree import ROOT
from tests.tls.authority import Authority

CONFIG = """\
version: 1
defaults:
  timeout: 10s
  ip: {deny: [10.0.0.1]}
upstreams:
  u: {servers: [http://u.invalid:81, "http://[::1]"], timeouts: {idle: 5s}, host: upstream}
groups:
  api:
    match: {host: api.example.com}
    limits: {body: 1MiB}
    policies: [{headers: {request: {set: {X-Token: "${env:TOKEN}"}}}}]
routes:
  orders:
    match: /orders/*
    group: api
    upstream: u
    rewrite: {strip_prefix: /orders}
  users:
    match: {path: "/users/{id}", method: [POST, GET]}
    upstream: u
    timeouts: {request: 2m}
  health: {match: /health, respond: 200}
"""
ENV = {"TOKEN": "s3cr3t-token"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The configuration in a file."""
    path = tmp_path / "g.yaml"
    path.write_text(CONFIG)
    return path


# -- routes --------------------------------------------------------------------------------


def test_routes_are_listed(file: Path) -> None:
    assert fastgw("routes", file, env=ENV).stdout == (
        "route   match                     methods   upstream  policies\n"
        "orders  api.example.com/orders/*  any       u         ip headers\n"
        "users   */users/{id}              GET,POST  u         ip\n"
        "health  */health                  any       -         ip respond\n"
    )


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["orders", "users", "health"]),
        (["--name", "e"], ["orders", "users", "health"]),
        (["--name", "ord"], ["orders"]),
        (["--match", "/users"], ["users"]),
        (["--match", "example"], ["orders"]),
        (["--upstream", "u"], ["orders", "users"]),
        (["--policy", "respond"], ["health"]),
        (["--upstream", "u", "--match", "{id}"], ["users"]),
        (["--name", "none"], []),
    ],
)
def test_routes_are_filtered(file: Path, words: list[str], names: list[str]) -> None:
    result = fastgw("routes", file, *words, "--json", env=ENV)
    assert [row["name"] for row in json.loads(result.stdout)] == names


def test_a_route_as_json(file: Path) -> None:
    (row,) = json.loads(fastgw("routes", file, "--name", "users", "--json", env=ENV).stdout)
    assert row == {
        "name": "users",
        "match": ["*/users/{id}"],
        "methods": ["GET", "POST"],
        "upstreams": ["u"],
        "policies": ["ip"],
        "place": f"{file}:18:3",
    }


# -- show ----------------------------------------------------------------------------------


def test_every_value_has_its_origin(file: Path) -> None:
    out = fastgw("show", "--effective", "orders", file, env=ENV).stdout
    lines = [line.replace(f"{file}:", "").split() for line in out.splitlines()]
    rows = {(line[0], line[1]): line[2:] for line in lines}
    for key, said in {
        ("match", "api.example.com/orders/*"): ["routes.orders", "(14:5)"],
        ("servers", "http://u.invalid:81"): ["upstreams.u", "(6:7)"],
        ("host", "upstream"): ["upstreams.u", "(6:77)"],
        ("balance", "round_robin"): ["built", "in"],
        ("rewrite.strip_prefix", "/orders"): ["routes.orders", "(17:5)"],
        ("timeouts.request", "10s"): ["defaults", "(3:3)"],
        ("timeouts.idle", "5s"): ["upstreams.u", "(6:66)"],
        ("timeouts.connect", "2s"): ["built", "in"],
        ("limits.body", "1MiB"): ["groups.api", "(10:14)"],
        ("limits.fields", "100"): ["built", "in"],
        ("on_client_eof", "cancel"): ["built", "in"],
        ("policy", "(ingress)"): ["ip", "defaults.ip", "(4:3)"],
        ("policy", "(shape)"): ["headers", "groups.api.policies[0].headers", "(11:17)"],
    }.items():
        assert rows[key] == said, key
    assert len(lines) == 22


def test_flags_are_an_origin_too(file: Path) -> None:
    out = fastgw("show", "--effective", "users", file, "--timeout-idle", "7s", env=ENV).stdout
    assert "timeouts.idle           5s" in out  # the upstream's word goes before
    out = fastgw("show", "--effective", "health", file, "--timeout-idle", "7s", env=ENV).stdout
    assert "timeouts.idle           7s" in out.replace("  command line", "")
    assert "command line" in out


def test_a_misspelt_route_is_said(file: Path) -> None:
    result = fastgw("show", "--effective", "order", file, env=ENV)
    assert (result.exit_code, result.stderr) == (1, "no route 'order' (did you mean 'orders'?)\n")


def test_what_references_bring_is_not_shown(file: Path) -> None:
    text = file.read_text().replace("u.invalid", "127.0.0.1")
    file.write_text(text.replace("/health, respond", '"/health/${env:TOKEN}", respond'))
    plan = fastgw("show", "--plan", file, env=ENV)
    assert plan.exit_code == 0
    assert "${env:TOKEN}" in plan.stdout
    shown = [plan.stdout]
    for words in (["routes", file], ["show", "--effective", "health", file]):
        shown.append(fastgw(*words, env=ENV).stdout)
    assert "s3cr3t" not in "".join(shown)


# -- diff ----------------------------------------------------------------------------------


def changes(tmp_path: Path, *pairs: tuple[str, str]) -> list[str]:
    """What changes when each text is replaced by another."""
    text = CONFIG
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "old.yaml").write_text(CONFIG)
    (tmp_path / "new.yaml").write_text(text)
    result = fastgw("diff", tmp_path / "old.yaml", tmp_path / "new.yaml", env=ENV)
    assert result.exit_code == 0
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("# ", "# ", ["no difference"]),
        (
            "  ip: {deny: [10.0.0.1]}\n",
            "",
            [f"security route {r} loses its ip rule" for r in ("health", "orders", "users")],
        ),
        (
            "deny: [10.0.0.1]",
            "deny: [10.0.0.1], mode: shadow",
            [
                f"security route {r} has its ip rule in mode shadow instead of enforce"
                for r in ("health", "orders", "users")
            ],
        ),
        ("body: 1MiB", "body: none", ["security route orders limits.body rises from 1MiB to none"]),
        ("body: 1MiB", "body: 1KiB", ["change route orders limits.body falls from 1MiB to 1KiB"]),
        ("  health:", "  alive:", ["breaking route health is removed", "add route alive is added"]),
        ("[POST, GET]", "POST", ["breaking route users takes only POST of */users/{id}"]),
        (
            "[POST, GET]",
            "[POST, GET, PUT]",
            ["change route users takes GET,POST,PUT of */users/{id}"],
        ),
        (
            "match: /orders/*",
            "match: {path: /orders/*, client: [10.0.0.0/8]}",
            ["breaking route orders asks for other clients of api.example.com/orders/*"],
        ),
        (
            "match: /orders/*",
            "match: {path: /orders/*, headers: {x: a}}",
            ["breaking route orders asks for other conditions of api.example.com/orders/*"],
        ),
        (
            'match: {path: "/users/{id}"',
            'match: {path: ["/users/{id}", /me]',
            ["change route users takes */me as well"],
        ),
        ("request: 2m", "request: 3m", ["change route users timeouts.request rises from 2m to 3m"]),
        (":81", ":82", ["change upstream u gets server http://u.invalid:82",
                        "change upstream u loses server http://u.invalid:81"]),
        ("host: upstream", "host: keep", ["change upstream u has host keep instead of upstream"]),
        (
            "strip_prefix: /orders",
            "strip_prefix: /orders, prefix: /v1",
            ["change route orders rewrites paths or hosts in another way"],
        ),
        (
            "version: 1\n",
            "version: 1\ntrusted_proxies: [10.0.0.0/8]\n",
            ["security the gateway believes X-Forwarded-* of 10.0.0.0/8"],
        ),
        (
            "version: 1\n",
            "version: 1\nlisten: {http: ':81'}\n",
            ["breaking listener http moves from 127.0.0.1:8080 to :81"],
        ),
    ],
)  # fmt: skip
def test_differences_are_said_by_meaning(
    old: str, new: str, says: list[str], tmp_path: Path
) -> None:
    assert changes(tmp_path, *([(old, new)] if old != new else [])) == says


LOOSE = """\
version: 1
access_log: {to: "-"}
dns: {timeout: 2s}
defaults: {timeouts: {keepalive: 10s}, errors: {pages: [{status: 404, body: x}]}}
upstreams: {u: {servers: [https://10.0.0.1], tls: {insecure_skip_verify: true}}, v: http://10.0.0.2}
routes:
  a: {match: {path: /a, client: [10.0.0.0/8, 192.168.0.0/16]}, upstream: u}
  b: {match: {path: /b, headers: {a: x}}, upstream: u}
  c: {match: {path: /c}, upstream: v}
"""
TIGHT = """\
version: 1
upstreams: {u: https://10.0.0.1, v: https://10.0.0.2}
routes:
  a: {match: {path: /a, client: 10.0.0.0/8}, upstream: u}
  b: {match: {path: /b, headers: {a: x, b: y}}, upstream: u}
  c: {match: {path: /c, listener: http}, upstream: v}
"""
LOOSER = """\
security route a takes more clients of */a
security route b asks for fewer conditions of */b
security route c asks for no listeners of */c
security upstream u has tls.settings.insecure_skip_verify true instead of false
security upstream v is reached without TLS now
change route a has other error pages
change route b has other error pages
change route c has other error pages
change the gateway has another 'access_log'
change the gateway has another 'dns'
change the gateway has other error pages for requests without a route
change the gateway timeouts.keepalive falls from 75s to 10s
"""
TIGHTER = """\
security upstream u has tls.settings.insecure_skip_verify false instead of true
breaking route a asks for other clients of */a
breaking route b asks for other conditions of */b
breaking route c asks for other listeners of */c
"""


def between(old: str, new: str, folder: Path) -> list[str]:
    """What `fastgw diff` says of two texts."""
    for name, text in (("old", old), ("new", new)):
        (folder / f"{name}.yaml").write_text(text)
    shown = fastgw("diff", folder / "old.yaml", folder / "new.yaml").stdout
    return [" ".join(line.split()) for line in shown.splitlines()]


def test_what_lets_in_or_trusts_more_is_security(tmp_path: Path) -> None:
    said = between(TIGHT, LOOSE, tmp_path)
    assert [line for line in said if " server " not in line] == LOOSER.splitlines()
    back = between(LOOSE, TIGHT, tmp_path)
    assert [line for line in back if not line.startswith("change")] == TIGHTER.splitlines()
    assert "change upstream v is reached by TLS now" in back


def test_certificates_of_upstreams_are_named_by_path_and_content(tmp_path: Path) -> None:
    text = "upstreams: {u: {servers: [https://10.0.0.1], tls: {cert: CERT, key: KEY}}}\n"
    text = f"version: 1\n{text}routes: {{a: {{match: /a, upstream: u}}}}\n"
    authority, texts = Authority(), []
    for name in ("one", "two"):
        cert, key = authority.issue(f"{name}.example").write(tmp_path, name)
        texts.append(text.replace("CERT", str(cert)).replace("KEY", str(key)))
    said = between(texts[0], texts[1], tmp_path)
    assert len(said) == 2
    for line, key, end in zip(said, ("cert", "key"), ("pem", "key"), strict=True):
        new, old = (rf"{tmp_path}/{name}\.{end} \([0-9a-f]{{12}}\)" for name in ("two", "one"))
        assert re.fullmatch(f"security upstream u has tls.{key} {new} instead of {old}", line)


def test_a_difference_can_fail(file: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(CONFIG.replace("  health:", "  alive:"))
    for words, code in (([], 0), (["security"], 0), (["breaking"], 1), (["any"], 1)):
        flags = ["--fail-on", *words] if words else []
        assert fastgw("diff", file, new, *flags, env=ENV).exit_code == code
    assert fastgw("diff", file, new, "--fail-on", "nothing", env=ENV).exit_code == 2
    found = json.loads(fastgw("diff", file, new, "--json", env=ENV).stdout)
    assert found[0] == {"grade": "breaking", "about": "route health", "text": "is removed"}


def test_secrets_are_not_compared_aloud(file: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(CONFIG.replace("${env:TOKEN}", "${env:OTHER}"))
    result = fastgw("diff", file, new, env={**ENV, "OTHER": "geheimnis"})
    assert "header edits" in result.stdout
    assert "s3cr3t" not in result.stdout
    assert "geheim" not in result.stdout


# -- schema --------------------------------------------------------------------------------

VALIDATOR = jsonschema.Draft202012Validator(json_schema())
RIGHT = sorted([*(ROOT / "examples").glob("*.yaml"), ROOT / "fastgw/cli/starter.yaml"])
#: Files of tests/config/wrong whose mistakes no schema can see: references, places, meaning.
UNSEEN = {
    "bomb", "deep", "duplicate-keys", "duplicate-routes", "empty", "hosts", "insecure",
    "listeners", "loops", "methods", "networks", "no-routes", "not-yaml", "paths", "references",
    "rewrites", "shadowed-routes", "tags", "two-documents", "urls",
}  # fmt: skip


def test_the_schema_is_printed_and_is_one() -> None:
    printed = json.loads(fastgw("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed == json_schema()


def test_every_default_of_the_schema_may_be_written() -> None:
    """An editor fills it in."""
    seen = 0
    for part in json_schema()["$defs"].values():
        for name, one in part.get("properties", {}).items():
            if "default" in one:
                seen += 1
                VALIDATOR.evolve(schema={**one, "$defs": json_schema()["$defs"]}).validate(
                    one["default"]
                )
                assert one["default"] != 0 or "none" not in str(one), name
    assert seen > 20


@pytest.mark.parametrize("right", RIGHT, ids=lambda p: p.name)
def test_the_schema_takes_what_is_right(right: Path) -> None:
    assert [e.message for e in VALIDATOR.iter_errors(read_file(str(right)).value)] == []


WRONG = sorted((ROOT / "tests/config/wrong").glob("*.yaml"))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda p: p.stem)
def test_the_schema_sees_what_it_can(wrong: Path) -> None:
    value = read_file(str(wrong)).value
    assert VALIDATOR.is_valid(value) == (wrong.stem in UNSEEN) or value is None


@pytest.mark.parametrize(
    "text",
    [
        '{"version": 1, "listen": {"h": "${env:ADDR}"}, "defaults": {"timeout": "${env:T}"}}',
        '{"version": 1, "defaults": {"limits": {"fields": "${env:N}", "body": "none"}}}',
        '{"$schema": "fastgw.schema.json", "version": 1}',
        '{"version": 1, "routes": {"a": {"match": "/a", "upstream": ["http://a", {"url": "x"}]}}}',
    ],
)
def test_the_schema_takes_short_forms_and_references(text: str) -> None:
    assert [e.message for e in VALIDATOR.iter_errors(json.loads(text))] == []
