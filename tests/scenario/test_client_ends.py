"""Clients that leave, and what the gateway and the origin make of it."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Match, Route, upstream
from tests.scenario.origin import OK, Origin, Peer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"


class Silent:
    """An origin that reads and never answers; it knows when it was left."""

    def __init__(self, say: bytes = b"") -> None:
        self.say = say
        self.asked = threading.Event()
        self.left = threading.Event()

    def __call__(self, peer: Peer) -> None:
        peer.head()
        self.asked.set()
        if self.say:
            peer.send(self.say)
        peer.gone()
        self.left.set()


class Flooding(Silent):
    """An origin that answers without end."""

    def __call__(self, peer: Peer) -> None:
        peer.head()
        self.asked.set()
        try:
            peer.send(BIG)
            while True:
                peer.send(b"x" * 65536)
        finally:
            self.left.set()


def failures_are_not_counted(gw: Gateway, origin: Origin) -> None:
    """The endpoint is in good standing: the next request goes to it."""
    counted = gw.counters()
    assert not any(
        counted.get(f"reason_{why}")
        for why in ("upstream_reset", "upstream_truncated", "no_endpoint")
    )


# -- before the request is whole ---------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        POST + b"hello",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: 1\r\n",
    ],
)
@pytest.mark.parametrize("how", ["cancel", "finish"])
def test_a_fin_before_the_request_is_whole_ends_it(part: bytes, how: str) -> None:
    silent = Silent()
    with Origin(silent) as origin:
        route = Route("default", (Match(),), upstream(origin.address), on_client_eof=how)  # type: ignore[arg-type]
        with Gateway(route) as gw, Client(gw.address) as c:
            c.send(part)
            assert silent.asked.wait(10)
            c.half_close()
            assert silent.left.wait(2)
            said = gw.record(reason="client_eof")
            assert (said["decided_by"], said["waiting_on"]) == ("client", "client_body")
            assert c.at_end()
            failures_are_not_counted(gw, origin)


def test_a_fin_within_a_head_leaves_no_record() -> None:
    with Gateway(upstream(("127.0.0.1", 9))) as gw, Client(gw.address) as c:
        c.send(b"GET / HTTP/1.1\r\nHos").half_close()
        assert c.at_end()
        gw.until(lambda n: n["connections"] == 0 and n["buffer_bytes"] == 0, "closed")


# -- while the answer is awaited ---------------------------------------------------------------


def test_a_fin_cancels_by_default() -> None:
    silent = Silent()
    with Origin(silent) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.send(GET)
        assert silent.asked.wait(10)
        c.half_close()
        assert silent.left.wait(2)
        said = gw.record(reason="client_eof")
        assert (said["decided_by"], said["waiting_on"]) == ("client", "response_head")
        assert (said["status"], said["tries"]) == (0, 1)
        failures_are_not_counted(gw, origin)


def test_a_fin_may_be_let_pass() -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        while True:
            line = peer.head().line
            assert go.wait(10)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + line[5:7])

    with Origin(script) as origin:
        route = Route("default", (Match(),), upstream(origin.address), on_client_eof="finish")
        with Gateway(route) as gw, Client(gw.address) as c:
            c.send(b"".join(b"GET /%d? HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(3)))
            c.half_close()
            gw.until(lambda n: n["exchanges_live"] == 1, "asked")
            time.sleep(0.1)
            go.set()
            assert [c.answer().body for _ in range(3)] == [b"0?", b"1?", b"2?"]
            assert c.at_end()
            assert gw.record()["reason"] == ""


@pytest.mark.parametrize("how", ["cancel", "finish"])
@pytest.mark.parametrize("pipelined", [False, True])
def test_a_reset_cancels_always(how: str, pipelined: bool) -> None:
    silent = Silent()
    with Origin(silent) as origin:
        route = Route("default", (Match(),), upstream(origin.address), on_client_eof=how)  # type: ignore[arg-type]
        with Gateway(route) as gw, Client(gw.address) as c:
            c.send(GET * (3 if pipelined else 1))
            assert silent.asked.wait(10)
            c.reset()
            assert silent.left.wait(2)
            said = gw.record(reason="client_reset")
            assert (said["decided_by"], said["waiting_on"]) == ("client", "response_head")
            failures_are_not_counted(gw, origin)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_client_of_a_single_request_that_leaves_is_noticed(how: str) -> None:
    """Nothing is heard of such a client at first, since a quick answer ends the connection."""
    silent = Silent()
    with Origin(silent) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.send(LAST)
        assert silent.asked.wait(10)
        if how == "fin":
            c.half_close()
        else:
            c.reset()
        assert silent.left.wait(2)
        said = gw.record(reason="client_eof" if how == "fin" else "client_reset")
        assert (said["decided_by"], said["waiting_on"]) == ("client", "response_head")


@pytest.mark.parametrize("framing", [b"Content-Length: 4000000", b"Transfer-Encoding: chunked"])
def test_a_client_of_a_single_request_reads_at_its_own_pace(framing: bytes) -> None:
    """Its socket takes the answer only bit by bit, at once and after a while."""
    body = bytes(range(250)) * 16_000
    data = body if b"Length" in framing else b"3d0900\r\n" + body + b"\r\n0\r\n\r\n"

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + data)
        peer.gone()

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address, receive_buffer=4096) as c:
            c.send(LAST)
            gw.until(lambda n: n["buffer_bytes"] + n["relay_bytes"] >= 60_000, "full")
            answer = c.answer()
            assert (answer.status, answer.body) == (200, body)
            assert c.at_end()
        assert gw.record()["reason"] == ""


def test_a_fin_behind_pipelined_bytes_is_seen() -> None:
    """More than one read of them: the gateway has stopped reading."""
    silent = Silent()
    with Origin(silent) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        c.send(GET * 5000)
        assert silent.asked.wait(10)
        c.half_close()
        assert silent.left.wait(2)
        gw.record(reason="client_eof")


# -- while the answer flows --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("stalled", [False, True])
def test_a_client_that_leaves_its_answer(how: str, stalled: bool) -> None:
    """The origin notices within 2 s, though the client had stopped reading before."""
    flooding = Flooding()
    with Origin(flooding) as origin, Gateway(upstream(origin.address)) as gw:
        c = Client(gw.address, receive_buffer=4096)
        c.send(GET)
        assert c.head().status == 200
        if stalled:
            gw.until(lambda n: n["buffer_bytes"] + n["relay_bytes"] >= 60_000, "full")
            time.sleep(0.2)
        if how == "fin":
            c.half_close()
        else:
            c.reset()
        assert flooding.left.wait(2)
        said = gw.record(reason="client_eof" if how == "fin" else "client_reset")
        assert said["status"] == 200 and said["decided_by"] == "client"
        if stalled:
            assert said["waiting_on"] == "client"
        failures_are_not_counted(gw, origin)
        gw.until(lambda n: n["buffer_bytes"] == 0, "let go")
        c.close()


def test_a_client_that_closes_with_its_answer_unread() -> None:
    flooding = Flooding()
    with Origin(flooding) as origin, Gateway(upstream(origin.address)) as gw:
        c = Client(gw.address)
        c.send(GET)
        assert c.socket.recv(100, socket.MSG_PEEK)
        c.close()
        assert flooding.left.wait(2)
        assert gw.record(status=200)["reason"] in ("client_reset", "client_eof")


# -- while an upload is paused -----------------------------------------------------------------


def test_a_reset_while_the_upload_is_paused() -> None:
    """The origin does not read; the gateway has stopped reading, too."""
    left, go = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.socket.setsockopt(1, 8, 4096)
        peer.head()
        assert go.wait(10)
        peer.gone()
        left.set()

    with Origin(script) as origin:
        route = Route("default", (Match(),), upstream(origin.address), body_limit=0)
        with Gateway(route) as gw, Client(gw.address) as c:
            c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
            c.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                while True:
                    c.socket.send(b"x" * 65536)
            c.reset()
            said = gw.record(reason="client_reset")
            assert said["waiting_on"] == "upstream_room"
            go.set()
            assert left.wait(2)
            failures_are_not_counted(gw, origin)


# -- the answer is whole, the connection goes on -------------------------------------------------


def test_an_idle_client_may_leave_either_way() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw:
        for how in ("close", "reset", "half_close"):
            c = Client(gw.address)
            assert c.get().status == 200
            getattr(c, how)()
            gw.until(lambda n: n["connections"] == 0, "closed")
            c.close()


def test_a_cancelled_answer_breaks_the_connection_off() -> None:
    """An answer that can't go on must not look whole."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        peer.reset()

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c, pytest.raises((ConnectionResetError, EOFError)):
            c.send(b"GET / HTTP/1.0\r\n\r\n").answer()
            raise EOFError("an orderly end")
        assert gw.record()["reason"] in ("upstream_truncated", "upstream_reset")


def test_other_clients_do_not_notice() -> None:
    def script(peer: Peer) -> None:
        while True:
            if peer.request().line.startswith(b"GET /slow"):
                peer.gone()
                return
            peer.send(OK)

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        for _ in range(20):
            with Client(gw.address) as leaver:
                leaver.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
                gw.until(lambda n: n["exchanges_live"] == 1, "under way")
                assert c.get().status == 200
        gw.until(lambda n: n["exchanges_live"] == 0, "over")
