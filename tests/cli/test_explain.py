"""`fastgw explain` tells what the gateway does."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import pytest

from fastgw.config.compile import Compiled, compile_whole
from fastgw.config.explain import Explainer, of_file, of_plan
from fastgw.config.explanation import Explanation, explanation_of
from fastgw.config.requests import BadRequest, Request, request
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
SEEDS, EACH = range(4), 2500


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The configuration, compiled."""
    file = tmp_path_factory.mktemp("explain") / "gateway.yaml"
    file.write_text(CONFIG)
    return compile_whole(str(file), {})


@pytest.fixture(scope="module")
def explainer(compiled: Compiled) -> Explainer:
    """Tells of that configuration."""
    return of_file(compiled)


HOSTS = ["api.example.com", "API.example.com:80", "x.example.com", "b.a.example.com", "other"]
SEGMENTS = ["orders", "new", "7", "items", "files", "codes", "ab12", "flag", "inside", "outside",
            "w", "only", "odd", "a%2Fb", "a%2fb", "", "..", ".", "%6Frders", "x;y"]  # fmt: skip
METHODS = ["GET"] * 6 + ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"]


def generated(seed: int) -> Iterator[Request]:
    """Requests that meet the routes, or nearly."""
    rng = random.Random(seed)
    for _ in range(EACH):
        target = "/" + "/".join(rng.choices(SEGMENTS, k=rng.choice((0, 1, 1, 2, 2, 3, 4))))
        target += rng.choice(["", "", "?on", "?on=1&x=2", "?off", "?"])
        headers = tuple(
            pair
            for pair in (("X-Beta", "1"), ("X-Beta", "2"), ("Cookie", "z=1; who=abc"))
            if rng.random() < 0.2
        )
        yield Request(rng.choice(METHODS), target, rng.choice(HOSTS), headers)


class Asking:
    """A client that keeps its connection while it may."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket: socket.socket | None = None
        self.rest = b""

    def ask(self, asked: Request) -> tuple[int, str, dict[str, str]]:
        """Status, body and headers of the answer."""
        if self.socket is None:
            self.socket = socket.create_connection(self.address, timeout=10)
            self.rest = b""
        self.socket.sendall(asked.head())
        head = self.until(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines if line)}
        length = 0 if asked.method == "HEAD" else int(headers.get("content-length", 0))
        while len(self.rest) < length:
            self.rest += self.receive()
        body, self.rest = self.rest[:length].decode(), self.rest[length:]
        if headers.get("connection") == "close":
            self.close()
        return status, body, headers

    def until(self, end: bytes) -> bytes:
        while end not in self.rest:
            self.rest += self.receive()
        found, _, self.rest = self.rest.partition(end)
        return found

    def receive(self) -> bytes:
        assert self.socket is not None
        data = self.socket.recv(65536)
        assert data, "closed without an answer"
        return data

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None


def agree(found: Explanation, status: int, body: str, headers: dict[str, str]) -> None:
    """What was told is what came."""
    method = found.request.method
    if found.route is not None:
        assert status == 200
        assert body == ("" if method == "HEAD" else found.route)
        assert found.match
    else:
        assert status == found.status
        if method != "HEAD" and body:
            assert json.loads(body)["type"].endswith(found.reason)
        if found.allow:
            assert set(headers["allow"].split(", ")) >= set(found.allow)


@pytest.mark.parametrize("seed", SEEDS)
def test_agrees_with_the_gateway(seed: int, compiled: Compiled, explainer: Explainer) -> None:
    model = compiled.built.model
    with Gateway(*model.routes, listeners=model.listeners, limits=model.limits) as gateway:
        client = Asking(gateway.address)
        routes = set()
        for asked in generated(seed):
            found = explainer.explain(asked)
            if found.request.method == "OPTIONS" and found.status == 405:
                continue  # answered by the gateway in the routes' place
            agree(found, *client.ask(asked))
            routes.add(found.route)
        client.close()
    assert len(routes) > 10


def test_a_plan_alone_tells_the_same(compiled: Compiled, explainer: Explainer) -> None:
    """But for where things are written and what only the file knows."""
    by_plan = of_plan(compiled.plan)
    for asked in islice(generated(7), 400):
        mine, its = explainer.explain(asked), by_plan.explain(asked)
        for name in ("route", "status", "reason", "allow", "host", "path", "match", "parameters"):
            assert getattr(its, name) == getattr(mine, name), (name, asked)
        assert [p.key for p in its.policies] == [p.key for p in mine.policies]
        assert [(m.route, m.match, m.fits) for m in its.misses] == [
            (m.route, m.match, m.fits) for m in mine.misses
        ]


def test_an_explanation_travels_as_json(explainer: Explainer) -> None:
    for asked in islice(generated(8), 100):
        found = explainer.explain(asked)
        assert explanation_of(json.loads(json.dumps(asdict(found)))) == found


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
            client = Asking(gateway.address)
            assert client.ask(asked)[0] == 200
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
        (["PATCH", "/only"], "no route: answered 405 method_not_allowed\n  Allow: POST, DELETE"),
        (["PATCH", "/only"], "  del (*/only): method is PATCH, not DELETE\n"),
        (["GET", "/outside"], "  outside (*/outside): client 127.0.0.1 is not in 10.0.0.0/8\n"),
        (["GET", "/flag"], "  flag (*/flag): query parameter 'on' is not there\n"),
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
        (["GET", "/", "--client", "me"], "'me' does not appear to be an IPv4 or IPv6 address"),
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
