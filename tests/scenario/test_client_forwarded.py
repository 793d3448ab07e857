"""Forwarding fields: what untrusted peers say is removed, what trusted ones say is continued."""

from __future__ import annotations

import re

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Match, Route, Step, policy, upstream
from tests.scenario.origin import Origin, Request, answering

SPOOFED = (
    "X-Forwarded-For: 1.1.1.1",
    "X-Forwarded-For: 2.2.2.2, 3.3.3.3",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Port: 1",
    "X-Real-IP: 9.9.9.9",
    "Forwarded: for=1.1.1.1;proto=https",
    "Forwarded: for=2.2.2.2",
    "X-Request-Id: mine-1",
    "X-Forwarded-Prefix: /x",
    "X-Forwarded-Client-Cert: subject",
)
OURS = (
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Real-IP",
    "Forwarded",
    "X-Request-Id",
)
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def asked(gw: Gateway, origin: Origin, *fields: str, host: str = "gw.test:81") -> Request:
    """What the origin is told of a GET."""
    with Client(gw.address) as c:
        assert c.get("/", *fields, host=host).status == 200
    return origin.request()


def says_the_truth(r: Request, port: int) -> None:
    """Only what the gateway knows itself."""
    assert r.value("X-Forwarded-For") == b"127.0.0.1"
    assert r.value("X-Real-IP") == b"127.0.0.1"
    assert r.value("X-Forwarded-Proto") == b"http"
    assert r.value("X-Forwarded-Host") == b"gw.test:81"
    assert r.value("X-Forwarded-Port") == b"%d" % port
    assert r.value("Forwarded") == b'for=127.0.0.1;host="gw.test:81";proto=http'
    assert UUID.fullmatch(r.value("X-Request-Id"))
    assert r.values("X-Forwarded-Prefix") == r.values("X-Forwarded-Client-Cert") == []


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8", "::1")])
def test_nobody_is_trusted_unless_named(trusted: tuple[str, ...]) -> None:
    with Origin() as origin, Gateway(upstream(origin.address), trusted_proxies=trusted) as gw:
        says_the_truth(asked(gw, origin), gw.address[1])
        says_the_truth(asked(gw, origin, *SPOOFED), gw.address[1])
        odd = [re.sub("^X-F", "x-f", line).replace("Forwarded", "FORWARDED") for line in SPOOFED]
        says_the_truth(asked(gw, origin, *odd), gw.address[1])


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8"])
def test_trusted_peers_are_continued(trusted: str) -> None:
    with Origin() as origin, Gateway(upstream(origin.address), trusted_proxies=(trusted,)) as gw:
        r = asked(gw, origin, *SPOOFED)
        assert r.value("X-Forwarded-For") == b"1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1"
        assert r.value("Forwarded") == (
            b'for=1.1.1.1;proto=https, for=2.2.2.2, for=127.0.0.1;host="gw.test:81";proto=http'
        )
        assert r.value("X-Real-IP") == b"9.9.9.9"
        assert r.value("X-Forwarded-Proto") == b"https"
        assert r.value("X-Forwarded-Host") == b"evil.test"
        assert r.value("X-Forwarded-Port") == b"1"
        assert r.value("X-Request-Id") == b"mine-1"
        assert r.value("X-Forwarded-Prefix") == b"/x"
        assert gw.record()["request_id"] == "mine-1"
        says_the_truth(asked(gw, origin), gw.address[1])


@pytest.mark.parametrize("bad", ["", "x" * 40, 'a"b', "a\\b", "a b", "\u00e9"])
def test_a_request_id_that_is_not_taken_over(bad: str) -> None:
    with (
        Origin() as origin,
        Gateway(upstream(origin.address), trusted_proxies=("127.0.0.1",)) as gw,
    ):
        r = asked(gw, origin, f"X-Request-Id: {bad}")
        assert UUID.fullmatch(r.value("X-Request-Id"))


def test_ids_differ() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        ids = []
        for _ in range(100):
            c.get()
            ids.append(origin.request().value("X-Request-Id"))
        assert len(set(ids)) == 100


@pytest.mark.parametrize("trusted", [(), ("127.0.0.1",)])
def test_connection_can_not_name_what_is_added(trusted: tuple[str, ...]) -> None:
    """What the client lists is removed before the gateway's own fields are added."""
    with Origin() as origin, Gateway(upstream(origin.address), trusted_proxies=trusted) as gw:
        r = asked(
            gw,
            origin,
            "Connection: close, X-Mine, " + ", ".join(OURS),
            "X-Mine: 1",
            "X-Other: 2",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "TE: gzip",
            "X-Forwarded-For: 6.6.6.6",
        )
        for name in OURS:
            assert len(r.values(name)) == 1, name
        assert r.value("X-Forwarded-For") == b"127.0.0.1"
        for name in ("X-Mine", "Connection", "Keep-Alive", "Proxy-Connection", "TE"):
            assert r.values(name) == [], name
        assert r.value("X-Other") == b"2"


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Authorization"])
def test_connection_can_not_name_framing_host_or_credentials(name: str) -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.send(
            f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nAuthorization: Basic eA==\r\n"
            f"Connection: {name}\r\n\r\nhi".encode()
        )
        a = c.answer()
        if a.status == 200:
            r = origin.request()
            assert (r.body, r.value("Host"), r.value("Authorization")) == (
                b"hi",
                b"a",
                b"Basic eA==",
            )
        else:
            assert a.status == 400 and origin.requests.empty()


def test_hop_by_hop_fields_of_answers() -> None:
    data = (
        b"HTTP/1.1 200 OK\r\nConnection: X-Gone, keep-alive\r\nX-Gone: 1\r\nX-Stays: 2\r\n"
        b"Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    with Origin(answering(data)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            a = c.get()
            for name in ("X-Gone", "Keep-Alive", "Proxy-Connection", "Upgrade", "Connection"):
                assert a.values(name) == [], name
            assert a.value("X-Stays") == b"2"


def test_policies_see_and_may_change_what_is_added() -> None:
    edits = Step(
        policy("headers", request={"set": {"X-Forwarded-Proto": "https", "X-Id": "{request.id}"}})
    )
    with Origin() as origin:
        with Gateway(Route("r", (Match(),), upstream(origin.address), steps=(edits,))) as gw:
            r = asked(gw, origin)
            assert r.value("X-Forwarded-Proto") == b"https"
            assert r.value("X-Id") == r.value("X-Request-Id")
