"""What is counted of listeners."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

import pytest

from tests.edge.kit import GET, listening, v1
from tests.record.test_metrics import Counted
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Listener, route_to, upstream
from tests.scenario.origin import Origin


def test_connections_and_their_bytes() -> None:
    """Also while a connection is open; what it moved is counted once."""
    with Origin() as origin, listening(origin) as gw, Client(gw.address) as c:
        counted = Counted(gw)
        request = b"GET /?%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 1000)
        answer = c.send(request).answer()
        assert counted.get("listener_open_connections", "main") == 1
        received = counted.get("listener_received_bytes_total", "main")
        sent = counted.get("listener_sent_bytes_total", "main")
        assert received == len(request)
        assert sent == len(answer.head) + len(answer.body)
        assert counted.get("listener_received_bytes_total", "main") == received
        c.send(request).answer()
        c.close()
        gw.until(lambda now: now["connections"] == 0, "closed")
        assert counted.get("listener_received_bytes_total", "main") == 2 * received
        assert counted.get("listener_sent_bytes_total", "main") == 2 * sent
        assert counted.get("listener_open_connections", "main") == 0
        assert counted.get("listener_connections_total", "main") == 1


ASKING: dict[str, Any] = {"proxy_protocol": {}}


def ended(gw: Gateway, data: bytes = b"") -> None:
    """A connection that is closed by the gateway."""
    with contextlib.suppress(OSError), Client(gw.address) as c:
        c.send(data).at_end()


@pytest.mark.parametrize(
    ("metric", "options", "trusted", "data"),
    [
        ("proxy_untrusted_total", ASKING, "192.0.2.0/24", b""),
        ("proxy_malformed_total", ASKING, "127.0.0.1/32", GET),
        (
            "arrivals_timed_out_total",
            {**ASKING, "arrival_ms": 100},
            "127.0.0.1/32",
            b"",
        ),
    ],
)
def test_those_who_are_turned_away(
    metric: str, options: dict[str, Any], trusted: str, data: bytes
) -> None:
    with Origin() as origin, listening(origin, trusted=(trusted,), **options) as gw:
        counted = Counted(gw)
        ended(gw, data)
        assert counted.get(metric, "main") == 1
        assert counted.get("listener_open_connections", "main") == 0


def test_one_that_leaves_before_it_says_anything() -> None:
    with Origin() as origin, listening(origin, proxy_protocol={}) as gw:
        counted = Counted(gw)
        Client(gw.address).close()
        gw.until(lambda now: now.get("arrivals_left") == 1, "left")
        assert counted.get("arrivals_left_total", "main") == 1


@pytest.mark.parametrize(
    ("metric", "limits"),
    [
        ("address_too_many_total", {"connections": 1, "per_second": 0}),
        ("address_too_fast_total", {"connections": 0, "per_second": 1}),
    ],
)
def test_limits_by_address(metric: str, limits: dict[str, int]) -> None:
    limits = {**limits, "ipv6_prefix": 64, "rows": 16}
    with Origin() as origin:
        with listening(origin, trusted=("192.0.2.0/24",), per_address=limits) as gw:
            counted = Counted(gw)
            with Client(gw.address) as c:
                assert c.send(GET).answer().status == 200
                ended(gw, GET)
                assert counted.get(metric, "main") == 1
                assert counted.get("listener_connections_total", "main") == 1


def test_a_header_that_is_right_is_no_refusal() -> None:
    with Origin() as origin, listening(origin, proxy_protocol={}) as gw, Client(gw.address) as c:
        assert c.send(v1("203.0.113.9") + GET).answer().status == 200
        counted = Counted(gw)
        assert counted.get("proxy_malformed_total", "main") == 0
        assert counted.get("listener_connections_total", "main") == 1


def hello(name: str) -> bytes:
    """A ClientHello."""
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


def test_connections_that_are_carried() -> None:
    """Begun, failed, open now; names that nobody takes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        servers = {
            "good.test": [{"host": host, "port": port, "addresses": [[2, host, port]]}],
            "dead.test": [{"host": host, "port": 1, "addresses": [[2, host, 1]]}],
        }
        passes = {name: {"servers": rows} for name, rows in servers.items()}
        with Gateway(
            route_to(upstream()),
            listeners=(Listener("main", "127.0.0.1:0", {"passthrough": passes}),),
        ) as gw:
            counted = Counted(gw)
            with Client(gw.address) as c:
                c.send(sent := hello("good.test"))
                peer, _ = server.accept()
                with peer:
                    assert peer.recv(65536) == sent
                    assert counted.get("passthrough_open_connections", "main") == 1
                    assert counted.get("listener_received_bytes_total", "main") == len(sent)
            ended(gw, hello("dead.test"))
            ended(gw, hello("other.test"))
            gw.until(lambda now: now["connections"] == 0, "closed")
            assert counted.get("passthrough_connections_total", "main") == 2
            assert counted.get("passthrough_failures_total", "main") == 1
            assert counted.get("passthrough_open_connections", "main") == 0
            assert counted.get("server_names_unknown_total", "main") == 1
            assert counted.get("listener_open_connections", "main") == 0


def test_the_limit_of_connections_stops_a_listener() -> None:
    with Origin() as origin:
        with (
            Gateway(
                upstream(origin.address),
                max_connections=1,
                idle_upstreams=1,
                listeners=(Listener("main", "127.0.0.1:0"),),
            ) as gw,
            Client(gw.address) as c,
        ):
            assert c.send(GET).answer().status == 200
            with Client(gw.address) as waiting:
                waiting.send(GET)
                counted = Counted(gw)
                gw.until(lambda _: counted.get("listener_limit_stops_total", "main") == 1, "full")
                c.close()
                assert waiting.answer().status == 200
