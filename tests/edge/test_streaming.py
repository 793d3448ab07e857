"""Server-sent events and long polling: nothing is buffered, and only silence ends them."""

from __future__ import annotations

import threading
import time

import httpx
import pytest

from tests.edge.kit import GET
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Timeouts, route_to, upstream
from tests.scenario.origin import Origin, Peer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
#: What docs/websocket.md says for such a route, with shorter times.
STREAMING = Timeouts(request=0, response_head=0, idle=400)


def event(n: int, chunked: bool) -> bytes:
    """One event."""
    data = f"id: {n}\ndata: hello\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(data), data) if chunked else data


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "until-close"])
def test_each_event_arrives_at_once(chunked: bool) -> None:
    """The next one is written only once the one before was seen; longer than `request`."""
    seen = threading.Semaphore(0)
    framing = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n"

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + framing)
        for n in range(8):
            assert seen.acquire(timeout=10)
            time.sleep(0.05)
            peer.send(event(n, chunked))
        assert seen.acquire(timeout=10)
        if chunked:
            peer.send(b"0\r\n\r\n")

    with Origin(script) as origin:
        route = route_to(upstream(origin.address), Timeouts(request=200, idle=400))
        with Gateway(route) as gw:
            url = f"http://{gw.address[0]}:{gw.address[1]}/events"
            with httpx.stream("GET", url, timeout=10, trust_env=False) as r:
                seen.release()
                got = 0
                for line in r.iter_lines():
                    if line.startswith("id:"):
                        assert line == f"id: {got}"
                        got += 1
                        seen.release()
            assert got == 8
            assert gw.record()["reason"] == ""


def test_silence_has_a_limit_of_its_own() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"\r\n" + event(0, False))
        peer.gone()

    with Origin(script) as origin:
        with Gateway(route_to(upstream(origin.address), STREAMING)) as gw:
            with Client(gw.address) as c:
                c.send(GET)
                c.until(b"hello\n\n")
                began = time.monotonic()
                try:
                    c.to_end()
                except ConnectionResetError:
                    pass
                assert 0.3 < time.monotonic() - began < 2
            assert gw.record()["reason"] == "upstream_stalled"


def test_a_long_poll_waits_longer_than_other_requests_may() -> None:
    go = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        assert go.wait(10)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnews")

    with Origin(script) as origin:
        with Gateway(route_to(upstream(origin.address), STREAMING)) as gw:
            with Client(gw.address) as c:
                c.send(GET)
                time.sleep(0.6)
                go.set()
                assert c.answer().body == b"news"


def test_a_client_that_leaves_ends_it() -> None:
    left = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(HEAD + b"\r\n" + event(0, False))
        peer.gone()
        left.set()

    with Origin(script) as origin:
        with Gateway(route_to(upstream(origin.address), STREAMING)) as gw:
            with Client(gw.address) as c:
                c.send(GET)
                c.until(b"hello\n\n")
            assert left.wait(2)
            gw.until(lambda now: now["exchanges_live"] == 0, "over")
