"""Draining: idle connections end at once, others with their answer; each has its record."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Timeouts, upstream
from tests.scenario.origin import OK, Origin, Peer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Held:
    """An origin that answers when it is told to."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = parts or (OK,)
        self.go = threading.Event()

    def __call__(self, peer: Peer) -> None:
        while True:
            peer.request()
            for i, part in enumerate(self.parts):
                if i == len(self.parts) - 1:
                    assert self.go.wait(10)
                peer.send(part)


def test_idle_connections_end_at_once() -> None:
    with (
        Origin() as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as served,
        Client(gw.address) as fresh,
    ):
        assert served.get().status == 200
        gw.until(lambda n: n["connections"] == 2, "connected")
        began = time.monotonic()
        done = gw.drain()
        assert served.at_end() and fresh.at_end()
        assert done.wait(1)
        assert time.monotonic() - began < 1


def test_requests_under_way_are_finished() -> None:
    held = Held()
    with Origin(held) as origin, Gateway(upstream(origin.address)) as gw:
        clients = [Client(gw.address).send(GET) for _ in range(5)]
        gw.until(lambda n: n["exchanges_live"] == 5, "under way")
        done = gw.drain()
        assert not done.wait(0.1)
        held.go.set()
        for c in clients:
            a = c.answer()
            assert (a.body, a.value("Connection")) == (b"ok", b"close")
            assert c.to_end() == b""
            c.close()
        assert done.wait(2)
        for _ in range(5):
            assert gw.record()["status"] == 200


def test_an_answer_that_had_begun() -> None:
    """Its head promised more requests; the connection ends all the same, behind the answer."""
    held = Held(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", b"def")
    with Origin(held) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        a = c.send(GET).head()
        assert a.values("Connection") == []
        done = gw.drain()
        held.go.set()
        assert c.exactly(6) == b"abcdef"
        assert c.to_end() == b""
        c.close()
        assert done.wait(2)
        assert gw.record()["status"] == 200


def test_a_pipelined_request_may_have_to_come_again() -> None:
    """The answer under way says that it is the last, so the client knows (RFC 9112 section 9.6)."""
    held = Held()
    with Origin(held) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.send(GET * 2)
        gw.until(lambda n: n["exchanges_live"] == 1, "under way")
        time.sleep(0.1)
        done = gw.drain()
        held.go.set()
        a = c.answer()
        assert (a.body, a.value("Connection")) == (b"ok", b"close")
        assert c.to_end() == b""
        c.close()
        assert done.wait(2)


def test_a_head_under_way_is_waited_for() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.send(GET[:20])
        gw.until(lambda n: n["buffer_bytes"] > 0, "seen")
        done = gw.drain()
        c.send(GET[20:])
        a = c.answer()
        assert (a.status, a.value("Connection")) == (200, b"close")
        c.close()
        assert done.wait(2)


def test_a_head_that_does_not_come_ends_by_its_deadline() -> None:
    t = Timeouts(request_head=300)
    with Origin() as origin, Gateway(upstream(origin.address), timeouts=t) as gw:
        with Client(gw.address) as c:
            c.send(GET[:20])
            gw.until(lambda n: n["buffer_bytes"] > 0, "seen")
            done = gw.drain()
            assert c.answer().status == 408
            c.close()
            assert done.wait(2)


def test_a_rest_that_is_read_away() -> None:
    """An early answer had kept the connection; after its rest it ends."""
    with Gateway(upstream(("127.0.0.1", 9))) as gw, Client(gw.address) as c:
        c.send(b"POST /%00 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        a = c.answer()
        assert (a.status, a.values("Connection")) == (400, [])
        done = gw.drain()
        assert not done.wait(0.1)
        c.send(b"x" * 1000)
        assert c.to_end() == b""
        c.close()
        assert done.wait(2)


def test_nothing_new_is_accepted() -> None:
    held = Held()
    with Origin(held) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.send(GET)
        gw.until(lambda n: n["exchanges_live"] == 1, "under way")
        done = gw.drain()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(gw.address, timeout=10)
        assert not done.wait(0.1)
        held.go.set()
        assert c.answer().status == 200
        c.close()
        assert done.wait(2)


def test_ending_at_once_leaves_records() -> None:
    """Those that can't be finished are told of, with the reason."""
    held = Held()
    with Origin(held) as origin, Gateway(upstream(origin.address)) as gw:
        clients = [Client(gw.address).send(GET) for _ in range(3)]
        gw.until(lambda n: n["exchanges_live"] == 3, "under way")
        gw.call(gw.worker.stop)
        for c in clients:
            with pytest.raises((EOFError, ConnectionResetError)):
                c.answer()
            said = gw.record(reason="draining")
            assert (said["decided_by"], said["waiting_on"]) == ("worker", "response_head")
            c.close()
        held.go.set()
