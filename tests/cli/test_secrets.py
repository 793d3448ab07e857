"""What references bring is shown by no verb, in no message and by nothing of the admin API."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import Result

from fastgw.config.redaction import Redaction
from tests.cli.kit import fastgw
from tests.process.gateway import ROOT, Gateway
from tests.tls.authority import Authority

#: Every value that a reference may stand for and that means something to a request.
CONFIG = """\
version: 1
listen: {http: "127.0.0.1:0", s: {addr: "127.0.0.1:0", tls: {cert: CERT, key: KEY}}}
upstreams:
  u: {servers: [http://127.0.0.1:9], host: @host@}
defaults:
  errors: {pages: [{status: 503, body: @page@}]}
groups:
  g: {match: {host: @group@}}
routes:
  a:
    match:
      path: @path@
      host: @match@
      headers: {x-api-key: @header@, x-re: {regex: @expression@}}
      query: {q: @query@}
      cookies: {c: @cookie@}
      sni: @sni@
    headers: {request: {set: {Authorization: @set@}}, response: {add: {X-A: @add@}}}
    upstream: u
    rewrite: {path: @rewrite@}
  b: {match: /b/*, rewrite: {strip_prefix: /b, prefix: @prefix@}, upstream: u}
  c: {match: /c, redirect: {to: @redirect@}}
  d: {match: /d, respond: {body: @body@, headers: {X-B: @field@}}}
  e: {match: {path: {regex: @regex@}}, rewrite: {regex: {pattern: "/e", to: @to@}}, upstream: u}
  f: {match: /f, split: {key: @key@, to: [{upstream: u}, {upstream: http://127.0.0.1:8}]}}
  h: {match: /h, group: g, upstream: u}
  k: {match: {path: /k, headers: {x-api-key: @short@}}, upstream: u}
"""
SECRETS = {
    "host": "Zq7Secret.example", "page": "zq7 Secret 'x' page", "group": "zq7secret.g.example",
    "path": "/zq7Secret/x", "match": "Zq7Secret.m.example", "header": "zq7Secret'\"key",
    "expression": "zq7Secret[0-9]+", "query": "zq7Secret b", "cookie": "zq7Secretc",
    "sni": "zq7Secret.s.example", "set": "Bearer zq7Secret", "add": "zq7Secretadd",
    "rewrite": "/zq7Secret/rw", "prefix": "/zq7Secretp", "redirect": "/zq7Secret/{header.x}",
    "body": "zq7Secret\nbody\"'\\", "field": "zq7Secretrh", "regex": "/zq7Secret/[a-z]",
    "to": "/zq7Secret/sub", "key": "zq7Secret{header.x}", "short": "zq7",
}  # fmt: skip
#: What is wrong as a value of nearly everything.
BROKEN = ("zq7Secret é'\"{\\1 ((\n x", "zQ7Secret(", "zq7Secret'{nope}/*")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration, all of whose values come from outside."""
    folder = tmp_path_factory.mktemp("secrets")
    cert, key = Authority().issue("a.example").write(folder, "a")
    text = CONFIG.replace("CERT", str(cert)).replace("KEY", str(key))
    for name in SECRETS:
        text = text.replace(f"@{name}@", f'"${{env:S_{name}}}"')
    (folder / "new.yaml").write_text("version: 1\nroutes: {z: {match: /z, respond: 404}}\n")
    path = folder / "g.yaml"
    path.write_text(text)
    return path


def environment(**others: str) -> dict[str, str]:
    """The variables that hold the secrets, some with other values."""
    return {f"S_{name}": value for name, value in {**SECRETS, **others}.items()}


def shown(result: Result) -> str:
    """Output and errors, in one case."""
    return (result.stdout + result.stderr).lower()


VERBS = (
    ["check", "FILE"], ["check", "--json", "FILE"], ["routes", "FILE"],
    ["routes", "--json", "FILE"],
    ["show", "FILE"], *(["show", "--effective", route, "FILE"] for route in "abcdefhk"),
    ["diff", "FILE", "NEW"], ["diff", "NEW", "FILE"], ["fmt", "--diff", "FILE"],
    *(["explain", "GET", url, "-c", "FILE", *more] for url in ("/b/x", "/c", "/e", "/k", "/none")
      for more in ([], ["--json"])),
    ["explain", "GET", "/k", "-H", "x-api-key: other", "-c", "FILE"],
)  # fmt: skip


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_shows_a_secret(words: list[str], file: Path) -> None:
    places = {"FILE": str(file), "NEW": str(file.with_name("new.yaml"))}
    result = fastgw(*(places.get(word, word) for word in words), env=environment())
    assert result.exit_code in (0, 1), result.output
    assert "zq7" not in shown(result)


@pytest.mark.parametrize("name", [name for name in SECRETS if name != "short"])
def test_no_error_shows_a_secret(name: str, file: Path) -> None:
    for value in BROKEN:
        for flags in ([], ["--json"]):
            result = fastgw("check", *flags, file, env=environment(**{name: value}))
            assert "secret" not in shown(result).replace(f"{file.parent}/".lower(), "")


def test_a_running_gateway_shows_no_secret(file: Path, tmp_path: Path) -> None:
    command = ["run", str(file), "--workers", "1", "--run-dir", str(tmp_path)]
    with Gateway([sys.executable, "-m", "fastgw", *command], environment()) as gateway:
        gateway.ready()
        gateway.wait_for("serves .*admin.sock")
        said = subprocess.run(
            [sys.executable, "-m", "fastgw", "explain", "GET", "/k", "-H", "x-api-key: other",
             "--running", "--run-dir", tmp_path],
            capture_output=True, text=True, timeout=30, cwd=ROOT,
        )  # fmt: skip
        assert "header 'x-api-key' is 'other', not '${env:S_short}'" in said.stdout
        answers = [said.stdout]
        transport = httpx.HTTPTransport(uds=str(tmp_path / "default/admin.sock"))
        with httpx.Client(transport=transport, base_url="http://gateway", timeout=30) as client:
            paths = [p for p, how in client.get("/openapi.json").json()["paths"].items()
                     if "get" in how and "{" not in p]  # fmt: skip
            assert "/config" in paths
            for path in paths:
                asked = {"method": "GET", "url": "/b/x"} if path == "/explain" else None
                answers.append(client.get(path, params=asked).text)
            file_text = file.read_text()
            file.write_text(file_text.replace('"${env:S_path}"', '"${env:S_key}"'))
            try:
                answers.append(client.post("/reload").text)
            finally:
                file.write_text(file_text)
        assert "errors" in json.loads(answers[-1])
        gateway.signal(signal.SIGTERM)
        gateway.wait()
        assert "zq7" not in "".join([*answers, gateway.log]).lower()


@pytest.mark.parametrize(
    ("value", "text", "says"),
    [
        ("s3cr3t-token", "is 'S3CR3T-TOKEN' wrong", "is '${env:X}' wrong"),
        ("two\nlines-of-it", "{'x': 'two\\nlines-of-it'}", "{'x': '${env:X}'}"),
        ("two\nlines-of-it", "lines-of-it alone", "${env:X} alone"),
        ("8080", "127.0.0.1:8080 18080 8080x", "127.0.0.1:${env:X} 18080 8080x"),
        ("7", "7 of '7'", "7 of '${env:X}'"),
        ("bücher.example", "write 'xn--bcher-kva.example'", "write '${env:X}'"),
        ("a.b*c+d", "axb*c+d a.b*c+d", "axb*c+d ${env:X}"),
    ],
)
def test_values_are_found_in_all_their_forms(value: str, text: str, says: str) -> None:
    assert Redaction({value: "${env:X}"})(text) == says


def test_nothing_hidden_changes_nothing() -> None:
    assert Redaction({})("a text") == "a text"
