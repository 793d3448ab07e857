"""One side's slowness brakes the other; what is in between is bounded."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, plugin, route_to, upstream
from tests.scenario.origin import DEADLINE_S, OK, Origin, Peer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def most(buffer: str) -> int:
    """How large the kernel lets a TCP buffer grow (tcp_rmem or tcp_wmem)."""
    return int(Path(f"/proc/sys/net/ipv4/{buffer}").read_text().split()[2])


#: What may be on its way to a client that does not read: a send buffer on each side of the
#: gateway, its receive buffer, the client's small one, and what the gateway holds itself.
HELD = 2 * most("tcp_wmem") + most("tcp_rmem") + (4 << 20)
SIZE = 2 * HELD


class Meter:
    """Counts bytes, and tells when they stop."""

    def __init__(self) -> None:
        self.n = 0

    def settled(self, still_s: float = 0.4) -> int:
        """The count once it has not changed for a while."""
        end = time.monotonic() + DEADLINE_S
        before, since = -1, time.monotonic()
        while time.monotonic() < end:
            if self.n != before:
                before, since = self.n, time.monotonic()
            elif time.monotonic() - since > still_s:
                return self.n
            threading.Event().wait(0.02)
        raise AssertionError("it never stops")


def pour(send: Callable[[bytes], object], size: int, meter: Meter, chunked: bool = False) -> None:
    """Send zeros, counting."""
    block = bytes(65536)
    piece = b"10000\r\n" + block + b"\r\n" if chunked else block
    with contextlib.suppress(OSError):
        while meter.n < size:
            send(piece)
            meter.n += len(block)
        if chunked:
            send(b"0\r\n\r\n")


@pytest.mark.parametrize("framing", ["length", "chunked", "until-close"])
def test_a_slow_client_brakes_the_upstream(framing: str) -> None:
    meter = Meter()
    heads = {
        "length": b"Content-Length: %d\r\n\r\n" % SIZE,
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n",
        "until-close": b"\r\n",
    }

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + heads[framing])
        pour(peer.send, SIZE, meter, framing == "chunked")

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address, receive_buffer=65536) as c:
            c.send(GET).head()
            assert meter.settled() < HELD
            assert gw.counters()["buffer_bytes"] < 2 << 20
            total = len(c.rest)
            while total < SIZE:
                total += len(c.socket.recv(1 << 20)) or SIZE
            assert total < 2 * SIZE
            assert gw.record()["response_bytes"] >= SIZE


def test_a_slow_upstream_brakes_the_client() -> None:
    meter = Meter()
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        go_on.wait(DEADLINE_S)
        left = SIZE - len(peer.rest)
        while left:
            left -= len(peer.socket.recv(min(left, 1 << 20))) or left
        peer.send(OK)
        peer.gone()

    with (
        Origin(script) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0)) as gw,
        Client(gw.address) as c,
    ):
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE)
        sender = threading.Thread(target=pour, args=(c.socket.sendall, SIZE, meter), daemon=True)
        sender.start()
        assert meter.settled() < HELD
        assert gw.counters()["buffer_bytes"] < 2 << 20
        go_on.set()
        assert c.answer().body == b"ok"
        sender.join(DEADLINE_S)
        assert meter.n == SIZE


@pytest.mark.parametrize("slow", [True, False], ids=["policy", "plain"])
def test_both_directions_at_once(slow: bool) -> None:
    """The answer begins before the request ends, and goes on after it."""
    rounds = 40

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(rounds):
            size = int(peer.until(b"\r\n"), 16)
            data = peer.exactly(size + 2)[:-2].upper()
            peer.send(b"%x\r\n%s\r\n" % (len(data), data))
        assert peer.until(b"\r\n\r\n") == b"0\r\n\r\n"
        peer.send(b"3\r\nend\r\n0\r\n\r\n")
        peer.gone()

    steps = (plugin("SlowResponse"),) if slow else ()
    with Origin(script) as origin, Gateway(route_to(upstream(origin.address), steps=steps)) as gw:
        with Client(gw.address) as c:
            c.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i in range(rounds):
                data = b"%d" % i * (1 + i * 50) + b"x"
                c.send(b"%x\r\n%s\r\n" % (len(data), data))
                if i == 0:
                    assert c.head().status == 200
                size = int(c.until(b"\r\n"), 16)
                assert c.exactly(size + 2) == data.upper() + b"\r\n"
            c.send(b"0\r\n\r\n")
            assert c.until(b"0\r\n\r\n") == b"3\r\nend\r\n0\r\n\r\n"
            gw.until(lambda now: now["upstream_idle"] == 1, "given back")


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"])
def test_an_answer_that_ends_before_its_request(close: bytes) -> None:
    """Both begin; the answer ends; the rest of the request still arrives, to its last byte."""

    def script(peer: Peer) -> None:
        request = peer.head()
        peer.send(
            b"HTTP/1.1 200 OK\r\n" + close + b"Transfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\n\r\n"
        )
        peer.log(peer.body_of(request))
        peer.gone()

    with (
        Origin(script) as origin,
        Gateway(route_to(upstream(origin.address), body_limit=0)) as gw,
        Client(gw.address) as c,
    ):
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n")
        assert c.answer().body == b"abc"
        for _ in range(20):
            c.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        c.send(b"0\r\nX-End: 1\r\n\r\n")
        request = origin.request()
        assert (len(request.body), request.trailers) == (3 + 20 * 65536, b"X-End: 1\r\n")
        said = gw.record()
        assert (said["status"], said["reason"]) == (200, "")
