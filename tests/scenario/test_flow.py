"""Requests that go through as they should."""

from __future__ import annotations

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, upstream
from tests.scenario.origin import Origin, answering


def test_a_request_goes_through() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        a = c.get("/a/./b/../c?x=%7E", "X-Mine: 1")
        assert (a.status, a.body) == (200, b"ok")
        r = origin.request()
        assert r.line == b"GET /a/c?x=%7E HTTP/1.1"
        assert r.value("Host") == b"gw.test"
        assert r.value("X-Mine") == b"1"
        assert r.value("X-Forwarded-For") == b"127.0.0.1"
        said = gw.record(path="/a/c")
        assert (said["status"], said["reason"], said["decided_by"]) == (200, "", "")
        assert said["request_id"].encode() == r.value("X-Request-Id")


def test_many_on_one_connection() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        for i in range(50):
            assert c.get(f"/{i}").body == b"ok"
        assert len(origin.peers) == 1


def test_chunked_both_ways_with_trailers() -> None:
    data = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-End: yes\r\n\r\n"
    )
    with (
        Origin(answering(data)) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        c.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n"
        )
        a = c.answer()
        assert (a.body, a.trailers) == (b"abc", b"X-End: yes\r\n")
        r = origin.request()
        assert (r.body, r.trailers) == (b"hello", b"X-Sum: 7\r\n")


def test_pipelined_requests_are_answered_in_order() -> None:
    def script(peer):  # type: ignore[no-untyped-def]
        while True:
            r = peer.request()
            n = r.line.split(b" ")[1]
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(n), n))

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(100)))
            assert [c.answer().body for _ in range(100)] == [b"/%d" % i for i in range(100)]
