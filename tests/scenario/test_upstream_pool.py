"""Connections to the upstream: which are used again, for whom, and how long they are kept."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Timeouts, plugin, route_to, upstream
from tests.scenario.origin import DEADLINE_S, OK, Origin, Peer, Script, answering

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\n"


def idle(n: int) -> Callable[[dict[str, int]], bool]:
    """Whether so many connections wait in the pools, and none is in use."""
    return lambda now: (now["upstream_idle"], now["upstream_busy"]) == (n, 0)


def waiting(n: int) -> Callable[[dict[str, int]], bool]:
    """Whether so many connections wait in the pools."""
    return lambda now: now["upstream_idle"] == n


def numbered(peer: Peer) -> None:
    """Answer with the number of the connection."""
    while True:
        peer.request()
        peer.send(HEAD + b"Content-Length: 3\r\n\r\n%03d" % peer.number)


def then(*answers: bytes) -> Script:
    """Answer one request after the other, then wait for the end."""

    def script(peer: Peer) -> None:
        for data in answers:
            peer.log(peer.request())
            peer.send(data)
        peer.gone()

    return script


class Gate:
    """An origin's script that answers a request when it is told to."""

    def __init__(self) -> None:
        self.open: queue.Queue[None] = queue.Queue()
        self.arrived: queue.Queue[int] = queue.Queue()

    def __call__(self, peer: Peer) -> None:
        while True:
            peer.request()
            self.arrived.put(peer.number)
            self.open.get(timeout=DEADLINE_S)
            peer.send(HEAD + b"Content-Length: 3\r\n\r\n%03d" % peer.number)


def burst(gw: Gateway, gate: Gate, number: int) -> set[int]:
    """So many requests under way at once, each answered; the connections that they came by."""
    clients = [Client(gw.address).send(ASK) for _ in range(number)]
    numbers = {gate.arrived.get(timeout=DEADLINE_S) for _ in clients}
    for _ in clients:
        gate.open.put(None)
    for c in clients:
        assert c.answer().status == 200
        c.close()
    return numbers


# -- which one is used ---------------------------------------------------------------------


def test_one_connection_serves_one_request_after_the_other() -> None:
    with Origin(numbered) as origin, Gateway(upstream(origin.address)) as gw:
        for _ in range(20):
            with Client(gw.address) as c:
                assert c.get().body == b"000"
            gw.until(idle(1), "given back")
        assert len(origin.peers) == 1


def test_never_two_requests_at_once_on_a_connection() -> None:
    gate = Gate()
    with Origin(gate) as origin, Gateway(upstream(origin.address)) as gw:
        clients = [Client(gw.address) for _ in range(5)]
        for c in clients:
            c.send(ASK)
        numbers = {gate.arrived.get(timeout=DEADLINE_S) for _ in clients}
        assert numbers == set(range(5))
        assert gw.counters()["upstream_busy"] == 5
        for _ in clients:
            gate.open.put(None)
        assert {c.answer().body for c in clients} == {b"%03d" % i for i in range(5)}
        gw.until(idle(5), "given back")
        for c in clients:
            c.close()


def test_the_newest_is_used_first() -> None:
    gates = [queue.Queue[None]() for _ in range(3)]

    def script(peer: Peer) -> None:
        while True:
            peer.request()
            arrived.put(peer.number)
            gates[peer.number].get(timeout=DEADLINE_S)
            peer.send(HEAD + b"Content-Length: 3\r\n\r\n%03d" % peer.number)

    arrived: queue.Queue[int] = queue.Queue()
    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        clients = [Client(gw.address) for _ in gates]
        for i, c in enumerate(clients):
            c.send(ASK)
            assert arrived.get(timeout=DEADLINE_S) == i
        for n, i in enumerate((2, 0, 1)):
            gates[i].put(None)
            gw.until(waiting(n + 1), "given back")
        for c, newest in zip(clients, (1, 0, 2), strict=True):
            c.answer()
            c.send(ASK)
            assert arrived.get(timeout=DEADLINE_S) == newest
        for i in range(3):
            gates[i].put(None)
        for c in clients:
            c.answer()
            c.close()


def test_pipelined_requests_share_a_connection() -> None:
    with Origin(numbered) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 30)
            assert {c.answer().body for _ in range(30)} == {b"000"}
        assert len(origin.peers) == 1


# -- how many are kept, and how long ---------------------------------------------------------


def test_no_more_are_kept_than_the_pool_may_hold() -> None:
    gate = Gate()
    with Origin(gate) as origin, Gateway(upstream(origin.address, pool={"idle": 2})) as gw:
        burst(gw, gate, 5)
        gw.until(idle(2), "trimmed")
        wait_until(lambda: sum(p.closed.is_set() for p in origin.peers) == 3)


def test_pools_share_the_room_of_their_worker() -> None:
    """However many upstreams there are; a connection that was idle leaves its place to another."""
    gate = Gate()
    with (
        Origin(gate) as a,
        Origin(gate) as b,
        Gateway(upstream(a.address, b.address), idle_upstreams=3) as gw,
    ):
        burst(gw, gate, 10)
        gw.until(idle(3), "each origin had five, three in all are kept")
        burst(gw, gate, 1)
        gw.until(idle(3), "one was used and came back")
        for peer in a.peers + b.peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        gw.until(idle(0), "those that were idle are dropped")
        burst(gw, gate, 4)
        gw.until(idle(3), "and their places are free")


def test_as_many_are_kept_as_were_needed_at_once() -> None:
    """Hundreds under way together need hundreds again a moment later."""
    gate = Gate()
    with Origin(gate) as origin, Gateway(upstream(origin.address)) as gw:
        for _ in range(2):
            numbers = burst(gw, gate, 300)
            gw.until(idle(300), "all of them are kept")
        assert len(numbers) == 300
        assert max(numbers) < 300, "and used again"


def test_requests_of_a_connection_are_counted() -> None:
    with (
        Origin(numbered) as origin,
        Gateway(upstream(origin.address, pool={"requests": 3})) as gw,
        Client(gw.address) as c,
    ):
        said = [c.get().body for _ in range(9)]
        assert said == [b"000"] * 3 + [b"001"] * 3 + [b"002"] * 3
        gw.until(idle(0), "closed")


def test_an_idle_connection_is_closed_after_its_time() -> None:
    with (
        Origin(numbered) as origin,
        Gateway(upstream(origin.address, pool={"idle_ms": 200})) as gw,
        Client(gw.address) as c,
    ):
        begun = time.monotonic()
        assert c.get().status == 200
        assert origin.peers[0].closed.wait(2)
        assert time.monotonic() - begun >= 0.15
        gw.until(idle(0), "closed")
        assert c.get().body == b"001"


def test_four_seconds_by_default() -> None:
    with Origin(numbered) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            assert c.get().status == 200
            assert not origin.peers[0].closed.wait(3.5)
            assert origin.peers[0].closed.wait(1.5)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b"timeout=2", True),
        (b"timeout=2, max=100", True),
        (b"max=9, Timeout=2", True),
        (b"timeout=1", False),
        (b"timeout=99999999999", False),
        (b"timeout", False),
        (b"", False),
        (b"timeout=x", False),
    ],
)
def test_the_upstream_may_allow_more_time(said: bytes, kept: bool) -> None:
    data = HEAD + b"Keep-Alive: " + said + b"\r\nContent-Length: 2\r\n\r\nok"
    with (
        Origin(answering(data)) as origin,
        Gateway(upstream(origin.address, pool={"idle_ms": 100})) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().values("Keep-Alive") == []
        assert origin.peers[0].closed.wait(0.6) is not kept
        assert origin.peers[0].closed.wait(2)


def test_a_connection_in_use_does_not_run_out_of_idle_time() -> None:
    """A slow upload on a connection that was idle before."""
    with (
        Origin(answering(OK)) as origin,
        Gateway(upstream(origin.address, pool={"idle_ms": 100})) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        gw.until(idle(1), "given back")
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        for piece in (b"abc", b"def"):
            time.sleep(0.2)  # longer than the idle time, nothing to wait for
            c.send(piece)
        assert c.answer().body == b"ok"
        origin.request()
        assert origin.request().body == b"abcdef"
        assert len(origin.peers) == 1


# -- which are not used again ------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"X",
        OK + OK,
        HEAD + b"Content-Length: 0\r\n\r\nX",
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nX",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: 1\r\n\r\nX",
    ],
    ids=["close", "1.0", "byte", "twice", "empty", "204", "304", "chunked", "trailers"],
)
def test_not_reused(data: bytes) -> None:
    with (
        Origin(then(data), numbered) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status in (200, 204, 304)
        assert origin.peers[0].closed.wait(2)
        gw.until(idle(0), "closed")
        assert c.get().body == b"001"


def test_bytes_behind_a_head_request_end_the_connection() -> None:
    with (
        Origin(then(OK), numbered) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        c.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert c.answer("HEAD").status == 200
        assert origin.peers[0].closed.wait(2)
        assert c.get().body == b"001"


def test_1_0_with_keep_alive_is_reused() -> None:
    data = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
    with Origin(answering(data)) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            assert [c.get().body for _ in range(3)] == [b"ok"] * 3
        assert len(origin.peers) == 1


def test_one_that_the_upstream_ends_is_dropped_at_once() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        end.wait(DEADLINE_S)

    end = threading.Event()
    with Origin(script, numbered) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            assert c.get().body == b"ok"
            gw.until(idle(1), "given back")
            end.set()
            gw.until(idle(0), "dropped")
            assert c.get().body == b"001"
            assert gw.record(tries=1, path="/")


def test_one_that_ends_with_its_answer_is_not_kept() -> None:
    """Answer and FIN in one segment, without `Connection: close`."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        peer.send(OK)

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
            assert [c.answer().body for _ in range(5)] == [b"ok"] * 5
            for _ in range(5):
                assert gw.record()["tries"] == 1
        gw.until(idle(0), "dropped")


@pytest.mark.parametrize("data", [b"X", OK, b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
def test_one_that_talks_unasked_is_dropped(data: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        talk.wait(DEADLINE_S)
        peer.send(data)
        peer.gone()

    talk = threading.Event()
    with Origin(script, numbered) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            assert c.get().body == b"ok"
            gw.until(idle(1), "given back")
            talk.set()
            gw.until(idle(0), "dropped")
            assert c.get().body == b"001"


def test_what_came_before_the_request_is_not_its_answer() -> None:
    """An idle connection talks in the very turn in which a request takes it (CWE-444)."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        talk.wait(DEADLINE_S)
        peer.send(HEAD + b"Content-Length: 4\r\n\r\nevil")
        said.set()
        peer.gone()

    talk, said = threading.Event(), threading.Event()
    with (
        Origin(script, numbered) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().body == b"ok"
        gw.until(idle(1), "given back")
        with gw.held():
            c.send(ASK)
            time.sleep(0.05)  # the order of arrival is the kernel's
            talk.set()
            assert said.wait(DEADLINE_S)
            time.sleep(0.05)
        assert c.answer().body == b"001"


def test_a_response_that_was_held_back_leaves_a_connection_that_reads() -> None:
    """Its end was put by, with the connection paused, until a policy was ready for it."""
    with (
        Origin(answering(OK)) as origin,
        Gateway(
            route_to(
                upstream(origin.address),
                Timeouts(response_head=2000),
                steps=(plugin("SlowResponse"),),
            )
        ) as gw,
        Client(gw.address) as c,
    ):
        for _ in range(3):
            assert c.get().body == b"ok"
            gw.until(idle(1), "given back")
        assert len(origin.peers) == 1


def test_nor_one_that_misses_the_upstreams_end() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        end.wait(DEADLINE_S)

    end = threading.Event()
    with (
        Origin(script) as origin,
        Gateway(route_to(upstream(origin.address), steps=(plugin("SlowResponse"),))) as gw,
    ):
        with Client(gw.address) as c:
            assert c.get().body == b"ok"
            gw.until(idle(1), "given back")
            end.set()
            gw.until(idle(0), "dropped")


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for something that has no event."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)
