"""`--health-listen`: /healthz and /readyz, answered by the workers themselves.

So they are true also while master or control process are dead. It serves GET of these two
and nothing else, needs no token, and is no part of the data plane: an asyncio protocol on
the worker's loop, since a probe comes once in a while.

/healthz    200: this process makes turns
/readyz     200; 503 from the moment that the gateway is told to end
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

#: Bytes of a request's head; a probe is short.
HEAD_MOST = 4096
#: A probe that takes longer is cut off.
PROBE_S = 5.0


class Probe(asyncio.Protocol):
    """One connection: one request, one answer."""

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        self.is_ready = is_ready
        self.head = b""
        self.transport: asyncio.Transport | None = None
        self.limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        # The loop's own class, which need not be one of asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self.limit = asyncio.get_running_loop().call_later(PROBE_S, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """A part of the head came."""
        self.head += data
        if b"\r\n\r\n" in self.head or len(self.head) > HEAD_MOST:
            self.reply(*self.answer())

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self.limit is not None:
            self.limit.cancel()

    def answer(self) -> tuple[str, str]:
        """Status line and body of what was asked for."""
        method, _, rest = self.head.partition(b"\r\n")[0].partition(b" ")
        target = rest.partition(b" ")[0].partition(b"?")[0]
        if len(self.head) > HEAD_MOST:
            return "431 Request Header Fields Too Large", "too long"
        if target not in (b"/healthz", b"/readyz"):
            return "404 Not Found", "only /healthz and /readyz are here"
        if method not in (b"GET", b"HEAD"):
            return "405 Method Not Allowed", "only GET"
        if target == b"/readyz" and not self.is_ready():
            return "503 Service Unavailable", "draining"
        return "200 OK", "ready" if target == b"/readyz" else "alive"

    def reply(self, status: str, body: str) -> None:
        """Answer and close."""
        assert self.transport is not None
        text = "" if self.head.startswith(b"HEAD ") else body + "\n"
        self.transport.write(
            f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
            f"Content-Length: {len(body) + 1}\r\nConnection: close\r\n\r\n{text}".encode()
        )
        self.transport.close()


async def serve(listener: socket.socket, is_ready: Callable[[], bool]) -> asyncio.AbstractServer:
    """Answer probes on a listening socket that all workers share, until it is closed."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Probe(is_ready), sock=listener, backlog=128)
