"""A configuration with every kind of matcher and action, requests that meet it or nearly, and
a client that sends them: for comparing what `fastgw explain` tells with what a gateway does."""

from __future__ import annotations

import json
import random
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from fastgw.config.explanation import Explanation
from fastgw.config.requests import Request
from tests.scenario.origin import Peer, Script

#: Routes that forward tell their name to the upstream, others answer with it.
CONFIG = """\
version: 1
trusted_proxies: [127.0.0.0/8]
listen:
  http: "127.0.0.1:0"
  inner: "127.0.0.1:0"
  https: {addr: "127.0.0.1:0", tls: {cert: CERT, key: KEY}}
  old: {addr: "127.0.0.1:0", redirect: https}
defaults:
  headers: {request: {set: {X-Route: "{route}"}}}
upstreams:
  left: http://LEFT
  right: {servers: ["http://RIGHT"], host: upstream}
groups:
  api: {match: {host: api.example.com}}
routes:
  root: {match: /, respond: {body: root}}
  all-api: {match: /*, group: api, respond: {body: all-api}}
  orders: {match: /orders/*, group: api, respond: {body: "{route}", template: true}}
  order: {match: {path: "/orders/{id}", method: [GET, PUT]}, group: api, upstream: left}
  order-new: {match: {path: /orders/new}, group: api, respond: {body: order-new}}
  beta: {match: {path: /orders/new, headers: {x-beta: "1"}}, group: api, upstream: right}
  gamma:
    match: {path: /orders/new, headers: {x-beta: {regex: "[3-9]"}, x-user: {present: true}}}
    group: api
    upstream: left
  item: {match: {path: "/orders/{id}/items/{item}"}, group: api, respond: {body: item}}
  files: {match: {path: "/files/{path...}"}, group: api, respond: {body: files}}
  codes: {match: {path: {regex: "/codes/[a-z]{2}[0-9]+"}}, group: api, respond: {body: codes}}
  pair:
    match: {path: {regex: "/codes/(?P<a>[a-z]+)/(?P<b>[^/]+)"}}
    rewrite: {path: "/pairs/{path.b}/{path.a}"}
    upstream: left
  flag: {match: {path: /flag, query: {on: {present: true}}}, respond: {body: flag}}
  tone: {match: {path: /flag, query: {tone: "A b"}}, priority: 1, respond: {body: tone}}
  size: {match: {path: /flag, query: {size: {regex: "[0-9]+"}}}, priority: 2, upstream: left}
  who: {match: {path: /flag, cookies: {who: {regex: "a.*"}}, method: GET}, respond: {body: who}}
  name: {match: {path: /flag, cookies: {who: bob}, method: POST}, respond: {body: name}}
  near: {match: {path: /near, client: [127.0.0.0/8, "2001:db8::/32"]}, respond: {body: near}}
  far: {match: {path: /near, client: [10.0.0.0/8]}, upstream: right}
  shut: {match: /shut/*, ip: {deny: [10.0.0.0/8]}, upstream: left}
  sni: {match: {path: /tls/*, sni: a.example}, respond: {body: sni}}
  sni-wild: {match: {path: /tls/*, sni: "*.b.example"}, upstream: right}
  plain: {match: {path: /tls/*, listener: [http, inner]}, priority: 1, respond: {body: plain}}
  inner: {match: {path: /inner, listener: inner}, respond: {body: inner}}
  wild: {match: "*.example.com/w/*", respond: {body: wild}}
  wilder: {match: "*.a.example.com/w/*", upstream: left}
  post: {match: {path: /only, method: POST}, respond: {body: post}}
  del: {match: {path: /only, method: DELETE}, respond: {body: del}}
  odd: {match: "/odd/a%2Fb", allow_path: [encoded_slash], respond: {body: odd}}
  strip: {match: /strip/*, rewrite: {strip_prefix: /strip}, upstream: left}
  swap: {match: /swap/*, rewrite: {strip_prefix: /swap, prefix: /v1}, upstream: right}
  add: {match: /add/*, rewrite: {prefix: /v2}, host: inner.example.com, upstream: right}
  cut: {match: /cut/*, rewrite: {regex: {pattern: "/c(u)t/(.)", to: '/\\2\\1/'}}, upstream: left}
  away: {match: "/away/{id}", redirect: {to: "/went/{route}/{path.id}", status: 307}}
  gone: {match: /gone/*, redirect: "/went/{route}/x"}
  split:
    match: /split/*
    rewrite: {strip_prefix: /split}
    split: {key: "{header.x-user}", to: [{upstream: left, weight: 3}, {upstream: right}]}
"""

LISTENERS = ("http", "inner", "https", "old")
SERVER_NAMES = ("a.example", "x.b.example", "b.example", "")
CLIENTS = ("127.0.0.1", "10.1.2.3", "192.0.2.7", "2001:db8::7")
HOSTS = ("api.example.com", "API.example.com:80", "x.example.com", "b.a.example.com", "other")
METHODS = (*["GET"] * 7, "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "BREW")
SEGMENTS = (
    "orders", "new", "7", "items", "files", "codes", "ab12", "flag", "near", "tls", "w", "only",
    "odd", "a%2Fb", "a%2fb", "", "..", ".", "%6Frders", "x;y", "strip", "cut", "split",
)  # fmt: skip
PATHS = (
    "/", "/orders/7", "/orders/new", "/orders/new", "/orders/7/items/x", "/files/a/b", "/files/",
    "/codes/ab12", "/codes/ab/1%20", "/flag", "/flag", "/flag", "/flag", "/near", "/near",
    "/shut/a", "/tls/a", "/tls/a", "/inner", "/w/a", "/only", "/only", "/odd/a%2Fb", "/strip",
    "/strip/a/b", "/swap/", "/swap/a%20b", "/add/a", "/cut/abc", "/cut", "/away/7", "/gone/a/b",
    "/split/a", "/nothing",
)  # fmt: skip
QUERIES = (
    "", "", "?on", "?o%6E=1&x=2", "?off", "?", "?tone=A+b", "?tone=%41%20b", "?tone=A&tone=A%20b",
    "?tone=a+b", "?size=12", "?size=1%32", "?size=x", "?on&size=7",
)  # fmt: skip
FIELDS = (
    ("X-Beta", "1"), ("X-Beta", "2"), ("x-beta", "7"), ("X-User", "u1"), ("X-User", "u2"),
    ("Cookie", "z=1; who=abc"), ("Cookie", "who=bob"), ("Cookie", "who=; z"),
)  # fmt: skip


def generated(seed: int, n: int) -> Iterator[Request]:
    """Requests that meet the routes, or nearly."""
    rng = random.Random(seed)
    for _ in range(n):
        target = rng.choice(PATHS)
        if rng.random() < 0.25:
            target = "/" + "/".join(rng.choices(SEGMENTS, k=rng.choice((0, 1, 1, 2, 2, 3, 4))))
        if "flag" in target or rng.random() < 0.2:
            target += rng.choice(QUERIES)
        fields = tuple(field for field in FIELDS if rng.random() < 0.3)
        at = rng.choice((0, 0, 0, 1, 2, 2, 3))
        secure = LISTENERS[at] == "https"
        yield Request(
            rng.choice(METHODS), target, rng.choice(HOSTS), fields, rng.choice(CLIENTS), at,
            "https" if secure else "http", rng.choice(SERVER_NAMES) if secure else "",
        )  # fmt: skip


def echoing(name: str) -> Script:
    """An upstream that answers with what it got."""

    def script(peer: Peer) -> None:
        while True:
            got = peer.request()
            _, target, _ = got.line.decode().split(" ")
            said = {"Upstream": name, "Target": target, "Host": got.value("Host").decode()}
            said["Route"] = got.value("X-Route").decode()
            fields = "".join(f"X-{key}: {value}\r\n" for key, value in said.items())
            peer.send(f"HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n".encode())

    return script


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str


class Client:
    """Keeps a connection for each listener and server name while it may."""

    def __init__(self, addresses: list[tuple[str, int]]) -> None:
        self.addresses = addresses
        self.open: dict[tuple[int, str], socket.socket] = {}
        self.rest = b""

    def ask(self, asked: Request) -> Answer:
        """The answer to a request, whose client is told as a trusted proxy does."""
        key = asked.listener, asked.server_name
        if key not in self.open:
            self.open[key] = self._connected(asked)
        there, self.rest = self.open[key], b""
        head, blank = asked.head()[:-2], b"\r\n"
        there.sendall(head + f"X-Forwarded-For: {asked.client}\r\n".encode() + blank)
        lines = self._until(there, b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines[1:] if line)}
        length = 0 if asked.method == "HEAD" else int(headers.get("content-length", 0))
        while len(self.rest) < length:
            self.rest += _received(there)
        if headers.get("connection") == "close":
            self.open.pop(key).close()
        return Answer(int(lines[0].split(" ")[1]), headers, self.rest.decode())

    def _connected(self, asked: Request) -> socket.socket:
        plain = socket.create_connection(self.addresses[asked.listener], timeout=10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if asked.scheme != "https":
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain, server_hostname=asked.server_name or None)

    def _until(self, there: socket.socket, end: bytes) -> bytes:
        while end not in self.rest:
            self.rest += _received(there)
        found, _, self.rest = self.rest.partition(end)
        return found

    def close(self) -> None:
        """Close every connection."""
        for there in self.open.values():
            there.close()
        self.open.clear()


def _received(there: socket.socket) -> bytes:
    data = there.recv(65536)
    assert data, "closed without an answer"
    return data


def agree(found: Explanation, got: Answer, own_hosts: dict[str, str]) -> None:
    """What was told is what came. `own_hosts`: the Host of upstreams by which it is theirs."""
    method = found.request.method
    if found.route is None:
        assert (got.status, got.headers.get("allow", "")) == (found.status, ", ".join(found.allow))
        if got.body:
            assert json.loads(got.body)["reason"] == found.reason
    elif got.status == 403:
        assert any(policy.text.startswith("ip") for policy in found.policies)
        assert found.request.client.startswith("10.")
    elif "location" in got.headers:
        assert got.headers["location"] == _location(found)
        assert not found.sent
    elif found.sent:
        sent = {
            (s.upstream, s.target, own_hosts[s.upstream] if s.host.endswith(" own") else s.host)
            for s in found.sent
        }
        assert tuple(got.headers[f"x-{key}"] for key in ("upstream", "target", "host")) in sent
        assert got.headers["x-route"] == found.route
    else:
        assert (got.status, got.body) == (200, "" if method == "HEAD" else found.route)
    assert found.match or found.route in (None, "listen.old")


def _location(found: Explanation) -> str:
    """Where the route redirects to."""
    if found.route == "listen.old":
        query = "".join(found.request.target.partition("?")[1:])
        return f"https://{found.host}{found.path}{query}"
    parameters = dict(found.parameters)
    return f"/went/{found.route}/{parameters.get('id', 'x')}"
