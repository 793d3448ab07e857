"""What tests of this folder share: PROXY headers, listeners that ask for them, frames."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from typing import Any

from tests.scenario.gateway import Gateway, Listener, Route, route_to, upstream
from tests.scenario.origin import Origin

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
ASK = (
    b"GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
AGREED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
)
LOOPBACK = ("127.0.0.1/32",)


def listening(
    origin: Origin | None,
    *,
    trusted: Iterable[str] = LOOPBACK,
    route: Route | None = None,
    **o: Any,
) -> Gateway:
    """A gateway whose one listener has these options in the plan."""
    addresses = [] if origin is None else [origin.address]
    return Gateway(
        route or route_to(upstream(*addresses)),
        listeners=(Listener("main", "127.0.0.1:0", o),),
        trusted_proxies=tuple(trusted),
    )


def v1(source: str, dest: str = "192.0.2.1", ports: tuple[int, int] = (4711, 443)) -> bytes:
    """A header of version 1."""
    family = 6 if ":" in source else 4
    return f"PROXY TCP{family} {source} {dest} {ports[0]} {ports[1]}\r\n".encode()


def tlv(kind: int, value: bytes) -> bytes:
    """One TLV."""
    return struct.pack("!BH", kind, len(value)) + value


def v2(
    source: str,
    dest: str = "",
    ports: tuple[int, int] = (4711, 443),
    tlvs: bytes = b"",
    command: int = 1,
) -> bytes:
    """A header of version 2."""
    six = ":" in source
    family = socket.AF_INET6 if six else socket.AF_INET
    body = socket.inet_pton(family, source)
    body += socket.inet_pton(family, dest or ("2001:db8::1" if six else "192.0.2.1"))
    body += struct.pack("!HH", *ports) + tlvs
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, 0x21 if six else 0x11, len(body)) + body


def frame(opcode: int, payload: bytes = b"", *, masked: bool = False, fin: bool = True) -> bytes:
    """A WebSocket frame."""
    head = bytes([(0x80 if fin else 0) | opcode])
    mask = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mask | len(payload)])
    elif len(payload) < 65536:
        head += bytes([mask | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def unmasked(data: bytes) -> bytes:
    """The payload of one short masked frame."""
    key, payload = data[2:6], data[6:]
    return bytes(b ^ key[i % 4] for i, b in enumerate(payload))
