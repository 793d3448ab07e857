"""An upstream that does exactly what a test says, on a real socket in a thread of its own."""

from __future__ import annotations

import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

DEADLINE_S = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Request:
    """What the origin received: the head's bytes, and the body as far as it was read."""

    head: bytes
    body: bytes = b""
    trailers: bytes = b""

    @property
    def line(self) -> bytes:
        """The request line."""
        return self.head.split(b"\r\n", 1)[0]

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


@dataclass
class Peer:
    """One connection from the gateway."""

    socket: socket.socket
    number: int
    rest: bytearray = field(default_factory=bytearray)
    closed: threading.Event = field(default_factory=threading.Event)
    #: Where a script puts requests that the test is to see.
    log: Callable[[Request], None] = field(default=lambda request: None)
    #: Set when the origin ends.
    ended: threading.Event = field(default_factory=threading.Event)

    def more(self) -> bytes:
        """More bytes; EOFError at the end."""
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        return data

    def until(self, mark: bytes) -> bytes:
        """Everything up to and including `mark`."""
        seen = 0
        while (at := self.rest.find(mark, seen)) < 0:
            seen = max(0, len(self.rest) - len(mark))
            self.rest += self.more()
        return self.cut(at + len(mark))

    def exactly(self, n: int) -> bytes:
        """The next `n` bytes."""
        while len(self.rest) < n:
            self.rest += self.more()
        return self.cut(n)

    def cut(self, n: int) -> bytes:
        """The first `n` bytes of what was received."""
        found = bytes(self.rest[:n])
        del self.rest[:n]
        return found

    def head(self) -> Request:
        """The next request's head."""
        return Request(self.until(b"\r\n\r\n"))

    def body_of(self, request: Request) -> Request:
        """Read the body that a head announces."""
        if request.values("Transfer-Encoding"):
            body = bytearray()
            try:
                while size := int(self.until(b"\r\n").split(b";")[0], 16):
                    body += self.exactly(size)
                    assert self.exactly(2) == b"\r\n"
            finally:
                request.body = bytes(body)
            while (line := self.until(b"\r\n")) != b"\r\n":
                request.trailers += line
        elif length := request.values("Content-Length"):
            request.body = self.exactly(int(length[0]))
        return request

    def request(self) -> Request:
        """The next whole request."""
        return self.body_of(self.head())

    def send(self, data: bytes) -> None:
        """Send everything."""
        self.socket.sendall(data)

    def reset(self) -> None:
        """End with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def stay(self) -> None:
        """Do nothing, and read nothing, until the test ends."""
        self.ended.wait(DEADLINE_S)

    def gone(self) -> bool:
        """Wait for the gateway to close or reset this connection."""
        with contextlib.suppress(OSError):
            while self.socket.recv(65536):
                pass
        return True


Script = Callable[[Peer], None]


def answering(data: bytes = OK) -> Script:
    """Answer every request on a connection with the same bytes."""

    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            peer.log(request)
            peer.send(data)

    return script


def listening(at: tuple[str, int] | str, receive_buffer: int) -> socket.socket:
    """A socket that listens at an address, or at the path of a unix socket."""
    family = (
        socket.AF_UNIX
        if isinstance(at, str)
        else (socket.AF_INET6 if ":" in at[0] else socket.AF_INET)
    )
    s = socket.socket(family)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.bind(at)
    s.listen(256)
    return s


class Origin:
    """Listens on a free port, or where it is told, and runs a script on each connection: the
    first script on the first connection and so on, the last one on all that follow."""

    def __init__(
        self,
        *scripts: Script,
        receive_buffer: int = 0,
        at: tuple[str, int] | str | None = None,
    ) -> None:
        self.scripts = scripts or (answering(),)
        self.listener = listening(at or ("127.0.0.1", 0), receive_buffer)
        self.address = self.listener.getsockname()
        if isinstance(self.address, tuple):
            self.address = self.address[:2]
        self.requests: queue.Queue[Request] = queue.Queue()
        self.failures: list[BaseException] = []
        self.peers: list[Peer] = []
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.settimeout(DEADLINE_S)
                peer = Peer(connection, len(self.peers), log=self.requests.put, ended=self._ended)
                self.peers.append(peer)
                thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, peer: Peer) -> None:
        script = self.scripts[min(peer.number, len(self.scripts) - 1)]
        try:
            script(peer)
        except (EOFError, ConnectionError, BrokenPipeError):
            pass
        except BaseException as e:
            self.failures.append(e)
        finally:
            peer.socket.close()
            peer.closed.set()

    def request(self) -> Request:
        """The next request that a script logged (`answering` does)."""
        try:
            return self.requests.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise AssertionError("the origin got no request") from None

    def __enter__(self) -> Origin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        for thread in [self._accepting, *self._threads]:
            thread.join(DEADLINE_S)
        if e is None and self.failures:
            raise self.failures[0]
