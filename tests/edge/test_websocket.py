"""WebSocket through the gateway: who may open one, what limits it, how it is closed."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Origin as WebOrigin
from websockets.typing import Subprotocol

from tests.edge.kit import ACCEPT, AGREED, ASK, KEY, frame, unmasked
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Route, Step, policy, route_to, upstream, websocket
from tests.scenario.origin import OK, Origin, Peer

GOING_AWAY = b"\x88\x02\x03\xe9"


class Echo:
    """A WebSocket server that sends back each message; `saw` is how its connections ended."""

    def __init__(self, subprotocols: tuple[str, ...] = ()) -> None:
        self.saw: list[int | None] = []
        self.ended = threading.Semaphore(0)
        self.asked: list[Any] = []
        self.server = serve(
            self.serve,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(s) for s in subprotocols] or None,
            max_size=None,
        )
        self.address: tuple[str, int] = self.server.socket.getsockname()
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def serve(self, connection: ServerConnection) -> None:
        """One connection."""
        self.asked.append(connection.request)
        with contextlib.suppress(ConnectionClosed):
            for message in connection:
                connection.send(message)
        self.saw.append(connection.close_code)
        self.ended.release()

    def __enter__(self) -> Echo:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join(10)


def through(gw: Gateway, path: str = "/chat", **options: Any) -> ClientConnection:
    """A client's connection."""
    host, port = gw.address
    made: ClientConnection = connect(
        f"ws://{host}:{port}{path}", open_timeout=10, proxy=None, max_size=None, **options
    )
    return made


def chat(address: tuple[str, int], **options: Any) -> Route:
    """A route that lets WebSocket through."""
    return route_to(upstream(address), steps=(websocket(**options),))


# -- real clients and servers -----------------------------------------------------------------


def test_messages_of_every_size() -> None:
    with Echo() as echo, Gateway(chat(echo.address)) as gw, through(gw, compression=None) as c:
        for n in (0, 1, 125, 126, 65535, 65536, 1_000_000):
            c.send(b"x" * n)
            assert c.recv(10) == b"x" * n
        c.send("text \N{SNOWMAN}")
        assert c.recv(10) == "text \N{SNOWMAN}"
        c.send(iter(["in ", "frag", "ments"]))
        assert c.recv(10) == "in fragments"
        assert c.ping().wait(10)
        c.close(4001, "why not")
        assert (c.close_code, c.close_reason) == (4001, "why not")
        said = gw.record()
        assert (said["status"], said["reason"]) == (101, "")
        assert said["request_bytes"] > 1_000_000
        assert said["response_bytes"] > 1_000_000
        assert echo.ended.acquire(timeout=10)
        assert echo.saw == [4001]
        gw.until(lambda now: now["tunnels_live"] == now["connections"] == 0, "closed")


def test_subprotocols_and_extensions_are_the_ends_own_business() -> None:
    with Echo(("chat.v2", "chat.v1")) as echo, Gateway(chat(echo.address)) as gw:
        wanted = [Subprotocol("chat.v1"), Subprotocol("soap")]
        with through(gw, subprotocols=wanted) as c:
            assert c.subprotocol == "chat.v1"
            assert c.response is not None
            assert "permessage-deflate" in c.response.headers["Sec-WebSocket-Extensions"]
            c.send("again and " * 1000)
            assert c.recv(10) == "again and " * 1000
        assert echo.asked[0].headers["Sec-WebSocket-Protocol"] == "chat.v1, soap"
        assert echo.asked[0].headers["X-Forwarded-For"] == "127.0.0.1"


def test_many_at_once() -> None:
    with Echo() as echo, Gateway(chat(echo.address)) as gw, contextlib.ExitStack() as held:
        there = [held.enter_context(through(gw)) for _ in range(30)]
        gw.until(lambda now: now["tunnels_live"] == 30, "open")
        for i, c in enumerate(there):
            c.send(str(i))
        assert [c.recv(10) for c in there] == [str(i) for i in range(30)]


# -- who may ----------------------------------------------------------------------------------


def test_only_on_routes_that_allow_it() -> None:
    with Origin() as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        a = c.send(ASK).answer()
        assert (a.status, json.loads(a.body)["reason"]) == (403, "websocket_not_allowed")
        assert c.get("/").status == 200, "the next request is unharmed"
        assert origin.request().line == b"GET / HTTP/1.1"


def test_off_is_off() -> None:
    with Origin() as origin:
        route = route_to(upstream(origin.address), steps=(Step(policy("websocket"), "off"),))
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.send(ASK).answer().status == 403


@pytest.mark.parametrize("mode", ["shadow"])
def test_a_shadow_lets_nothing_through(mode: Any) -> None:
    with Origin() as origin:
        route = route_to(upstream(origin.address), steps=(Step(policy("websocket"), mode),))
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.send(ASK).answer().status == 403


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ((KEY, b"dGhlIHNhbXBsZSBub25jZQ="), 400, "websocket_handshake"),
        ((KEY, b"dGhlIHNhbXBsZSBub25jZ!=="), 400, "websocket_handshake"),
        ((b"Sec-WebSocket-Key: " + KEY + b"\r\n", b""), 400, "websocket_handshake"),
        ((b"Sec-WebSocket-Ver", b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Ver"), 400,
         "websocket_handshake"),
        ((b"Sec-WebSocket-Version: 13\r\n", b""), 400, "websocket_handshake"),
        ((b"Version: 13", b"Version: 12"), 426, "websocket_version"),
        ((b"Version: 13", b"Version: 013"), 426, "websocket_version"),
        ((b"Version: 13", b"Version: 13\r\nSec-WebSocket-Version: 13"), 400,
         "websocket_handshake"),
    ],
)  # fmt: skip
def test_what_is_no_handshake(change: tuple[bytes, bytes], status: int, reason: str) -> None:
    with Origin() as origin, Gateway(chat(origin.address)) as gw, Client(gw.address) as c:
        a = c.send(ASK.replace(*change)).answer()
        assert (a.status, json.loads(a.body)["reason"]) == (status, reason)
        assert a.values("Sec-WebSocket-Version") == ([b"13"] if status == 426 else [])
        assert c.get("/").status == 200


def test_a_handshake_has_no_body() -> None:
    with Origin() as origin, Gateway(chat(origin.address)) as gw, Client(gw.address) as c:
        ask = ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc")
        assert c.send(ask).answer().status == 400


ORIGINS = ["https://good.example", "https://*.apps.example:8443", "http://localhost:3000", "same"]


@pytest.mark.parametrize(
    ("origin_field", "admitted"),
    [
        (None, True),
        ("https://good.example", True),
        ("HTTPS://Good.Example", True),
        ("http://good.example", False),
        ("https://good.example.evil.example", False),
        ("https://evilgood.example", False),
        ("https://a.apps.example:8443", True),
        ("https://a.b.apps.example:8443", True),
        ("https://apps.example:8443", False),
        ("https://.apps.example:8443", False),
        ("https://a.apps.example", False),
        ("http://localhost:3000", True),
        ("http://a.example", True),
        ("https://a.example", True),
        ("https://b.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_origins(origin_field: str | None, admitted: bool) -> None:
    said = AGREED

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(said)
        peer.gone()

    with Origin(script) as origin, Gateway(chat(origin.address, origins=ORIGINS)) as gw:
        with Client(gw.address) as c:
            more = b"" if origin_field is None else f"Origin: {origin_field}\r\n".encode()
            a = c.send(ASK[:-2] + more + b"\r\n").head()
            assert a.status == (101 if admitted else 403)


def test_two_origins_are_none() -> None:
    with Gateway(chat(("127.0.0.1", 1), origins=["https://a.example"])) as gw:
        with Client(gw.address) as c:
            two = b"Origin: https://a.example\r\n" * 2
            assert c.send(ASK[:-2] + two + b"\r\n").answer().status == 403


def test_a_real_client_is_told_why() -> None:
    with Echo() as echo, Gateway(chat(echo.address, origins=["https://a.example"])) as gw:
        with pytest.raises(InvalidStatus) as e:
            through(gw, origin=WebOrigin("https://evil.example"))
        assert e.value.response.status_code == 403
        with through(gw, origin=WebOrigin("https://a.example")) as c:
            c.send("hello")
            assert c.recv(10) == "hello"


@pytest.mark.parametrize(
    "options",
    [
        {"origins": []},
        {"origins": ["a.example"]},
        {"origins": ["https://a.example/path"]},
        {"origins": ["https://*.*.example"]},
        {"origins": "https://a.example"},
        {"idle": -1},
        {"idle": "1h"},
        {"idle": 1 << 33},
        {"frames": 1},
    ],
)
def test_options_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError), Gateway(chat(("127.0.0.1", 1), **options)):
        pass


def test_other_requests_of_the_route_pass() -> None:
    with Origin() as origin, Gateway(chat(origin.address)) as gw, Client(gw.address) as c:
        for fields in ((), ("Connection: Upgrade", "Upgrade: h2c")):
            assert c.get("/", *fields).status == 200
            assert origin.request().values("Upgrade") == []


# -- limits and ends --------------------------------------------------------------------------


class Quiet:
    """An origin that agrees and then does as the test says through `peer`."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.done = threading.Event()
        self.peer: Peer

    def __call__(self, peer: Peer) -> None:
        peer.head()
        peer.send(AGREED)
        self.peer = peer
        self.ready.set()
        self.done.wait(10)


@contextlib.contextmanager
def opened(**options: Any) -> Iterator[tuple[Gateway, Client, Peer]]:
    """A tunnel whose both ends are the test's."""
    script = Quiet()
    with Origin(script) as origin, Gateway(chat(origin.address, **options)) as gw:
        with Client(gw.address) as c:
            try:
                assert c.send(ASK).head().status == 101
                assert script.ready.wait(10)
                yield gw, c, script.peer
            finally:
                script.done.set()


def close_of(peer: Peer) -> int:
    """The status of the masked close frame that comes next."""
    data = peer.exactly(8)
    assert data[:2] == b"\x88\x82"
    return int.from_bytes(unmasked(data), "big")


def test_silence_says_goodbye_both_ways() -> None:
    with opened(idle=150, close=2000) as (gw, c, peer):
        began = time.monotonic()
        assert c.exactly(4) == GOING_AWAY
        assert close_of(peer) == 1001
        peer.send(frame(8, b"\x03\xe9"))
        c.send(frame(8, b"\x03\xe9", masked=True))
        assert c.at_end()
        assert time.monotonic() - began < 1.5, "both have answered: nobody waits on"
        said = gw.record()
        assert (said["reason"], said["decided_by"]) == ("tunnel_idle", "deadline")


def test_who_does_not_answer_is_cut() -> None:
    with opened(idle=100, close=150) as (gw, c, _):
        assert c.to_end() == GOING_AWAY
        assert gw.record()["reason"] == "tunnel_idle"
        gw.until(lambda now: now["connections"] == now["tunnels_live"] == 0, "closed")


def test_the_frame_under_way_is_not_cut() -> None:
    """The lifetime ends in the middle of a frame each way: the rest passes, then the close."""
    with opened(lifetime=250, idle=0, close=3000) as (gw, c, peer):
        down, up = frame(2, b"d" * 1000), frame(2, b"u" * 1000, masked=True)
        peer.send(down[:500])
        c.send(up[:500])
        assert c.exactly(500) == down[:500]
        assert peer.exactly(500) == up[:500]
        time.sleep(0.4)
        peer.send(down[500:] + frame(1, b"too late"))
        c.send(up[500:] + frame(1, b"too late", masked=True))
        assert c.exactly(len(down) - 500 + 4) == down[500:] + GOING_AWAY
        assert peer.exactly(len(up) - 500) == up[500:]
        assert close_of(peer) == 1001
        c.send(frame(8, b"\x03\xe9", masked=True))
        peer.send(frame(8, b"\x03\xe9"))
        assert c.at_end()
        assert gw.record()["reason"] == "tunnel_lifetime"


def test_bytes_are_limited() -> None:
    with opened(bytes=1000, close=100) as (gw, c, peer):
        c.send(frame(2, b"x" * 500, masked=True))
        assert len(peer.exactly(508)) == 508
        peer.send(frame(2, b"y" * 600))
        assert c.to_end() == b"\x88\x02\x03\xf0", "policy violation, and none of the frame"
        assert gw.record()["reason"] == "tunnel_bytes"


def test_pings_are_answered() -> None:
    with Echo() as echo, Gateway(chat(echo.address, ping=50, idle=0)) as gw, through(gw) as c:
        time.sleep(0.5)
        c.send("still here")
        assert c.recv(10) == "still here"
        c.close()
        assert gw.record()["reason"] == ""


def test_unanswered_pings_end_it() -> None:
    with opened(ping=60, idle=0, close=50) as (gw, c, _):
        assert c.to_end() == b"\x89\x00" * 2 + GOING_AWAY
        assert gw.record()["reason"] == "tunnel_idle"


def test_no_ping_within_a_frame() -> None:
    with opened(ping=60, idle=0, close=50) as (_, c, peer):
        data = frame(2, b"d" * 100)
        peer.send(data[:50])
        assert c.exactly(50) == data[:50]
        time.sleep(0.2)
        peer.send(data[50:])
        assert c.exactly(52) == data[50:], "the frame is whole"
        assert c.exactly(2) == b"\x89\x00"


def test_a_drain_gives_time_and_says_goodbye() -> None:
    with Echo() as echo, Gateway(chat(echo.address, drain=300)) as gw, through(gw) as c:
        c.send("before")
        assert c.recv(10) == "before"
        done = gw.drain()
        c.send("meanwhile")
        assert c.recv(10) == "meanwhile"
        with pytest.raises(ConnectionClosed):
            c.recv(10)
        assert c.close_code == 1001
        assert done.wait(10)
        assert echo.ended.acquire(timeout=10)
        assert echo.saw == [1001]
        assert gw.record()["reason"] == "draining"


def test_a_tunnel_that_opens_while_draining_has_the_same_time() -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.head()
        assert go.wait(10)
        peer.send(AGREED)
        peer.gone()

    with Origin(script) as origin, Gateway(chat(origin.address, drain=100, close=50)) as gw:
        with Client(gw.address) as c:
            c.send(ASK)
            gw.until(lambda now: now["upstream_busy"] == 1, "asked")
            done = gw.drain()
            go.set()
            assert c.head().status == 101
            assert c.to_end() == GOING_AWAY
            assert done.wait(10)


def test_what_is_not_frames_gets_no_frame() -> None:
    with opened(idle=150, close=50) as (gw, c, peer):
        peer.send(b"\xff" * 100)
        c.send(b"\x83\x00")
        assert c.to_end() == b"\xff" * 100
        assert gw.record()["reason"] == "tunnel_idle"


def test_nothing_behind_the_servers_own_close() -> None:
    with opened(idle=150, close=50) as (gw, c, peer):
        peer.send(frame(8, b"\x03\xe8"))
        assert c.to_end() == frame(8, b"\x03\xe8")
        assert gw.record()["reason"] == "tunnel_idle"


def test_other_statuses_are_answers() -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(OK)

    with Origin(script) as origin, Gateway(chat(origin.address)) as gw, Client(gw.address) as c:
        assert c.send(ASK + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").answer().status == 200
        assert c.answer().status == 200


def test_the_accept_field_is_this_keys() -> None:
    assert ACCEPT in AGREED
    other = AGREED.replace(ACCEPT, b"AAAAAAAAAAAAAAAAAAAAAAAAAAA=")

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(other + b"first")
        peer.gone()

    with Origin(script) as origin, Gateway(chat(origin.address)) as gw, Client(gw.address) as c:
        a = c.send(ASK).answer()
        assert (a.status, json.loads(a.body)["reason"]) == (502, "upstream_bad_upgrade")
