"""Upgrades: only websocket, only after the origin's 101, each direction with its own end."""

from __future__ import annotations

import threading
import time

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Route, Timeouts, route_to, upstream, websocket
from tests.scenario.origin import Origin, Peer

UPGRADE = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def echo(peer: Peer) -> None:
    """Agree, then send back what comes, and the end."""
    peer.log(peer.head())
    peer.send(AGREED)
    if peer.rest:
        peer.send(bytes(peer.rest))
    while data := peer.socket.recv(65536):
        peer.send(data)


def chat(origin: Origin, timeouts: Timeouts | None = None, **limits: int) -> Route:
    """A route that lets WebSocket through."""
    return route_to(upstream(origin.address), timeouts, steps=(websocket(**limits),))


def test_bytes_pass_both_ways() -> None:
    with Origin(echo) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        a = c.send(UPGRADE).head()
        assert a.status == 101
        assert (a.value("Connection"), a.value("Upgrade")) == (b"Upgrade", b"websocket")
        assert a.value("Sec-WebSocket-Accept") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        r = origin.request()
        assert (r.value("Connection"), r.value("Upgrade")) == (b"Upgrade", b"websocket")
        for data in (b"hello", b"\0" * 100_000, SMUGGLED):
            c.send(data)
            assert c.exactly(len(data)) == data
        c.half_close()
        assert c.to_end() == b""
        said = gw.record()
        assert (said["status"], said["reason"]) == (101, "")
        assert said["request_bytes"] == said["response_bytes"] == 5 + 100_000 + len(SMUGGLED)
        gw.until(lambda n: n["connections"] == n["buffer_bytes"] == 0, "let go")


def test_what_the_client_sends_early_waits_for_the_101() -> None:
    go = threading.Event()
    early: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.head()
        assert go.wait(10)
        early.append(bytes(peer.rest))
        peer.send(AGREED)
        peer.send(peer.exactly(5))
        peer.gone()

    with Origin(script) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        c.send(UPGRADE + b"he").send(b"llo")
        time.sleep(0.1)
        go.set()
        assert c.head().status == 101
        assert c.exactly(5) == b"hello"
        assert early == [b""]


@pytest.mark.parametrize("status", [b"200 OK", b"400 No", b"404 No", b"426 Upgrade Required"])
def test_without_101_the_next_bytes_are_the_next_request(status: bytes) -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.log(peer.request())
            peer.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")

    with Origin(script) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        c.send(UPGRADE + SMUGGLED)
        for _ in range(2):
            a = c.answer()
            assert (a.head[9 : 9 + len(status)], a.body) == (status, b"ok")
        assert origin.request().line.startswith(b"GET /chat")
        r = origin.request()
        assert r.line == b"GET /smuggled HTTP/1.1"
        assert r.value("X-Forwarded-For") == b"127.0.0.1", "it went through like any other"
        assert [gw.record()["path"] for _ in range(2)] == ["/chat", "/smuggled"]


@pytest.mark.parametrize("token", ["h2c", "TLS/1.0", "websocket, h2c", "h2c, websocket", "spdy/3"])
def test_other_tokens_are_not_forwarded(token: str) -> None:
    with Origin() as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        for _ in range(2):
            a = c.get(
                "/",
                "Connection: Upgrade, HTTP2-Settings",
                f"Upgrade: {token}",
                "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
            )
            assert a.status == 200
            r = origin.request()
            for name in ("Upgrade", "Connection", "HTTP2-Settings"):
                assert r.values(name) == []


@pytest.mark.parametrize(
    "head",
    [
        UPGRADE.replace(b"GET", b"POST"),
        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        UPGRADE.replace(b"Connection: Upgrade\r\n", b""),
    ],
    ids=["post", "old", "no-connection"],
)
def test_what_is_no_upgrade(head: bytes) -> None:
    with Origin() as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        assert c.send(head).answer().status == 200
        assert origin.request().values("Upgrade") == []


@pytest.mark.parametrize(
    "answer",
    [
        AGREED.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        AGREED.replace(b"Upgrade: websocket\r\n", b""),
        AGREED.replace(b"s3pPLM", b"S3pPLM"),
        AGREED.replace(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", b""),
        AGREED.replace(b"Sec-", b"Sec-WebSocket-Accept: x\r\nSec-"),
    ],
)
def test_a_101_to_something_else_is_refused(answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(answer)
        peer.gone()

    with Origin(script) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        assert c.send(UPGRADE).answer().status == 502
        assert gw.record()["reason"] == "upstream_bad_upgrade"


def test_a_101_that_nobody_asked_for() -> None:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(AGREED)
        peer.gone()

    with Origin(script) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        assert c.get().status == 502


# -- ends ---------------------------------------------------------------------------------


def test_the_client_ends_first() -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(AGREED)
        assert peer.exactly(3) == b"bye"
        assert peer.socket.recv(1) == b""
        assert go.wait(10)
        peer.send(b"late")

    with Origin(script) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        assert c.send(UPGRADE).head().status == 101
        c.send(b"bye").half_close()
        time.sleep(0.1)
        go.set()
        assert c.to_end() == b"late"
        assert gw.record()["reason"] == ""


def test_the_origin_ends_first() -> None:
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(AGREED + b"bye")
        peer.socket.shutdown(1)
        got.append(peer.exactly(4))
        assert peer.socket.recv(1) == b""

    with Origin(script) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        assert c.send(UPGRADE).head().status == 101
        assert c.to_end() == b"bye"
        time.sleep(0.1)
        c.send(b"late").half_close()
        assert gw.record()["reason"] == ""
        assert origin.peers[0].closed.wait(2)
        assert got == [b"late"]


@pytest.mark.parametrize("side", ["client", "origin"])
def test_a_reset_ends_both(side: str) -> None:
    left, go = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(AGREED)
        if side == "origin":
            assert go.wait(10)
            peer.reset()
        else:
            peer.gone()
        left.set()

    with Origin(script) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        assert c.send(UPGRADE).head().status == 101
        go.set()
        if side == "client":
            c.reset()
            assert left.wait(2)
            assert gw.record()["reason"] == "client_reset"
        else:
            assert c.at_end()
            assert gw.record()["reason"].startswith("upstream_")
        gw.until(lambda n: n["connections"] == n["exchanges_live"] == 0, "over")


@pytest.mark.parametrize("early", [b"", b"hello"])
def test_fin_before_the_101_with_finish(early: bytes) -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        assert go.wait(10)
        peer.send(AGREED)
        assert peer.exactly(len(early)) == early
        assert peer.socket.recv(1) == b""
        peer.send(b"bye")

    with Origin(script) as origin:
        spec = upstream(origin.address)
        route = route_to(spec, steps=(websocket(),), on_client_eof="finish")
        with Gateway(route) as gw, Client(gw.address) as c:
            c.send(UPGRADE + early).half_close()
            time.sleep(0.1)
            go.set()
            assert c.head().status == 101
            assert c.to_end() == b"bye"


# -- time and room ------------------------------------------------------------------------


def test_silence_ends_it() -> None:
    with (
        Origin(echo) as origin,
        Gateway(chat(origin, idle=300, close=50)) as gw,
        Client(gw.address) as c,
    ):
        assert c.send(UPGRADE).head().status == 101
        began = time.monotonic()
        assert c.to_end() == b"\x88\x02\x03\xe9", "going away"
        assert 0.25 < time.monotonic() - began < 2
        said = gw.record()
        assert (said["reason"], said["decided_by"], said["status"]) == (
            "tunnel_idle",
            "deadline",
            101,
        )
        assert origin.peers[0].closed.wait(2)


@pytest.mark.parametrize("speaker", ["client", "origin"])
def test_one_direction_is_enough(speaker: str) -> None:
    """Bytes of either side keep it, also once the other side has ended."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(AGREED)
        if speaker == "client":
            peer.gone()
            return
        assert peer.socket.recv(1) == b""
        for _ in range(10):
            peer.send(b"x")
            time.sleep(0.08)

    with (
        Origin(script) as origin,
        Gateway(chat(origin, idle=300, close=50)) as gw,
        Client(gw.address) as c,
    ):
        assert c.send(UPGRADE).head().status == 101
        if speaker == "client":
            for _ in range(10):
                c.send(b"x")
                time.sleep(0.08)
            c.half_close()
            assert gw.record()["request_bytes"] == 10
        else:
            c.half_close()
            assert c.to_end() == b"x" * 10
            assert gw.record()["reason"] == ""


def test_the_other_timeouts_are_over() -> None:
    times = {"request": 200, "response_head": 200, "body_idle": 200, "keepalive": 200}
    with (
        Origin(echo) as origin,
        Gateway(chat(origin, Timeouts(**times))) as gw,
        Client(gw.address) as c,
    ):
        assert c.send(UPGRADE).head().status == 101
        time.sleep(0.5)
        c.send(b"still here")
        assert c.exactly(10) == b"still here"


def test_backpressure_both_ways() -> None:
    """Neither side reads; nothing piles up; then everything arrives."""
    n = 30_000_000
    with Origin(echo) as origin, Gateway(chat(origin)) as gw, Client(gw.address) as c:
        assert c.send(UPGRADE).head().status == 101
        data = bytes(range(256)) * (n // 256)
        pump = threading.Thread(target=c.send, args=(data,))
        pump.start()
        gw.until(lambda n: n["buffer_bytes"] > 256 * 1024, "braked")
        assert gw.counters()["buffer_bytes"] < 2 << 20
        assert c.exactly(len(data)) == data
        pump.join(10)
