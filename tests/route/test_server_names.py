"""Matching by the name that the client's TLS asked for."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Match, ObjectSpec, Route, Step, policy
from tests.tls.authority import Authority
from tests.tls.kit import SecureClient, https, trusting

NONE = ObjectSpec("none", "none")


def answering(name: str, *server_names: str) -> Route:
    """A route that says its name."""
    steps = (Step(policy("respond", name=name, body=name)),)
    return Route(name, (Match(server_names=frozenset(server_names)),), NONE, steps)


def test_routes_by_server_name(tmp_path: Path) -> None:
    authority = Authority()
    cert, key = authority.issue("a.example", "*.b.example").write(tmp_path, "a")
    routes = (answering("a", "a.example"), answering("b", "*.b.example"))
    context = trusting(authority)
    for name, status in {"a.example": 200, "x.b.example": 200, None: 404}.items():
        context.check_hostname = name is not None
        for route in routes:
            with https(route, tmp_path, cert=cert, key=key) as gw:
                with SecureClient(gw.address, context, name) as c:
                    host = name or "a.example"
                    c.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                    fits = name is not None and name[0] == {"a": "a", "b": "x"}[route.name]
                    assert c.answer().status == (status if fits else 404), (name, route.name)


def test_without_tls_there_is_no_server_name() -> None:
    with Gateway(answering("a", "a.example"), answering("all")) as gw, Client(gw.address) as c:
        assert c.get("/", host="a.example").body == b"all"
