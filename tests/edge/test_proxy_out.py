"""PROXY headers for upstreams that want them: one a connection, and no connection for two."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.edge.kit import GET, SIGNATURE, listening, tlv, v1, v2
from tests.scenario.client import Client
from tests.scenario.gateway import route_to, upstream
from tests.scenario.origin import OK, Origin, Peer


def one_line(peer: Peer) -> None:
    """A server that expects version 1."""
    lines.append(peer.until(b"\r\n"))
    while True:
        peer.log(peer.request())
        peer.send(OK)


lines: list[bytes] = []


def read_v2(peer: Peer) -> tuple[bytes, bytes]:
    """Command and family, and what follows."""
    head = peer.exactly(16)
    assert head[:12] == SIGNATURE
    return head[12:14], peer.exactly(struct.unpack("!H", head[14:16])[0])


def test_version_1() -> None:
    lines.clear()
    with Origin(one_line) as origin:
        route = route_to(upstream(origin.address, send_proxy=1))
        with listening(None, route=route) as gw:
            for _ in range(2):
                with Client(gw.address) as c:
                    port = c.socket.getsockname()[1]
                    for _ in range(2):
                        assert c.send(GET).answer().status == 200
                    here = f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {gw.address[1]}\r\n".encode()
                    assert lines == [here, here]
                    lines.clear()
            assert gw.counters()["upstream_idle"] == 0, "a connection is one client's, once"


@pytest.mark.parametrize("client", ["203.0.113.9", "2001:db8::9"])
def test_version_2_with_what_the_proxy_before_us_said(client: str) -> None:
    got: list[tuple[bytes, bytes]] = []

    def script(peer: Peer) -> None:
        got.append(read_v2(peer))
        peer.request()
        peer.send(OK)

    tlvs = tlv(2, b"db.example") + tlv(4, b"\0\0") + tlv(0x20, b"\1\0\0\0\0")
    with Origin(script) as origin:
        route = route_to(upstream(origin.address, send_proxy=2))
        with listening(None, route=route, proxy_protocol={}) as gw, Client(gw.address) as c:
            assert c.send(v2(client, tlvs=tlvs) + GET).answer().status == 200
    ((kind, body),) = got
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    n = 16 if ":" in client else 4
    assert kind == (b"\x21\x21" if ":" in client else b"\x21\x11")
    assert body[:n] == socket.inet_pton(family, client)
    assert body[2 * n : 2 * n + 4] == struct.pack("!HH", 4711, 443)
    assert body[2 * n + 4 :] == tlv(2, b"db.example") + tlv(0x20, b"\1\0\0\0\0")


def test_the_header_names_the_client_behind_trusted_proxies() -> None:
    lines.clear()
    with Origin(one_line) as origin:
        route = route_to(upstream(origin.address, send_proxy=1))
        with listening(None, route=route) as gw, Client(gw.address) as c:
            assert c.get("/", "X-Forwarded-For: 203.0.113.9").status == 200
    assert lines[0].startswith(b"PROXY TCP4 203.0.113.9 127.0.0.1 0 ")


def test_addresses_of_two_families_are_unknown_to_version_1() -> None:
    lines.clear()
    with Origin(one_line) as origin:
        route = route_to(upstream(origin.address, send_proxy=1))
        with listening(None, route=route) as gw, Client(gw.address) as c:
            assert c.get("/", "X-Forwarded-For: 2001:db8::9").status == 200
    assert lines == [b"PROXY UNKNOWN\r\n"]


def test_a_v1_header_in_and_out() -> None:
    lines.clear()
    with Origin(one_line) as origin:
        route = route_to(upstream(origin.address, send_proxy=1))
        with listening(None, route=route, proxy_protocol={}) as gw, Client(gw.address) as c:
            assert c.send(v1("203.0.113.9") + GET).answer().status == 200
    assert lines == [v1("203.0.113.9")]
