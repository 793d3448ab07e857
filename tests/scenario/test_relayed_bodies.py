"""Large answers that nobody looks at pass from socket to socket, as if they did not."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Timeouts, route_to, upstream
from tests.scenario.origin import DEADLINE_S, Origin, Peer

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
BODY = random.Random(7).randbytes(3 << 20)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall"


def answer(peer: Peer) -> None:
    """The large body to every request; the head in a piece of its own to every other one."""
    while True:
        for pieces in ((HEAD + BODY,), (HEAD, BODY)):
            peer.request()
            for piece in pieces:
                peer.send(piece)


def part_then(what: Callable[[Peer], object]) -> Callable[[Peer], None]:
    """Half of the body, then something else."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + BODY[: len(BODY) // 2])
        what(peer)

    return script


def test_every_byte_arrives_and_both_connections_serve_on() -> None:
    with Origin(answer) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            for _ in range(4):
                got = c.get()
                assert (got.status, got.body) == (200, BODY)
                assert gw.record()["response_bytes"] == len(BODY)
        assert len(origin.peers) == 1
        counted = gw.counters()
        assert counted["relays"] == 4
        assert (counted["upstream_idle"], counted["upstream_busy"]) == (1, 0)


def test_pipelined_answers_stay_in_order() -> None:
    """A large one between small ones, all asked for at once."""

    def script(peer: Peer) -> None:
        while True:
            peer.send(HEAD + BODY if b"/large" in peer.request().line else SMALL)

    def ask(target: bytes) -> bytes:
        return b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(ask(b"/a") + ask(b"/large") + ask(b"/b") + ask(b"/large") + ask(b"/c"))
            bodies = [c.answer().body for _ in range(5)]
        assert bodies == [b"small", BODY, b"small", BODY, b"small"]
        assert gw.counters()["relays"] == 2


@pytest.mark.parametrize("size", [65535, 65536])
def test_only_what_is_large_is_worth_a_pipe(size: int) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        begun.wait(DEADLINE_S)
        peer.send(BODY[:size])
        peer.stay()

    begun = threading.Event()
    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(GET).head()
            begun.set()
            assert c.exactly(size) == BODY[:size]
            gw.record()
        assert gw.counters()["relays"] == (size >= 65536)


def test_head_has_no_body_to_relay() -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(HEAD)

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            for _ in range(2):
                c.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert c.answer("HEAD").status == 200
        assert gw.counters()["relays"] == 0


# -- ends that are none of the plan ---------------------------------------------------------


@pytest.mark.parametrize("end", [lambda peer: peer.socket.close(), Peer.reset], ids=["fin", "rst"])
def test_an_upstream_that_ends_too_early(end: Callable[[Peer], object]) -> None:
    with Origin(part_then(end)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(GET).head()
            with pytest.raises((EOFError, ConnectionError)):
                c.exactly(len(BODY))
        line = gw.record()
        assert line["reason"] == "upstream_truncated"
        assert 0 < line["response_bytes"] <= len(BODY) // 2
        gw.until(lambda now: now["upstream_busy"] == now["upstream_idle"] == 0, "closed")


@pytest.mark.parametrize("leave", [Client.close, Client.reset], ids=["fin", "rst"])
@pytest.mark.parametrize("stalled", [True, False])
def test_a_client_that_leaves(leave: Callable[[Client], object], stalled: bool) -> None:
    """While bytes flow, or while the upstream owes them: its connection is ended, too."""
    gone = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD)
        try:
            if stalled:
                peer.send(BODY[:100_000])
                peer.gone()
            else:
                while True:
                    peer.send(BODY[:65536])
        except OSError:
            pass
        gone.set()

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        c = Client(gw.address)
        c.send(GET).head()
        c.exactly(50_000)
        leave(c)
        assert gone.wait(DEADLINE_S)
        assert gw.record()["reason"] in ("client_reset", "client_eof")
        gw.until(lambda now: now["connections"] == now["exchanges_live"] == 0, "ended")
        assert gw.counters()["upstream_idle"] == 0


# -- time -----------------------------------------------------------------------------------


def test_an_upstream_that_stalls() -> None:
    rule = Timeouts(idle=300)
    with (
        Origin(part_then(Peer.stay)) as origin,
        Gateway(route_to(upstream(origin.address), rule)) as gw,
        Client(gw.address) as c,
    ):
        c.send(GET).head()
        with pytest.raises((EOFError, ConnectionError)):
            c.exactly(len(BODY))
        assert gw.record()["reason"] == "upstream_stalled"


def test_a_client_that_stalls() -> None:
    """It is the one to blame, not the upstream, whose bytes wait in the pipe."""
    rule = Timeouts(idle=300)

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 << 20))
        try:
            while True:
                peer.send(BODY)
        except OSError:
            pass

    with (
        Origin(script) as origin,
        Gateway(route_to(upstream(origin.address), rule)) as gw,
        Client(gw.address, receive_buffer=65536) as c,
    ):
        c.send(GET).head()
        assert gw.record()["reason"] == "client_stalled"


def test_both_may_be_slow_but_steady() -> None:
    """Each share comes within `idle`, all of them take much longer."""
    rule = Timeouts(idle=400)

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD)
        for at in range(0, len(BODY), 1 << 18):
            peer.send(BODY[at : at + (1 << 18)])
            peer.ended.wait(0.1)

    with (
        Origin(script) as origin,
        Gateway(route_to(upstream(origin.address), rule)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().body == BODY
        assert gw.counters()["relays"] == 1
