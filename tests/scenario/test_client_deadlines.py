"""Clients that are slow: each deadline cuts its own off, with its own reason, and nobody else."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import (
    Gateway,
    Match,
    ObjectSpec,
    Route,
    Step,
    Timeouts,
    policy,
    upstream,
)
from tests.scenario.origin import OK, Origin, Peer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
QUIET = {
    "request_head": 0,
    "body_idle": 0,
    "connect": 0,
    "response_head": 0,
    "idle": 0,
    "request": 0,
    "keepalive": 0,
}


def only(**one: int) -> Timeouts:
    """Timeouts with all but the named ones switched off."""
    return Timeouts(**{**QUIET, **one})


def routed(origin: Origin, timeouts: Timeouts) -> Route:
    """A route to `origin`."""
    return Route("default", (Match(),), upstream(origin.address), timeouts=timeouts, body_limit=0)


@contextlib.contextmanager
def others_are_served(gw: Gateway) -> Iterator[list[float]]:
    """A second client asks all the time; how long each of its answers took."""
    took: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        with Client(gw.address) as c:
            while not stop.wait(0.005):
                began = time.monotonic()
                assert c.get("/other").status == 200
                took.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join(10)
    assert len(took) > 5


def other_origin(peer: Peer) -> None:
    """Answers /other, and others only when their request is whole."""
    while True:
        peer.request()
        peer.send(OK)


def dripped(c: Client, data: bytes, seconds: float) -> None:
    """Send byte by byte until the peer has enough of it, or `seconds` are over."""
    end = time.monotonic() + seconds
    c.socket.setsockopt(6, 1, 1)
    with contextlib.suppress(ConnectionError):
        for i in range(len(data)):
            c.socket.send(data[i : i + 1])
            time.sleep(0.02)
            if time.monotonic() > end:
                return


# -- request_head ------------------------------------------------------------------------------


def test_a_head_byte_by_byte_is_cut_off() -> None:
    """Bytes do not extend it. The answer is 408, then the connection ends."""
    t = only(request_head=300)
    with Origin(other_origin) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with others_are_served(gw) as took, Client(gw.address) as c:
            began = time.monotonic()
            dripped(c, b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 1000, 0.6)
            a = c.answer()
            assert (a.status, json.loads(a.body)["reason"]) == (408, "head_timeout")
            assert a.value("Connection") == b"close"
            assert time.monotonic() - began < 2
            said = gw.record(reason="head_timeout")
            assert (said["status"], said["decided_by"]) == (408, "deadline")
            assert said["waiting_on"] == "request_head"
        assert max(took) < 0.3


def test_a_head_that_is_slow_but_in_time() -> None:
    t = only(request_head=3000)
    with Origin() as origin, Gateway(routed(origin, t), timeouts=t) as gw, Client(gw.address) as c:
        for _ in range(2):
            dripped(c, GET, 10)
            assert c.answer().status == 200
        # Once the head is whole its deadline is over, whatever follows.
        with Client(gw.address) as other:
            other.send(b"GET / HTTP/1.1\r\nHo").send(b"st: a\r\n\r\n")
            assert other.answer().status == 200
            time.sleep(0.2)
            assert other.get().status == 200


# -- keepalive -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [False, True])
def test_an_idle_connection_is_closed(first: bool) -> None:
    t = only(keepalive=300)
    with Origin() as origin, Gateway(routed(origin, t), timeouts=t) as gw, Client(gw.address) as c:
        if first:
            assert c.get().status == 200
        began = time.monotonic()
        assert c.at_end()
        assert 0.25 < time.monotonic() - began < 2
        gw.until(lambda n: n["connections"] == 0, "closed")


def test_keepalive_is_not_for_requests() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        time.sleep(0.5)
        peer.send(OK)

    t = only(keepalive=200)
    with Origin(script) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with Client(gw.address) as c:
            assert c.get().status == 200


def test_keepalive_does_not_cut_an_answer_that_is_being_read() -> None:
    """All of it is queued and the exchange is over, but the client has not got it yet."""
    body = "z" * 3_000_000
    t = only(keepalive=100, idle=2000)
    route = Route(
        "big",
        (Match(),),
        ObjectSpec("none", "none"),
        timeouts=t,
        steps=(Step(policy("respond", status=200, body=body)),),
    )
    with Gateway(route, timeouts=t) as gw, Client(gw.address, receive_buffer=4096) as c:
        c.send(GET)
        gw.until(lambda n: n["exchanges_live"] == 0 and n["buffer_bytes"] > 0, "answered")
        time.sleep(0.4)
        assert len(c.answer().body) == len(body)


# -- body_idle -------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [POST, CHUNKED])
def test_a_body_that_stops(head: bytes) -> None:
    t = only(body_idle=300)
    with Origin(other_origin) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with others_are_served(gw), Client(gw.address) as c:
            c.send(head + b"1\r\na\r\n")
            began = time.monotonic()
            a = c.answer()
            assert 0.25 < time.monotonic() - began < 2
            assert (a.status, json.loads(a.body)["reason"]) == (408, "body_timeout")
            assert a.value("Connection") == b"close"
            said = gw.record(reason="body_timeout")
            assert (said["status"], said["decided_by"]) == (408, "deadline")
            assert said["waiting_on"] == "client_body"
            assert c.half_close().at_end()


def test_a_body_that_goes_on_slowly() -> None:
    t = only(body_idle=300)
    with Origin() as origin, Gateway(routed(origin, t), timeouts=t) as gw, Client(gw.address) as c:
        c.send(POST)
        for _ in range(10):
            time.sleep(0.08)
            c.send(b"0123456789")
        assert c.answer().status == 200
        assert origin.request().body == b"0123456789" * 10


def test_a_body_that_is_not_read_is_not_late() -> None:
    """The origin does not take it: that is not the client's fault."""
    go, length = threading.Event(), 40_000_000

    def script(peer: Peer) -> None:
        peer.head()
        assert go.wait(10)
        n = len(peer.rest)
        while n < length:
            n += len(peer.more())
        peer.send(OK)

    t = only(body_idle=200)
    with Origin(script) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with Client(gw.address) as c:
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length
            pump = threading.Thread(target=c.send, args=(head + b"x" * length,))
            pump.start()
            gw.until(lambda n: n["buffer_bytes"] + n["relay_bytes"] >= 60_000, "full")
            time.sleep(0.6)
            go.set()
            assert c.answer().status == 200
            pump.join(10)


# -- idle: the client does not read ---------------------------------------------------------


def flood(peer: Peer) -> None:
    """Answer /other; answer others without end."""
    while True:
        if peer.request().line.startswith(b"GET /other"):
            peer.send(OK)
            continue
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n")
        while True:
            peer.send(b"x" * 65536)


def test_a_client_that_stops_reading() -> None:
    t = only(idle=300)
    with Origin(flood) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with others_are_served(gw), Client(gw.address, receive_buffer=4096) as c:
            assert c.send(GET).head().status == 200
            said = gw.record(reason="client_stalled")
            assert (said["decided_by"], said["waiting_on"]) == ("deadline", "client")
            assert said["status"] == 200
            gw.until(lambda n: n["exchanges_live"] <= 1, "cut off")


def test_a_client_that_reads_slowly() -> None:
    """Bytes move all the time, though never enough to make room for more."""
    t = only(idle=400)
    with Origin(flood) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with Client(gw.address, receive_buffer=4096) as c:
            assert c.send(GET).head().status == 200
            gw.until(lambda n: n["buffer_bytes"] + n["relay_bytes"] >= 60_000, "full")
            for _ in range(30):
                c.socket.recv(8192)
                time.sleep(0.05)
            assert gw.counters()["exchanges_live"] == 1


def test_a_stalled_client_with_its_whole_answer_queued() -> None:
    """There is no exchange left to wait for it: keep-alive and idle end the connection."""
    t = only(idle=200, keepalive=200)
    route = Route(
        "big",
        (Match(),),
        ObjectSpec("none", "none"),
        timeouts=t,
        steps=(Step(policy("respond", status=200, body="z" * 3_000_000)),),
    )
    with Gateway(route, timeouts=t) as gw, Client(gw.address, receive_buffer=4096) as c:
        c.send(GET)
        assert gw.record()["status"] == 200
        gw.until(lambda n: n["connections"] == 0 and n["buffer_bytes"] == 0, "cut off")


def test_an_origin_that_stalls_is_not_the_clients_fault() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        peer.gone()

    t = only(idle=300)
    with Origin(script) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with Client(gw.address) as c, pytest.raises((EOFError, ConnectionResetError)):
            c.get()
        said = gw.record()
        assert (said["reason"], said["waiting_on"]) == ("upstream_stalled", "response_body")


# -- request, response_head -----------------------------------------------------------------------


def silent(peer: Peer) -> None:
    """Answer /other, and nothing else."""
    while True:
        if peer.request().line.startswith(b"GET /other"):
            peer.send(OK)
        else:
            peer.gone()
            return


@pytest.mark.parametrize(
    ("timeout", "reason"),
    [
        ("request", "request_timeout"),
        ("response_head", "response_head_timeout"),
    ],
)
def test_an_answer_that_does_not_come(timeout: str, reason: str) -> None:
    t = only(**{timeout: 300})
    with Origin(silent) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with others_are_served(gw), Client(gw.address) as c:
            began = time.monotonic()
            a = c.get()
            assert 0.25 < time.monotonic() - began < 2
            assert (a.status, json.loads(a.body)["reason"]) == (504, reason)
            assert a.values("Connection") == []
            said = gw.record(reason=reason)
            assert (said["status"], said["decided_by"]) == (504, "deadline")
            assert said["waiting_on"] == "response_head"
            assert c.get("/other").status == 200, "the client's connection is none the worse"


def test_a_long_answer_is_no_timeout() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.06)
            peer.send(b"x")

    t = only(request=200, response_head=200, request_head=200, body_idle=200, idle=300)
    with Origin(script) as origin, Gateway(routed(origin, t), timeouts=t) as gw:
        with Client(gw.address) as c:
            assert c.get().body == b"x" * 10
