"""A raw client: bytes out, bytes in, nothing helpful in between."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import dataclass
from types import TracebackType

DEADLINE_S = 10.0


@dataclass
class Answer:
    """A response as it came."""

    status: int
    head: bytes
    body: bytes
    trailers: bytes = b""

    def values(self, name: str) -> list[bytes]:
        """Every value of a field, in order."""
        lower = name.lower().encode() + b":"
        return [
            line.split(b":", 1)[1].strip()
            for line in self.head.split(b"\r\n")[1:]
            if line.lower().startswith(lower)
        ]

    def value(self, name: str) -> bytes:
        """The only value of a field."""
        found = self.values(name)
        assert len(found) == 1, (name, found)
        return found[0]


class Client:
    """One connection to the gateway."""

    def __init__(self, address: tuple[str, int], receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(address)
        self.rest = bytearray()

    def send(self, data: bytes) -> Client:
        """Send everything."""
        self.socket.sendall(data)
        return self

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(bytes(self.rest))
        self.rest += data

    def until(self, mark: bytes) -> bytes:
        """Everything up to and including `mark`."""
        seen = 0
        while (at := self.rest.find(mark, seen)) < 0:
            seen = max(0, len(self.rest) - len(mark))
            self._more()
        return self._cut(at + len(mark))

    def exactly(self, n: int) -> bytes:
        """The next `n` bytes."""
        while len(self.rest) < n:
            self._more()
        return self._cut(n)

    def _cut(self, n: int) -> bytes:
        found = bytes(self.rest[:n])
        del self.rest[:n]
        return found

    def head(self) -> Answer:
        """The next response's head, 1xx included."""
        head = self.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), head
        return Answer(int(head[9:12]), head, b"")

    def answer(self, method: str = "GET") -> Answer:
        """The next whole response."""
        a = self.head()
        if method == "HEAD" or a.status in (204, 304) or a.status < 200:
            return a
        if a.values("Transfer-Encoding") == [b"chunked"]:
            body = bytearray()
            while size := int(self.until(b"\r\n"), 16):
                body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            a.body = bytes(body)
            while (line := self.until(b"\r\n")) != b"\r\n":
                a.trailers += line
        elif length := a.values("Content-Length"):
            a.body = self.exactly(int(length[0]))
        else:
            a.body = self.to_end()
        return a

    def to_end(self) -> bytes:
        """Everything until the connection ends in order."""
        with contextlib.suppress(EOFError):
            while True:
                self._more()
        return self._cut(len(self.rest))

    def at_end(self) -> bool:
        """Whether the connection ends without another byte, in order or by a reset."""
        try:
            return not self.rest and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def get(self, target: str = "/", *fields: str, host: str = "gw.test") -> Answer:
        """Send a GET and read its answer."""
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", *fields, "", ""]
        return self.send("\r\n".join(lines).encode("latin-1")).answer()

    def half_close(self) -> Client:
        """Send a FIN."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """End with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """End."""
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()
