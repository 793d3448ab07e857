"""Limits: of heads, bodies, requests, connections and memory."""

from __future__ import annotations

import json
import select
import threading
import time
from collections.abc import Callable

import pytest

from tests.scenario.client import Answer, Client
from tests.scenario.gateway import Gateway, Limits, Match, Route, Timeouts, upstream
from tests.scenario.origin import OK, Origin, Peer

KIB, MIB = 1024, 1 << 20
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def reason(a: Answer) -> tuple[int, str]:
    """Status and reason of an error document."""
    return a.status, json.loads(a.body)["reason"]


# -- heads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 300), (414, "target_too_long")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"a" * 3000), (431, "head_too_large")),
        (b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n" % (b"X: y\r\n" * 30), (431, "head_too_large")),
        # Refused as soon as it is known, without waiting for the end of the head.
        (b"GET /%s" % (b"a" * 300), (414, "target_too_long")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: %s" % (b"a" * 3000), (431, "head_too_large")),
    ],
    ids=["target", "head", "fields", "target-unended", "head-unended"],
)
def test_heads(head: bytes, wanted: tuple[int, str]) -> None:
    limits = Limits(head=2048, target=256, fields=20)
    with Origin() as origin, Gateway(upstream(origin.address), limits=limits) as gw:
        with Client(gw.address) as c:
            c.get("/" + "a" * 250, *["X: y"] * 18)  # within all of them
            a = c.send(head).answer()
            assert reason(a) == wanted
            assert a.value("Connection") == b"close"
            assert c.half_close().at_end()
        assert gw.record(status=wanted[0])["reason"] == wanted[1]
        assert origin.request() and origin.requests.empty()


@pytest.mark.parametrize(
    ("said", "within", "beyond", "wanted"),
    [
        ({"target_limit": 300}, "/n/" + "a" * 297, "/n/" + "a" * 298, (414, "target_too_long")),
        ({"head_limit": 1024}, "/n/" + "a" * 900, "/n/" + "a" * 1000, (431, "head_too_large")),
    ],
)
def test_a_route_narrows_the_limits_of_heads(
    said: dict[str, int], within: str, beyond: str, wanted: tuple[int, str]
) -> None:
    with Origin() as origin:
        target = upstream(origin.address)
        narrow = Route("narrow", (Match("/n"),), target, **said)  # type: ignore[arg-type]
        with Gateway(narrow, Route("wide", (Match(),), target)) as gw, Client(gw.address) as c:
            assert c.get(within).status == 200
            assert reason(c.get(beyond)) == wanted
            assert gw.record(status=wanted[0])["route"] == "narrow"
            assert c.get(beyond.replace("/n/", "/w/")).status == 200  # of another route


def test_a_route_narrows_the_number_of_fields() -> None:
    with Origin() as origin:
        route = Route("narrow", (Match(),), upstream(origin.address), fields_limit=10)
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.get("/", *["X: y"] * 9).status == 200  # Host is the tenth
            assert reason(c.get("/", *["X: y"] * 10)) == (431, "head_too_large")
            assert c.get("/").status == 200


def test_the_bytes_of_a_head_are_those_of_http_1() -> None:
    """Method, target, fields, and what stands between them; counted to the byte."""
    head = b"GET /n HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n"
    with Origin() as origin:
        route = Route("narrow", (Match(),), upstream(origin.address), head_limit=1024)
        with Gateway(route) as gw, Client(gw.address) as c:
            room = 1024 - len(head % b"")
            assert c.send(head % (b"a" * room)).answer().status == 200
            assert c.send(head % (b"a" * (room + 1))).answer().status == 431


# -- bodies -------------------------------------------------------------------------------


def limited(origin: Origin, limit: int) -> Route:
    """A route that takes bodies of so many bytes."""
    return Route("default", (Match(),), upstream(origin.address), body_limit=limit)


def test_bodies_by_length() -> None:
    with Origin() as origin, Gateway(limited(origin, 1000)) as gw, Client(gw.address) as c:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
        assert c.send(head % 1000 + b"x" * 1000).answer().status == 200
        assert origin.request().body == b"x" * 1000
        assert reason(c.send(head % 1001 + b"x" * 1001).answer()) == (413, "body_too_large")
        assert c.get().status == 200, "the body was read away"
        assert origin.request().body == b"" and origin.requests.empty()
        assert len(origin.peers) == 1, "the origin was not asked"


def test_bodies_by_counting() -> None:
    """The origin has been given a part of it: its connection is not used again."""

    def script(peer: Peer) -> None:
        while True:
            peer.log(peer.request())
            peer.send(OK)

    with Origin(script) as origin, Gateway(limited(origin, 1000)) as gw, Client(gw.address) as c:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        piece = b"64\r\n" + b"x" * 100 + b"\r\n"
        assert c.send(head + piece * 10 + b"0\r\n\r\n").answer().status == 200
        assert origin.request().body == b"x" * 1000
        c.send(head)
        for _ in range(10):
            c.send(piece)
            time.sleep(0.01)
        c.send(piece + b"0\r\n\r\n")
        assert reason(c.answer()) == (413, "body_too_large")
        assert gw.record(status=413)["request_bytes"] > 1000
        assert c.get().status == 200
        assert origin.request().body == b"" and origin.requests.empty()
        assert len(origin.peers) == 2


# -- requests and connections -------------------------------------------------------------


def test_requests_on_a_connection() -> None:
    with Origin() as origin:
        with Gateway(upstream(origin.address), limits=Limits(requests=3)) as gw:
            with Client(gw.address) as c:
                c.send(GET * 5)
                answers = [c.answer() for _ in range(3)]
                assert [a.values("Connection") for a in answers] == [[], [], [b"close"]]
                assert c.to_end() == b""
            with Client(gw.address) as c:
                assert c.get().status == 200


def test_what_follows_the_last_request_does_not_harm_its_answer() -> None:
    """More is on its way than one read takes: closing now would reset the connection."""
    with Origin() as origin:
        with Gateway(upstream(origin.address), limits=Limits(requests=1)) as gw:
            for _ in range(6):
                with Client(gw.address) as c:
                    c.send(GET * 20_000)
                    assert c.answer().value("Connection") == b"close"
                    assert c.to_end() == b""


def test_connections_wait_for_their_turn() -> None:
    """Nobody is accepted only to be closed."""
    with Origin() as origin, Gateway(upstream(origin.address), max_connections=2) as gw:
        first, second = Client(gw.address), Client(gw.address)
        assert first.get().status == second.get().status == 200
        waiting = [Client(gw.address) for _ in range(3)]
        for c in waiting:
            c.send(GET)
        time.sleep(0.2)
        assert gw.counters()["connections_accepted"] == 2
        assert first.get().status == second.get().status == 200
        first.close()
        for c in waiting:
            assert c.answer().status == 200
            c.close()
        assert second.get().status == 200
        second.close()
        assert any("connection_limit" in text for _, text in gw.logged)


# -- memory -------------------------------------------------------------------------------


class Watch:
    """Looks at the buffers of a worker all the time."""

    def __init__(self, gw: Gateway) -> None:
        self.gw = gw
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._stop.wait(0.002):
            self.most = max(self.most, self.gw.counters()["buffer_bytes"])

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


def readable(clients: list[Client]) -> list[Client]:
    """Those who have been answered, or left."""
    poll = select.poll()
    for c in clients:
        poll.register(c.socket, select.POLLIN)
    there = {fd for fd, _ in poll.poll(0)}
    return [c for c in clients if c.socket.fileno() in there]


LENGTH = 6_000_000


def by_length(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH)
    peer.send(b"x" * LENGTH)


def by_chunks(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunks(peer)


def chunks(peer: Peer) -> None:
    piece = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    for _ in range(LENGTH // 10_000):
        peer.send(piece)
    peer.send(b"0\r\n\r\n")


def until_close(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * LENGTH)


@pytest.mark.parametrize("how", [by_length, by_chunks, until_close])
def test_answers_brake_near_the_bound(how: Callable[[Peer], None]) -> None:
    """Clients that do not read hold what there is; one that reads gets its answer even so, and
    in the end each gets all of its own."""

    def script(peer: Peer) -> None:
        peer.socket.settimeout(30)
        peer.request()
        how(peer)

    bound = 6 * MIB
    with Origin(script) as origin, Gateway(upstream(origin.address), memory=bound) as gw:
        with Watch(gw) as watch:
            clients = [Client(gw.address) for _ in range(20)]
            for c in clients:
                c.send(GET)
            if how is by_length:
                # What is relayed waits in pipes, and takes none of the buffers.
                gw.until(lambda n: n["relay_bytes"] >= 20 * 60_000, "all of them wait")
            else:
                gw.until(lambda n: n["buffer_bytes"] >= bound * 4 // 5, "near the bound")
            with Client(gw.address) as reader:
                reader.socket.settimeout(30)
                assert len(reader.get().body) == LENGTH
            assert (gw.counters()["buffer_bytes"] >= bound * 3 // 4) == (how is not by_length)
            for c in clients:
                assert len(c.answer().body) == LENGTH
                c.close()
        assert watch.most <= bound
        counted = gw.counters()
        assert counted["responses_2xx"] == 21 and not counted.get("reason_memory")
        gw.until(lambda n: n["buffer_bytes"] == 0, "given back")


def test_answers_pause_when_memory_is_full() -> None:
    """So many that even a small piece for each is too much: nobody is cut off for that."""
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.socket.settimeout(30)
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert go.wait(20)
        chunks(peer)

    bound = 2 * MIB
    with Origin(script) as origin, Gateway(upstream(origin.address), memory=bound) as gw:
        with Watch(gw) as watch:
            clients = [Client(gw.address) for _ in range(60)]
            for c in clients:
                c.send(GET)
                assert c.head().status == 200
            go.set()
            time.sleep(0.5)
            left = {c: LENGTH - len(c.rest) for c in clients}
            end = time.monotonic() + 30
            while left:  # all of them read, whoever has something
                assert time.monotonic() < end, left.values()
                for c in readable(list(left)):
                    left[c] -= len(c.socket.recv(1 << 20)) or LENGTH
                    if left[c] <= 0:
                        left.pop(c)
                        c.close()
        assert watch.most <= bound
        assert not gw.counters().get("reason_memory")


@pytest.mark.parametrize("chunked", [False, True])
def test_uploads_brake_near_the_bound(chunked: bool) -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.socket.settimeout(30)
        peer.head()
        assert go.wait(20)
        n, last = len(peer.rest), peer.rest[-5:]
        while not (last.endswith(b"0\r\n\r\n") if chunked else n == LENGTH):
            data = peer.more()
            n, last = n + len(data), (last + data)[-5:]
        peer.send(OK)

    bound = 8 * MIB
    body = b"x" * LENGTH
    if chunked:
        framing = b"Transfer-Encoding: chunked"
        body = (
            b"".join(b"2710\r\n" + body[:10_000] + b"\r\n" for _ in range(LENGTH // 10_000))
            + b"0\r\n\r\n"
        )
    else:
        framing = b"Content-Length: %d" % LENGTH
    with Origin(script) as origin:
        route = Route("default", (Match(),), upstream(origin.address), body_limit=0)
        with Gateway(route, memory=bound) as gw, Watch(gw) as watch:
            clients = [Client(gw.address) for _ in range(30)]
            pumps = []
            for c in clients:
                c.socket.settimeout(30)
                c.send(b"POST / HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n")
                pumps.append(threading.Thread(target=c.send, args=(body,)))
                pumps[-1].start()
            gw.until(lambda n: n["exchanges_live"] == 30, "all there")
            time.sleep(0.3)
            go.set()
            for c, pump in zip(clients, pumps, strict=True):
                assert c.answer().status == 200
                pump.join(10)
                c.close()
            assert watch.most <= bound
            assert not gw.counters().get("reason_memory")


def test_past_the_bound_new_requests_are_refused() -> None:
    """Those that are under way go on; when some have ended, new ones are taken again."""
    go = threading.Event()

    def script(peer: Peer) -> None:
        while True:
            if peer.request().line.startswith(b"GET /wait"):
                assert go.wait(20)
            peer.send(OK)

    bound = 8 * MIB
    large = b"X: " + b"x" * 20_000
    with Origin(script) as origin, Gateway(upstream(origin.address), memory=bound) as gw:
        clients: list[Client] = []
        with Watch(gw) as watch:
            for _ in range(250):
                clients.append(Client(gw.address))
                clients[-1].send(b"GET /wait HTTP/1.1\r\nHost: a\r\n" + large + b"\r\n\r\n")
            gw.until(lambda n: n.get("reason_memory", 0) > 50, "full")
            gw.until(lambda n: n["exchanges_live"] + n.get("reason_memory", 0) == 250, "all seen")
            waiting = gw.counters()["exchanges_live"]
            assert waiting > 50
            refused = readable(clients)
            for c in clients:
                if c in refused:
                    a = c.answer()
                    assert reason(a) == (503, "memory")
                    assert len(a.values("Date")) == 1
            said = gw.record(reason="memory")
            assert (said["status"], said["decided_by"]) == (503, "limit")
            go.set()
            served = [c.answer().status for c in clients if c not in refused]
            assert served == [200] * waiting
        assert watch.most <= bound
        with Client(gw.address) as c:
            assert c.get().status == 200
        for c in clients:
            c.close()
        gw.until(lambda n: n["buffer_bytes"] == 0, "given back")


def test_without_memory_a_slow_head_is_refused_too() -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        assert go.wait(20)
        peer.send(OK)

    t = Timeouts(request_head=2000)
    with Origin(script) as origin:
        with Gateway(upstream(origin.address), memory=2 * MIB, timeouts=t) as gw:
            clients = []
            while not gw.counters().get("reason_memory"):
                clients.append(Client(gw.address).send(GET))
            with Client(gw.address) as c:
                head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000
                assert reason(c.send(head).answer()) == (503, "memory")
            go.set()
            for c in clients:
                c.answer()
                c.close()
