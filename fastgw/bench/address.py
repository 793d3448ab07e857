"""URLs that a load can be put on."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

#: Scheme -> (port, TLS, WebSocket).
SCHEMES = {
    "http": (80, False, False),
    "https": (443, True, False),
    "ws": (80, False, True),
    "wss": (443, True, True),
}


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, taken apart and looked up."""

    ip: str
    port: int
    host: str
    authority: str
    target: str
    tls: bool
    websocket: bool


def look_up(host: str, port: int) -> str:
    """The first address of a host. ValueError when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as e:
        raise ValueError(f"host {host!r} can't be resolved: {e.strerror}") from None
    return str(found[0][4][0])


def address(url: str) -> Address:
    """http, https, ws and wss. ValueError says what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ValueError(f"{url!r} is no URL that begins with {'://, '.join(SCHEMES)}://")
    port, tls, websocket = SCHEMES[parts.scheme]
    port = parts.port or port
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authority = parts.netloc.rpartition("@")[2]
    return Address(
        look_up(parts.hostname, port), port, parts.hostname, authority, target, tls, websocket
    )
