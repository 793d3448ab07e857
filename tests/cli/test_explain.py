"""`fastgw explain`: what is told, and of whom; that it is true: test_agreement.py."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fastgw.config.compile import compile_whole
from fastgw.config.explain import of_file, of_plan
from fastgw.config.requests import BadRequest, Request, request
from tests.cli.agreement import Client
from tests.cli.kit import fastgw
from tests.control.kit import until
from tests.process.gateway import ROOT
from tests.process.gateway import Gateway as GatewayProcess
from tests.scenario.gateway import Gateway
from tests.scenario.origin import Origin, answering
from tests.tls.authority import Authority

CONFIG = """\
version: 1
listen: {http: "127.0.0.1:8080"}
groups:
  api: {match: {host: api.example.com}}
routes:
  root: {match: /, respond: {body: root}}
  all-api: {match: /*, group: api, respond: {body: all-api}}
  orders: {match: /orders/*, group: api, respond: {body: orders}}
  order: {match: {path: "/orders/{id}", method: [GET, PUT]}, group: api, respond: {body: order}}
  order-new: {match: {path: /orders/new}, group: api, respond: {body: order-new}}
  item: {match: {path: "/orders/{id}/items/{item}"}, group: api, respond: {body: item}}
  files: {match: {path: "/files/{path...}"}, group: api, respond: {body: files}}
  codes: {match: {path: {regex: "/codes/[a-z]{2}[0-9]+"}}, group: api, respond: {body: codes}}
  beta: {match: {path: /orders/new, headers: {x-beta: "1"}}, group: api, respond: {body: beta}}
  flag:
    match: {path: /flag, query: {on: {present: true}}}
    respond: {body: flag}
  tone: {match: {path: /tone, query: {tone: "A b"}}, respond: {body: tone}}
  cookie:
    match: {path: /flag, cookies: {who: {regex: "a.*"}}, method: GET}
    respond: {body: cookie}
  inside: {match: {path: /inside, client: [127.0.0.0/8]}, respond: {body: inside}}
  outside: {match: {path: /outside, client: [10.0.0.0/8]}, respond: {body: outside}}
  wild: {match: "*.example.com/w/*", respond: {body: wild}}
  wilder: {match: "*.a.example.com/w/*", respond: {body: wilder}}
  post: {match: {path: /only, method: POST}, respond: {body: post}}
  del: {match: {path: /only, method: DELETE}, respond: {body: del}}
  odd: {match: "/odd/a%2Fb", allow_path: [encoded_slash], respond: {body: odd}}
"""


# -- what is sent --------------------------------------------------------------------------

REWRITES = """\
version: 1
listen: {http: "127.0.0.1:8080"}
upstreams: {u: http://ORIGIN}
routes:
  strip: {match: /strip/*, upstream: u, rewrite: {strip_prefix: /strip}}
  swap: {match: /swap/*, upstream: u, rewrite: {strip_prefix: /swap, prefix: /v1}}
  add: {match: /add/*, upstream: u, rewrite: {prefix: /v2}}
  path: {match: "/path/{id}/{rest...}", upstream: u, rewrite: {path: "/x/{path.id}/{path.rest}"}}
  regex:
    match: /regex/*
    upstream: u
    rewrite: {regex: {pattern: "/r(e)gex/(.)", to: '/\\2\\1/'}}
  keep: {match: /keep/*, upstream: u, host: inner.example.com}
  own: {match: /own/*, upstream: u, host: upstream}
"""


@pytest.mark.parametrize(
    "target",
    [
        "/strip", "/strip/", "/strip/a/b?x=1", "/swap", "/swap/a?", "/add", "/add/a%20b",
        "/path/7/a/b", "/path/a%2Db/", "/regex/abc", "/regex", "/keep/x", "/own/y",
    ],
)  # fmt: skip
def test_tells_what_the_upstream_gets(target: str, tmp_path: Path) -> None:
    with Origin(answering()) as origin:
        host, port = origin.address
        file = tmp_path / "gateway.yaml"
        file.write_text(REWRITES.replace("ORIGIN", f"{host}:{port}"))
        compiled = compile_whole(str(file), {})
        asked = request("GET", f"http://a.example.com{target}")
        (sent,) = of_file(compiled).explain(asked).sent
        assert of_plan(compiled.plan).explain(asked).sent == (sent,)
        with Gateway(*compiled.built.model.routes) as gateway:
            client = Client([gateway.address])
            assert client.ask(asked).status == 200
            client.close()
        got = origin.request()
        assert got.line.decode() == f"GET {sent.target} HTTP/1.1"
        expected = f"{host}:{port}" if sent.host == "the server's own" else sent.host
        assert got.value("host").decode() == expected


# -- what is told --------------------------------------------------------------------------


def told(folder: Path, *words: str) -> tuple[int, str]:
    """Exit code and output of an explanation."""
    file = folder / "gateway.yaml"
    file.write_text(CONFIG)
    result = fastgw("explain", *words, "-c", file)
    return result.exit_code, result.output.replace(str(file), "gateway.yaml")


def test_tells_the_route_the_way_and_who_lost(tmp_path: Path) -> None:
    assert told(tmp_path, "GET", "http://api.example.com/orders/new", "-H", "X-Beta: 2") == (
        0,
        """\
GET http://api.example.com/orders/new
  compared as host 'api.example.com', path '/orders/new'
route order-new (gateway.yaml:10:3)
  takes 'api.example.com/orders/new'
policies, in order
  balance: respond, from routes.order-new.respond (gateway.yaml:10:55)
answered by the gateway
other routes
  all-api (api.example.com/*): fits as well, but its path is less exact than\
 'api.example.com/orders/new'
  order (api.example.com/orders/{id}): fits as well, but its path is less exact than\
 'api.example.com/orders/new'
  orders (api.example.com/orders/*): fits as well, but its path is less exact than\
 'api.example.com/orders/new'
  beta (api.example.com/orders/new): header 'x-beta' is '2', not '1'
  item (api.example.com/orders/{id}/items/{item}): path is '/orders/new', not\
 '/orders/{id}/items/{item}'
""",
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["PATCH", "/only"],
            "no route: answered 405 method_not_allowed\n  Allow: POST, DELETE, OPTIONS\n",
        ),
        (["OPTIONS", "/only"], "no route: answered 204\n  Allow: POST, DELETE, OPTIONS\n"),
        (["PATCH", "/only"], "  del (*/only): method is PATCH, not DELETE\n"),
        (["GET", "/outside"], "  outside (*/outside): client 127.0.0.1 is not in 10.0.0.0/8\n"),
        (["GET", "/flag"], "  flag (*/flag): query parameter 'on' is not there\n"),
        (["GET", "/flag?off=on"], "  flag (*/flag): query parameter 'on' is not there\n"),
        (
            ["GET", "/tone?tone=A%26+%ff"],
            "tone (*/tone): query parameter 'tone' is 'A& \\udcff', not",
        ),
        (["GET", "/", "-H", "Host: a", "-H", "Host: b"], "no route: answered 400 bad_host"),
        (["GET", "/flag", "-H", "Cookie: who=b"], "cookie 'who' is 'b', not 'a.*'"),
        (["GET", "http://x/orders/1"], "orders (api.example.com/orders/*): host is 'x', not"),
        (["GET", "/inside/"], "path is '/inside/', with a slash at its end"),
        (["GET", "/inside/more"], "path '/inside' is exact, the request goes on after it"),
        (["GET", "/Inside"], "upper and lower case count"),
        (["GET", "http://api.example.com/a%2Fb"], "no route: answered 400 bad_path"),
        (["GET", "http://x/codes/ab"], "no route: answered 404 no_route\n"),
    ],
)
def test_tells_why_nothing_takes_it(words: list[str], says: str, tmp_path: Path) -> None:
    code, output = told(tmp_path, *words)
    assert code == 1
    assert says in output


def test_parameters_and_client_are_told(tmp_path: Path) -> None:
    code, output = told(tmp_path, "GET", "http://api.example.com/orders/7/items/a", "--json")
    found = json.loads(output)
    assert (code, found["route"]) == (0, "item")
    assert found["parameters"] == [["id", "7"], ["item", "a"]]
    code, output = told(tmp_path, "GET", "/outside", "--client", "10.1.2.3")
    assert (code, "route outside" in output) == (0, True)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["G ET", "/"], "'G ET' is no method"),
        (["GET", "ftp://x/"], "'ftp://x/' is no http URL"),
        (["GET", "/a b"], "holds a space or control character (write %20)"),
        (["GET", "http://me@x/"], "a URL with a user is not sent by clients"),
        (["GET", "/", "-H", "novalue"], "'novalue' is no header (Name: value)"),
        (["GET", "/", "-H", "a: b\nc"], "can't hold CR, LF"),
        (["GET", "http://x/", "-H", "Host: y"], "the URL says host 'x', the header 'y'"),
        (["GET", "/", "--client", "me"], "--client: 'me' is no address, and not 'unix'"),
        (["GET", "http://[::1/"], "URL or header: Invalid IPv6 URL"),
        (["GET", "/", "--listener", "no"], "no listener 'no'; there are http"),
    ],
)
def test_what_is_no_request_is_said(words: list[str], says: str, tmp_path: Path) -> None:
    code, output = told(tmp_path, *words)
    assert code == 2
    assert says in output


# -- listeners and TLS ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with a listener that redirects, and two of TLS."""
    folder = tmp_path_factory.mktemp("secure")
    cert, key = Authority().issue("a.example", "b.example").write(folder, "a")
    file = folder / "gateway.yaml"
    file.write_text(
        f"""\
version: 1
listen:
  http: {{addr: "127.0.0.1:1", redirect: https}}
  https: {{addr: "127.0.0.1:2", tls: {{cert: {cert}, key: {key}}}}}
  inner: {{addr: "127.0.0.1:3", tls: {{cert: {cert}, key: {key}}}}}
routes:
  any: {{match: /*, respond: {{body: any}}}}
  a: {{match: {{path: /x, sni: a.example}}, respond: {{body: a}}}}
  inner: {{match: {{path: /y, listener: inner}}, respond: {{body: inner}}}}
"""
    )
    return file


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["http://a.example/x"],
            "route listen.http (gateway.yaml:3:3)\n  takes all of its listener",
        ),
        (["https://a.example/x"], "\nroute a ("),
        (["https://A.example:8443/x"], "\nroute a ("),
        (["https://b.example/x"], "a (*/x): the TLS server name is 'b.example', not a.example"),
        (["https://127.0.0.1/x"], "a (*/x): there is no TLS server name, not a.example"),
        (["https://b.example/x", "--server-name", "a.example"], "\nroute a ("),
        (["https://a.example/y"], "inner (*/y): it came by listener 'https', not inner"),
        (["https://a.example/y", "--listener", "inner"], "\nroute inner ("),
        (["https://a.example/x", "--listener", "http"], "route listen.http ("),
    ],
)
def test_the_url_says_listener_and_server_name(words: list[str], says: str, secure: Path) -> None:
    result = fastgw("explain", "GET", *words, "-c", secure)
    assert says in result.output.replace(f"{secure.parent}/", "")


# -- the running gateway -------------------------------------------------------------------


def run_explain(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The verb, on the gateway of a run directory."""
    return subprocess.run(
        [sys.executable, "-m", "fastgw", "explain", *words, "--running", "--run-dir", folder],
        capture_output=True, text=True, timeout=30, cwd=ROOT,
    )  # fmt: skip


def test_the_running_gateway_is_asked_whatever_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(REWRITES.replace("ORIGIN", "127.0.0.1:9").replace(":8080", ":0"))
    command = ["run", file, "--workers", "1", "--run-dir", tmp_path]
    with GatewayProcess([sys.executable, "-m", "fastgw", *map(str, command)]) as gateway:
        gateway.ready()
        gateway.wait_for("serves .*admin.sock")
        file.write_text("version: 1\nroutes: {later: {match: /later, respond: 404}}\n")
        said = run_explain(tmp_path, "GET", "http://x/swap/7")
        assert said.returncode == 0, said.stderr
        assert re.match(
            r"generation 1 \([0-9a-f]{12}\)\nGET http://x/swap/7\n  compared as .*\nroute swap\n",
            said.stdout,
        )
        assert "sent to upstream u: http://127.0.0.1:9\n  GET /v1/7, Host: x\n" in said.stdout
        missed = run_explain(tmp_path, "GET", "/later", "--json")
        assert missed.returncode == 1
        found = json.loads(missed.stdout)
        assert (found["generation"], found["explanation"]["reason"]) == (1, "no_route")
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("generation 2 serves")
        until(lambda: run_explain(tmp_path, "GET", "/later").returncode == 0, "told")
        assert "generation 2 (" in run_explain(tmp_path, "GET", "/later").stdout
        wrong = run_explain(tmp_path, "GET", "/later", "--listener", "no")
        assert (wrong.returncode, "no listener 'no'" in wrong.stderr) == (2, True)
        gateway.signal(signal.SIGTERM)
        gateway.wait()


def test_without_a_gateway_it_says_so(tmp_path: Path) -> None:
    result = fastgw("explain", "GET", "/", "--running", "--run-dir", tmp_path)
    assert result.exit_code == 1
    assert "no gateway runs here" in result.output
    result = fastgw("explain", "GET", "/", "--running", "-c", tmp_path / "x.yaml")
    assert (result.exit_code, "exclude each other" in result.output) == (2, True)


def test_a_file_is_needed() -> None:
    result = fastgw("explain", "GET", "/")
    assert result.exit_code == 2
    assert "give -c FILE, or set FASTGW_CONFIG" in result.output


def test_a_request_is_what_its_url_says() -> None:
    assert request("GET", "x.com:81/a?b#c", ("A:  b ",)) == Request(
        "GET", "/a?b", "x.com:81", (("A", "b"),)
    )
    assert request("OPTIONS", "*").target == "*"
    with pytest.raises(BadRequest):
        request("", "/")
