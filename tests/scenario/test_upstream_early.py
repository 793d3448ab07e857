"""Answers that come before, or without, the whole request; 1xx, 101, tunnels and bodies' ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
import struct
import termios
import threading
from pathlib import Path

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Limits, plugin, route_to, upstream, websocket
from tests.scenario.origin import DEADLINE_S, OK, Origin, Peer, answering

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n%s\r\nbig"
CLOSE = b"Connection: close\r\n"


def idle(n: int):  # type: ignore[no-untyped-def]
    """Whether so many connections wait in the pools, and none is in use."""
    return lambda now: (now["upstream_idle"], now["upstream_busy"]) == (n, 0)


class Early:
    """Answers once the head is there, then does with the body as it is told."""

    def __init__(self, data: bytes, then: str) -> None:
        self.data, self.then = data, then

    def __call__(self, peer: Peer) -> None:
        if peer.number:
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")(peer)
        request = peer.head()
        peer.send(self.data)
        if self.then == "read":
            peer.log(peer.body_of(request))
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsame")(peer)
        elif self.then == "linger":
            with contextlib.suppress(OSError):  # the gateway may have closed it by now
                peer.socket.shutdown(socket.SHUT_WR)
            peer.gone()
        # else: close with unread bytes, which sends an RST


# -- early answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("data", [TOO_LARGE % b"", OK])
def test_an_early_answer_with_keep_alive(data: bytes) -> None:
    """The rest of the request goes to the upstream, and the connection serves again."""
    size = 3_000_000
    with (
        Origin(Early(data, "read")) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0)) as gw,
        Client(gw.address) as c,
    ):
        c.send(POST % size)
        a = c.answer()
        assert a.status == int(data[9:12])
        c.send(bytes(size))
        assert len(origin.request().body) == size
        gw.until(idle(1), "given back")
        assert c.get().body == b"same"


@pytest.mark.parametrize("status", ["413", "200"])
@pytest.mark.parametrize("then", ["close", "linger"])
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "unannounced"])
@pytest.mark.parametrize("slow", [True, False], ids=["policy", "plain"])
def test_an_early_answer_that_ends_the_connection(
    status: str, then: str, announced: bool, slow: bool
) -> None:
    data = (TOO_LARGE % (CLOSE if announced else b"")).replace(b"413", status.encode())
    steps = (websocket(), plugin("SlowResponse")) if slow else (websocket(),)
    with (
        Origin(Early(data, then)) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0, steps=steps)) as gw,
        Client(gw.address) as c,
    ):
        c.send(POST % 3_000_000 + bytes(200_000))
        a = c.answer()
        assert (a.status, a.body) == (int(status), b"big")
        with contextlib.suppress(OSError):
            c.send(bytes(2_800_000))
        said = gw.record()
        assert (said["status"], said["reason"]) == (int(status), "")
        gw.until(idle(0), "closed")
        with Client(gw.address) as other:
            assert other.get().body == b"other"


@pytest.mark.parametrize("status", ["413", "204"])
def test_one_without_a_body_that_a_policy_holds(status: str) -> None:
    """It was received whole: that the connection then breaks changes nothing."""
    data = b"HTTP/1.1 %s X\r\n%s\r\n" % (
        status.encode(),
        b"" if status == "204" else b"Content-Length: 0\r\n",
    )
    steps = (plugin("SlowResponse"),)
    with (
        Origin(Early(data, "close")) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0, steps=steps)) as gw,
        Client(gw.address) as c,
    ):
        c.send(POST % 3_000_000 + bytes(200_000))
        assert c.answer().status == int(status)
        said = gw.record()
        assert (said["status"], said["reason"]) == (int(status), "")


def test_a_refused_upload_of_100_mb_is_answered() -> None:
    with (
        Origin(Early(TOO_LARGE % CLOSE, "close")) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0)) as gw,
        Client(gw.address) as c,
    ):
        c.send(POST % 100_000_000)
        with contextlib.suppress(OSError):
            for _ in range(100):
                c.send(bytes(1_000_000))
        assert c.answer().body == b"big"


def test_an_error_that_closes_ends_the_upload_at_once() -> None:
    """An upstream that lingers is not sent the rest (RFC 9112 section 9.5)."""
    got = []

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(TOO_LARGE % CLOSE)
        with contextlib.suppress(OSError):
            while data := peer.socket.recv(65536):
                got.append(len(data))

    with (
        Origin(script) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0)) as gw,
        Client(gw.address) as c,
    ):
        c.send(POST % 3_000_000)
        assert c.answer().status == 413
        with contextlib.suppress(OSError):
            c.send(bytes(3_000_000))
        assert origin.peers[0].closed.wait(DEADLINE_S)
        assert sum(got) == 0


def test_a_half_sent_request_is_never_followed_by_another() -> None:
    """The client leaves in the middle of its upload, after the answer."""
    with (
        Origin(Early(OK, "read")) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0)) as gw,
    ):
        with Client(gw.address) as c:
            c.send(POST % 1000 + b"abc")
            assert c.answer().body == b"ok"
            c.reset()
        assert origin.peers[0].closed.wait(DEADLINE_S)
        gw.until(idle(0), "closed")
        with Client(gw.address) as c:
            assert c.get().body == b"other"


def test_nor_while_it_is_still_in_the_queue(tmp_path: Path) -> None:
    """The upstream has answered and does not read: the request's rest is with the gateway."""

    def script(peer: Peer) -> None:
        if peer.number:
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")(peer)
        peer.head()
        peer.send(OK)
        go_on.wait(DEADLINE_S)
        peer.exactly(size)
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsame")(peer)

    go_on = threading.Event()
    size = 400_000  # more than a unix socket takes, no more than the gateway queues
    with (
        Origin(script, at=str(tmp_path / "s")) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0)) as gw,
        Client(gw.address) as c,
    ):
        c.send(POST % size)
        assert c.answer().body == b"ok"
        c.send(bytes(size))
        gw.until(idle(1), "whole")
        assert c.get().body == b"other"
        gw.until(idle(2), "given back")
        go_on.set()
        gw.until(lambda now: c.get().body == b"same" or c.get().body == b"other", "read")
        assert len(origin.peers) == 2


# -- informational answers and tunnels ---------------------------------------------------------


def test_informational_answers_go_through() -> None:
    data = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 102 Processing\r\n\r\n"
    ) + OK
    with Origin(answering(data)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            first = c.send(GET).answer()
            assert (first.status, first.value("Link")) == (103, b"</a>")
            assert c.answer().status == 102
            assert c.answer().body == b"ok"
            assert c.send(GET).answer().status == 103
        assert len(origin.peers) == 1


def test_too_many_of_them_are_no_answer() -> None:
    data = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 33 + OK
    with Origin(answering(data)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            a = c.send(GET).answer()
            while a.status == 103:
                a = c.answer()
            assert (a.status, json.loads(a.body)["reason"]) == (502, "upstream_bad_head")


@pytest.mark.parametrize(
    "request_fields",
    [
        "",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Upgrade: websocket\r\n",
    ],
)
def test_101_unasked_is_refused(request_fields: str) -> None:
    data = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with (
        Origin(answering(data + b"frames")) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        c.send(f"GET / HTTP/1.1\r\nHost: a\r\n{request_fields}\r\n".encode())
        a = c.answer()
        assert (a.status, json.loads(a.body)["reason"]) == (502, "upstream_bad_upgrade")
        assert origin.peers[0].closed.wait(DEADLINE_S)


@pytest.mark.parametrize(
    "upgrade",
    [
        b"",
        b"Upgrade: h2c\r\n",
        b"Upgrade: websocket, h2c\r\n",
        b"Upgrade: websocket\r\nUpgrade: h2c\r\n",
        b"Upgrade: websocket\r\nUpgrade: websocket\r\n",
    ],
)
def test_101_to_something_else_is_refused(upgrade: bytes) -> None:
    data = TUNNEL.replace(b"Upgrade: websocket\r\n", upgrade)
    with (
        Origin(answering(data)) as origin,
        Gateway(route_to(upstream(origin.address), steps=(websocket(),))) as gw,
        Client(gw.address) as c,
    ):
        a = c.send(ASK).answer()
        assert (a.status, json.loads(a.body)["reason"]) == (502, "upstream_bad_upgrade")


TUNNEL = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
ASK = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.mark.parametrize("slow", [True, False], ids=["policy", "plain"])
def test_a_tunnel(slow: bool) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(TUNNEL + b"first")
        while data := peer.socket.recv(65536):
            peer.send(data.upper())

    steps = (websocket(), plugin("SlowResponse")) if slow else (websocket(),)
    with (
        Origin(script) as origin,
        Gateway(route_to(upstream(origin.address), steps=steps)) as gw,
        Client(gw.address) as c,
    ):
        a = c.send(ASK).head()
        assert (a.status, a.value("Upgrade")) == (101, b"websocket")
        assert c.exactly(5) == b"first"
        for n in (1, 100, 100_000):
            assert c.send(b"a" * n).exactly(n) == b"A" * n
        c.half_close()
        assert c.to_end() == b""
        assert gw.record()["status"] == 101
        gw.until(idle(0), "closed")


def test_a_tunnels_last_bytes_arrive() -> None:
    """The upstream ended its side first; what the client says after that still gets there."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(TUNNEL + b"bye")
        peer.socket.shutdown(socket.SHUT_WR)
        while data := peer.socket.recv(65536):
            got.append(data)

    got: list[bytes] = []
    with Origin(script) as origin:
        route = route_to(upstream(origin.address), steps=(websocket(),))
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.send(ASK).head().status == 101
            assert c.to_end() == b"bye"
            c.send(b"x" * 300_000).half_close()
            assert origin.peers[0].closed.wait(DEADLINE_S)
            assert len(b"".join(got)) == 300_000
            gw.until(idle(0), "closed")


# -- ends of bodies ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 70_000, 2_000_000])
def test_a_body_until_the_connection_ends(size: int) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * size)

    with (
        Origin(script) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        for _ in range(2):
            a = c.get()
            assert (a.values("Transfer-Encoding"), len(a.body)) == ([b"chunked"], size)
        gw.until(idle(0), "closed")


def test_one_that_is_reset_is_cut_short() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        got.wait(DEADLINE_S)
        peer.reset()

    got = threading.Event()
    with (
        Origin(script) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        c.send(GET).head()
        assert c.until(b"abc")
        got.set()
        with pytest.raises((EOFError, ConnectionResetError)):
            c.until(b"0\r\n\r\n")
        assert gw.record()["reason"] == "upstream_truncated"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 1000000\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"",
    ],
)
def test_head(fields: bytes) -> None:
    data = b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n"
    with Origin(answering(data)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            for _ in range(3):
                a = c.send(GET.replace(b"GET", b"HEAD")).answer("HEAD")
                assert a.status == 200
                if b"Length" in fields:
                    assert a.value("Content-Length") == b"1000000"
        assert len(origin.peers) == 1


def test_trailers_in_pieces() -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (
                b"3\r\na",
                b"bc\r\n0",
                b"\r",
                b"\nX-A: ",
                b"1\r\nX-B:",
                b" 2\r",
                b"\n\r",
                b"\n",
            ):
                peer.send(piece)
                pause.wait(0.02)

    pause = threading.Event()
    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            for _ in range(3):
                a = c.get()
                assert (a.body, a.trailers) == (b"abc", b"X-A: 1\r\nX-B: 2\r\n")
        assert len(origin.peers) == 1


@pytest.mark.parametrize("piece", [1400, 3000, 5000])
def test_a_large_head_in_pieces(piece: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + b"".join(
        b"X-%03d: %s\r\n" % (i, b"v" * 250) for i in range(90)
    )

    def script(peer: Peer) -> None:
        data = head + b"\r\nok"
        while True:
            peer.request()
            for i in range(0, len(data), piece):
                peer.send(data[i : i + piece])
                pause.wait(0.002)

    pause = threading.Event()
    with (
        Origin(script) as origin,
        Gateway(upstream(origin.address), limits=Limits(head=65536)) as gw,
        Client(gw.address) as c,
    ):
        for _ in range(2):
            a = c.get()
            assert (a.body, a.value("X-089")) == (b"ok", b"v" * 250)
        assert len(origin.peers) == 1


def test_an_answer_that_was_received_counts_though_a_reset_followed() -> None:
    """A slow client has the gateway stop reading; the upstream resets meanwhile."""
    size = 3_000_000

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        while unacknowledged(peer.socket):
            pause.wait(0.01)
        peer.reset()
        broken.set()

    pause, broken = threading.Event(), threading.Event()
    with (
        Origin(script) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address, receive_buffer=4096) as c,
    ):
        c.send(GET).head()
        assert broken.wait(DEADLINE_S)
        assert len(c.exactly(size)) == size
        assert gw.record()["reason"] == ""


def unacknowledged(s: socket.socket) -> int:
    """Bytes that the other end's kernel has not taken."""
    n: int = struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)))[0]
    return n
