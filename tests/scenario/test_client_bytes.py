"""Every way an answer leaves, against a client that stalls, byte for byte.

Debug builds poison buffers that are given back: whatever is written after its memory was
reused shows here.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Limits, Match, ObjectSpec, Route, Step, policy, upstream
from tests.scenario.origin import Origin, Peer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SIZE = 12_000_000
BODY = random.Random(1).randbytes(SIZE)
SUM = hashlib.sha256(BODY).hexdigest()


def pieces(n: int) -> Iterator[bytes]:
    """The body in pieces of `n` bytes."""
    for at in range(0, SIZE, n):
        yield BODY[at : at + n]


def stalled(gw: Gateway, c: Client) -> None:
    """Wait until nothing moves any more."""
    gw.until(lambda n: n["buffer_bytes"] > 100_000 or n["relay_bytes"] > 0, "queued")
    before = -1
    while (now := gw.counters()["sends"]) != before:
        before = now
        time.sleep(0.05)


def by_length(n: int) -> list[bytes]:
    return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE, *pieces(n)]


def by_chunks(n: int) -> list[bytes]:
    return [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces(n)),
        b"0\r\nX-Sum: " + SUM.encode() + b"\r\n\r\n",
    ]


def until_close(n: int) -> list[bytes]:
    return [b"HTTP/1.1 200 OK\r\n\r\n", *pieces(n)]


def serve(parts: list[bytes], ends: bool) -> object:
    """A script that sends them, slowly where they are small: each is a read of its own."""

    def script(peer: Peer) -> None:
        peer.socket.setsockopt(6, 1, 1)
        peer.socket.settimeout(30)
        while True:
            peer.request()
            for part in parts:
                peer.send(part)
            if ends:
                return

    return script


@pytest.mark.parametrize("n", [700, 5000, 60_000, 1_000_000], ids="{}".format)
@pytest.mark.parametrize("how", [by_length, by_chunks, until_close])
@pytest.mark.parametrize("old", [False, True], ids=["1.1", "1.0"])
def test_bodies(how, n: int, old: bool) -> None:  # type: ignore[no-untyped-def]
    """Lent and counted pieces, under every framing, to both versions."""
    script = serve(how(n), how is until_close)
    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:  # type: ignore[arg-type]
        with Client(gw.address) as c:
            c.send(b"GET / HTTP/1.0\r\n\r\n" if old else GET)
            stalled(gw, c)
            a = c.answer()
            assert hashlib.sha256(a.body).hexdigest() == SUM
            if how is by_chunks and not old:
                assert a.trailers == b"X-Sum: " + SUM.encode() + b"\r\n"
        gw.until(lambda n: n["buffer_bytes"] == 0, "given back")


def test_replies() -> None:
    """A policy's text is the snapshot's memory, its fields are the exchange's."""
    text = "".join(f"{i:06}\n" for i in range(10_000))
    steps = (Step(policy("respond", status=200, body=text, headers={"X-Path": "{path}"})),)
    route = Route("r", (Match(),), ObjectSpec("none", "none"), steps=steps)
    with Gateway(route, limits=Limits(requests=0)) as gw, Client(gw.address) as c:
        c.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(200)))
        stalled(gw, c)
        for i in range(200):
            a = c.answer()
            assert a.body == text.encode()
            assert a.value("X-Path") == b"/%d" % i


def test_error_pages_and_interim_heads() -> None:
    """Small things, so many that the socket is full of them."""
    n = 20_000
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </%d>; rel=preload\r\n\r\n"

    def script(peer: Peer) -> None:
        peer.socket.settimeout(30)
        while True:
            path = peer.request().line.split(b" ")[1]
            i = int(path[3:])
            peer.send(
                hints % i * 3
                + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path)
            )

    with Origin(script) as origin:
        route = Route(
            "r", (Match(path="/missing", methods=frozenset({"POST"})),), upstream(origin.address)
        )
        other = Route("s", (Match(path="/n"),), upstream(origin.address))
        with Gateway(route, other, limits=Limits(requests=0)) as gw, Client(gw.address) as c:
            data = b"".join(
                b"GET /n/%d HTTP/1.1\r\nHost: a\r\n\r\nDELETE /missing HTTP/1.1\r\nHost: a\r\n\r\n"
                % i
                for i in range(n)
            )
            c.socket.settimeout(30)
            pump = threading.Thread(target=c.send, args=(data,))
            pump.start()
            time.sleep(0.5)
            for i in range(n):
                for _ in range(3):
                    assert c.head().value("Link") == b"</%d>; rel=preload" % i
                assert c.answer().body == b"/n/%d" % i
                refused = c.answer()
                assert (refused.status, refused.value("Allow")) == (405, b"POST, OPTIONS")
            pump.join(30)


def test_uploads_to_a_stalled_origin() -> None:
    """The other direction, by length and by chunks; what is kept for a retry is not changed."""
    go, sums = threading.Event(), []

    def script(peer: Peer) -> None:
        peer.socket.settimeout(30)
        head = peer.head()
        assert go.wait(30)
        sums.append(hashlib.sha256(peer.body_of(head).body).hexdigest())
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        peer.gone()

    chunked = [
        b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces(n)) + b"0\r\n\r\n"
        for n in (700, 100_000)
    ]
    with Origin(script) as origin:
        route = Route("r", (Match(),), upstream(origin.address), body_limit=0)
        with Gateway(route) as gw:
            clients = [Client(gw.address) for _ in range(3)]
            framing = [b"Content-Length: %d" % SIZE, *[b"Transfer-Encoding: chunked"] * 2]
            for c, how, data in zip(clients, framing, [BODY, *chunked], strict=True):
                c.socket.settimeout(30)
                whole = b"POST / HTTP/1.1\r\nHost: a\r\n" + how + b"\r\n\r\n" + data
                threading.Thread(target=c.send, args=(whole,), daemon=True).start()
            time.sleep(0.5)
            go.set()
            for c in clients:
                assert c.answer().status == 200
                c.close()
    assert sums == [SUM] * 3
