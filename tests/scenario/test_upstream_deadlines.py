"""What the upstream has to do, and by when; a slow client is not the upstream's fault."""

from __future__ import annotations

import json
import threading
import time

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Timeouts, plugin, route_to, upstream
from tests.scenario.origin import DEADLINE_S, OK, Origin, Peer, answering

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def silent(peer: Peer) -> None:
    """Read, and say nothing."""
    peer.gone()


def deaf(peer: Peer) -> None:
    """Read a head, and no more."""
    peer.head()
    peer.stay()


def gateway(origin: Origin, steps: tuple[object, ...] = (), **timeouts: int) -> Gateway:
    """A gateway in front of an origin."""
    return Gateway(
        route_to(upstream(origin.address), Timeouts(**timeouts), steps=steps, body_limit=0)
    )


def test_response_head() -> None:
    with Origin(silent) as origin, gateway(origin, response_head=150) as gw:
        with Client(gw.address) as c:
            begun = time.monotonic()
            a = c.get()
            assert (a.status, json.loads(a.body)["reason"]) == (504, "response_head_timeout")
            assert 0.14 < time.monotonic() - begun < 2
            said = gw.record()
            assert (said["decided_by"], said["waiting_on"]) == ("deadline", "response_head")
            assert origin.peers[0].closed.wait(DEADLINE_S)


def test_response_head_begins_when_the_request_was_sent() -> None:
    with Origin(answering()) as origin, gateway(origin, response_head=150) as gw:
        with Client(gw.address) as c:
            c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
            for byte in b"abcd":
                time.sleep(0.08)
                c.send(bytes([byte]))
            assert c.answer().status == 200


def test_half_a_head_is_none() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n")
        peer.gone()

    with Origin(script) as origin, gateway(origin, response_head=150) as gw:
        with Client(gw.address) as c:
            assert c.get().status == 504
            assert gw.record()["reason"] == "response_head_timeout"


def test_a_1xx_does_not_begin_it_anew() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        for _ in range(6):
            peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            time.sleep(0.05)
        peer.gone()

    with Origin(script) as origin, gateway(origin, response_head=200) as gw:
        with Client(gw.address) as c:
            a = c.send(GET).answer()
            while a.status == 103:
                a = c.answer()
            assert a.status == 504


def test_an_upstream_that_never_says_100() -> None:
    """Neither does the client send its body: it waits, and so would everyone."""
    with Origin(deaf) as origin, gateway(origin, response_head=150) as gw:
        with Client(gw.address) as c:
            c.send(
                b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
            )
            assert c.answer().status == 504
            assert gw.record()["reason"] == "response_head_timeout"


@pytest.mark.parametrize("says", [True, False], ids=["100", "silent"])
def test_after_100_the_client_has_its_own_time(says: bool) -> None:
    def script(peer: Peer) -> None:
        request = peer.head()
        if says:
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.log(peer.body_of(request))
        peer.send(OK)
        peer.gone()

    with Origin(script) as origin, gateway(origin, response_head=150) as gw:
        with Client(gw.address) as c:
            c.send(
                b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
            )
            if says:
                assert c.answer().status == 100
            c.send(b"a")
            time.sleep(0.3)
            c.send(b"bcd")
            a = c.answer()
            assert (c.answer() if a.status == 100 else a).status == 200
            assert origin.request().body == b"abcd"


# -- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\n",
        b"\r\n",
    ],
    ids=["length", "chunked", "until-close"],
)
def test_a_body_that_stalls(framing: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + framing + b"abc")
        peer.gone()

    with Origin(script) as origin, gateway(origin, idle=150) as gw, Client(gw.address) as c:
        assert c.send(GET).head().status == 200
        begun = time.monotonic()
        with pytest.raises((EOFError, ConnectionResetError)):
            c.until(b"never")
        assert time.monotonic() - begun < 2
        said = gw.record()
        assert (said["reason"], said["decided_by"]) == ("upstream_stalled", "deadline")
        assert said["waiting_on"] == "response_body"


def test_a_body_that_is_slow_but_steady() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        for byte in b"hello":
            time.sleep(0.08)
            peer.send(bytes([byte]))
        peer.gone()

    with Origin(script) as origin, gateway(origin, idle=200) as gw, Client(gw.address) as c:
        assert c.get().body == b"hello"


def test_a_slow_client_is_not_the_upstreams_fault() -> None:
    """The gateway does not read for several times `idle`, while the client takes a little."""
    size = 3 << 20
    with (
        Origin(
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        ) as origin,
        gateway(origin, idle=600) as gw,
        Client(gw.address, receive_buffer=4096) as c,
    ):
        c.send(GET).head()
        got = 0
        for _ in range(40):
            time.sleep(0.06)
            got += len(c.exactly(8192))
        assert len(c.exactly(size - got)) == size - got
        assert gw.record()["reason"] == ""


def test_nor_is_a_slow_policy() -> None:
    with Origin(answering()) as origin:
        with gateway(origin, (plugin("SlowResponse"),), idle=10) as gw, Client(gw.address) as c:
            assert c.get().body == b"ok"


# -- uploads -----------------------------------------------------------------------------------


def send_much(c: Client, size: int) -> threading.Thread:
    """Upload zeros in the background, as far as they are taken."""

    def upload() -> None:
        try:
            c.socket.sendall(bytes(size))
        except OSError:
            pass

    thread = threading.Thread(target=upload, daemon=True)
    thread.start()
    return thread


def test_an_upload_that_stalls() -> None:
    with Origin(deaf) as origin, gateway(origin, idle=200, response_head=10_000) as gw:
        with Client(gw.address) as c:
            c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n")
            send_much(c, 30_000_000)
            assert c.head().status == 504
            said = gw.record()
            assert (said["reason"], said["decided_by"]) == ("upstream_stalled", "deadline")
            assert said["waiting_on"] == "upstream_room"


def test_an_upload_that_is_slow_but_steady() -> None:
    """Slower than the gateway's socket can show: its buffer gets room a third at a time."""

    def script(peer: Peer) -> None:
        peer.head()
        for _ in range(30):
            time.sleep(0.04)
            peer.exactly(4096)
        peer.exactly(8_000_000 - 30 * 4096)
        peer.send(OK)
        peer.gone()

    with Origin(script, receive_buffer=4096) as origin:
        with gateway(origin, idle=250) as gw, Client(gw.address) as c:
            c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n")
            send_much(c, 8_000_000).join(DEADLINE_S)
            assert c.answer().status == 200


def test_an_answer_that_stalls_after_a_stalled_upload_went_on() -> None:
    """Room for the request must not end the watch over the response."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.15)  # the upload meets a full socket
        peer.exactly(8_000_000)
        peer.stay()

    with Origin(script) as origin, gateway(origin, idle=300) as gw, Client(gw.address) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n")
        send_much(c, 8_000_000)
        with pytest.raises((EOFError, ConnectionResetError)):
            c.answer()
        assert gw.record()["reason"] == "upstream_stalled"


def test_an_upload_that_stalls_after_its_answer() -> None:
    """The answer was whole; that nobody reads the rest ends the upstream's connection, no more."""

    def script(peer: Peer) -> None:
        peer.head()
        time.sleep(0.1)  # the upload meets a full socket
        peer.send(OK)
        peer.stay()

    with Origin(script) as origin, gateway(origin, idle=200) as gw, Client(gw.address) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n")
        send_much(c, 30_000_000)
        assert c.answer().body == b"ok"
        said = gw.record()
        assert (said["status"], said["reason"]) == (200, "")
        gw.until(lambda now: now["upstream_busy"] == 0, "given up")
