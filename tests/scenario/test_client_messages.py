"""What passes between a client and the gateway: framing, versions, interim answers."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Limits, Match, ObjectSpec, Route, Step, policy, upstream
from tests.scenario.origin import OK, Origin, Peer, Script, answering

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GET_10 = b"GET / HTTP/1.0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\n"


def once(*parts: bytes) -> Script:
    """Read one whole request, say something, close."""

    def script(peer: Peer) -> None:
        peer.log(peer.request())
        for part in parts:
            peer.send(part)

    return script


def answered_by(status: int, **options: Any) -> Route:
    """A route that a policy answers; there is nothing behind it."""
    steps = (Step(policy("respond", status=status, **options)),)
    return Route("fixed", (Match(),), ObjectSpec("none", "none"), steps=steps)


# -- keep-alive and pipelining -------------------------------------------------------------


def test_pipelined_answers_leave_together() -> None:
    with Gateway(answered_by(200, body="x")) as gw, Client(gw.address) as c:
        c.get()
        before = gw.counters()["sends"]
        c.send(GET * 64)
        assert [c.answer().body for _ in range(64)] == [b"x"] * 64
        assert gw.counters()["sends"] - before <= 3


def test_pipelined_answers_without_bodies() -> None:
    with Gateway(answered_by(204)) as gw, Client(gw.address) as c:
        c.send(GET * 20)
        assert [c.answer().status for _ in range(20)] == [204] * 20


@pytest.mark.parametrize(
    ("status", "body", "total"), [(200, "y" * 1000, 10_000), (204, "", 80_000)]
)
def test_a_client_that_pipelines_without_reading_is_braked(
    status: int,
    body: str,
    total: int,
) -> None:
    """Its answers do not pile up; nothing is lost when it reads at last."""
    with Gateway(answered_by(status, body=body), limits=Limits(requests=0)) as gw:
        with Client(gw.address, receive_buffer=4096) as c:
            pump = threading.Thread(target=c.send, args=(GET * total,), daemon=True)
            pump.start()
            gw.until(lambda n: n["buffer_bytes"] >= 256 * 1024, "the queue is full")
            assert gw.counters()["buffer_bytes"] < 1 << 20
            for _ in range(total):
                a = c.answer()
                assert (a.status, len(a.body)) == (status, len(body))
            pump.join(10)


def test_a_large_answer_behind_a_full_queue_is_whole() -> None:
    body = "".join(f"{i:07}\n" for i in range(20_000))
    with Gateway(answered_by(200, body=body)) as gw, Client(gw.address) as c:
        c.send(GET * 5)
        for _ in range(5):
            assert c.answer().body == body.encode()


def test_connection_close_is_obeyed() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        a = c.get("/", "Connection: close")
        assert a.value("Connection") == b"close"
        assert c.at_end()


# -- HTTP/1.0 ------------------------------------------------------------------------------


def test_an_old_client_gets_one_answer() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        a = c.send(GET_10).answer()
        assert (a.body, a.value("Connection")) == (b"ok", b"close")
        assert c.at_end()
        assert origin.request().line == b"GET / HTTP/1.1"


def test_an_old_client_may_keep_the_connection() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        for _ in range(3):
            a = c.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer()
            assert (a.body, a.value("Connection")) == (b"ok", b"keep-alive")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nabcde"


@pytest.mark.parametrize("data", [CHUNKED, UNTIL_CLOSE])
def test_answers_of_unknown_length(data: bytes) -> None:
    """To an old client they end with the connection, to others they are chunked."""
    with Origin(once(data)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            a = c.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer()
            assert (a.body, a.values("Transfer-Encoding")) == (b"abcde", [])
            assert a.value("Connection") == b"close"
            assert a.values("Content-Length") == []
        with Client(gw.address) as c:
            for _ in range(2):
                a = c.get()
                assert (a.body, a.value("Transfer-Encoding")) == (b"abcde", b"chunked")
                assert a.values("Connection") == []


def test_a_close_delimited_answer_that_breaks_is_no_success() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c, pytest.raises((EOFError, ConnectionResetError)):
            c.get()
        assert gw.record()["reason"] == "upstream_truncated"


# -- answers without a body ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "data", "status", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", 200, [b"1234"]),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, []),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", 200, []),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, []),
        (
            "GET",
            b'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nETag: "a"\r\n\r\n',
            304,
            [b"99"],
        ),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', 304, []),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, [b"0"]),
    ],
)
def test_answers_without_a_body(method: str, data: bytes, status: int, length: list[bytes]) -> None:
    with Origin(answering(data)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            for _ in range(2):
                a = c.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode()).answer(method)
                assert (a.status, a.values("Content-Length")) == (status, length)
                assert a.values("Transfer-Encoding") == [] and a.values("Connection") == []


# -- interim answers -------------------------------------------------------------------------


def test_early_hints_reach_new_clients_only() -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(HINTS + HINTS + OK)

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.send(GET)
        assert [c.head().status for _ in range(2)] == [103, 103]
        assert c.answer().body == b"ok"
        with Client(gw.address) as old:
            assert old.send(GET_10).answer().status == 200


def test_hints_come_while_the_answer_is_awaited() -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HINTS)
        assert go.wait(10)
        peer.send(OK)

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        hints = c.send(GET).head()
        assert (hints.status, hints.value("Link")) == (103, b"</x.css>")
        go.set()
        assert c.answer().body == b"ok"


# -- Expect ------------------------------------------------------------------------------------

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def test_the_origin_says_100() -> None:
    def script(peer: Peer) -> None:
        while True:
            request = peer.head()
            assert request.value("Expect") == b"100-continue"
            assert not peer.rest
            peer.send(CONTINUE)
            peer.log(peer.body_of(request))
            peer.send(OK)

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        for _ in range(2):
            assert c.send(HEAD).head().status == 100
            assert c.send(b"hello").answer().body == b"ok"
            assert origin.request().body == b"hello"


def test_the_origin_answers_at_once() -> None:
    """The body is not asked for; whether it comes is not known, so the connection ends."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        assert peer.gone()

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        a = c.send(HEAD).answer()
        assert (a.status, a.value("Connection")) == (401, b"close")
        c.send(b"hello" + GET)
        assert c.at_end()
        assert gw.record()["request_bytes"] == 0


@pytest.mark.parametrize("apart", [False, True])
def test_a_client_that_does_not_wait(apart: bool) -> None:
    """An origin that knows no 100 gets the body, whether or not there was a connection yet."""
    there = threading.Event()

    def script(peer: Peer) -> None:
        while True:
            request = peer.head()
            there.set()
            peer.log(peer.body_of(request))
            peer.send(OK)

    with (
        Origin(script) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        if apart:
            c.send(HEAD)
            assert there.wait(10)
            c.send(b"hello")
        else:
            c.send(HEAD + b"hello")
        assert c.answer().status == 200
        assert origin.request().body == b"hello"
        assert c.get().status == 200
        assert c.send(HEAD + b"world").answer().status == 200


def test_an_answer_of_the_gateways_own_to_a_client_that_waits() -> None:
    with Gateway(answered_by(403)) as gw, Client(gw.address) as c:
        a = c.send(HEAD).answer()
        assert (a.status, a.value("Connection")) == (403, b"close")
        assert c.half_close().at_end()


def test_other_expectations() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        a = c.get("/", "Expect: 200-ok")
        assert a.status == 417
        assert c.half_close().at_end()
        assert gw.record()["reason"] == "expectation_failed"


def test_an_old_client_never_gets_100() -> None:
    """RFC 9110 section 10.1.1: its expectation is ignored."""

    def script(peer: Peer) -> None:
        request = peer.head()
        assert request.values("Expect") == []
        peer.log(peer.body_of(request))
        peer.send(OK)

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        head = b"POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        assert c.send(head + b"hello").answer().status == 200
        assert origin.request().body == b"hello"


# -- targets -----------------------------------------------------------------------------------


def test_options_of_the_server() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        assert c.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").answer().status == 200
        assert origin.request().line == b"OPTIONS * HTTP/1.1"
        assert c.get("*").status == 400


def test_absolute_form_names_the_host() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        assert c.get("http://b.test:81/x?y", host="a").status == 200
        r = origin.request()
        assert (r.line, r.value("Host")) == (b"GET /x?y HTTP/1.1", b"b.test:81")
        assert r.value("X-Forwarded-Host") == b"b.test:81"


def test_connect_is_not_offered() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        a = c.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").answer()
        assert a.status == 501
        assert origin.requests.empty()


# -- trailers ------------------------------------------------------------------------------------


def test_trailers_in_pieces() -> None:
    """They arrive byte by byte, both ways."""
    body = b"2\r\nhi\r\n0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"

    def script(peer: Peer) -> None:
        peer.log(peer.request())
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.socket.setsockopt(6, 1, 1)
        for i in range(len(body)):
            peer.send(body[i : i + 1])
            threading.Event().wait(0.001)

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.socket.setsockopt(6, 1, 1)
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(len(body)):
            c.send(body[i : i + 1])
            threading.Event().wait(0.001)
        a = c.answer()
        assert (a.body, a.trailers) == (b"hi", b"X-A: 1\r\nX-B: 2\r\n")
        r = origin.request()
        assert (r.body, r.trailers) == (b"hi", b"X-A: 1\r\nX-B: 2\r\n")


def test_an_old_client_gets_no_trailers() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-A: 1\r\n\r\n"
    with Origin(once(data)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            assert c.send(GET_10).answer().body == b"hi"
