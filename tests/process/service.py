"""What real gateways of these tests stand between: an origin, and clients that count failures."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from tests.process.echo import EchoOrigin
from tests.process.gateway import Gateway
from tests.process.sizes import size
from tests.scenario.origin import Origin, Peer
from tests.scenario.test_client_tunnel import AGREED, UPGRADE

DEADLINE_S = 15.0
#: Reloads on a busy machine take their time, and tunnels wait meanwhile.
IDLE_S = size(60, 7200)
GET = b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n"


def serve(peer: Peer) -> None:
    """Answer requests with `ok`, and upgrades with an echo, for as long as the peer stays."""
    peer.socket.settimeout(IDLE_S)
    while True:
        head = peer.head()
        if head.values("Upgrade"):
            peer.send(AGREED)
            while data := peer.rest or peer.socket.recv(65536):
                peer.send(bytes(data))
                peer.rest.clear()
            return
        peer.body_of(head)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def upstream_origin() -> Origin:
    """An origin that answers everything."""
    return Origin(serve)


def configuration(
    origin: Origin | EchoOrigin, routes: Iterable[str] = (), listen: str = "127.0.0.1:0"
) -> str:
    """A gateway that forwards everything; `routes` are more lines of its routes."""
    host, port = origin.address
    return (
        f"version: 1\nlisten: {{main: '{listen}'}}\n"
        f"upstreams: {{app: {{servers: ['http://{host}:{port}']}}}}\n"
        "routes:\n  all: {match: '/*', upstream: app, websocket: true}\n"
        + "".join(f"  {r}\n" for r in routes)
    )


def run(run_dir: Path, *words: str) -> Gateway:
    """`fastgw run`."""
    return Gateway([sys.executable, "-m", "fastgw", "run", *words, "--run-dir", str(run_dir)])


def connect(address: tuple[str, int]) -> socket.socket:
    """A connection with a deadline."""
    return socket.create_connection(address, DEADLINE_S)


def ask(client: socket.socket, request: bytes = GET) -> bytes:
    """Send a request on a connection; the head and the body of its answer, by Content-Length."""
    client.sendall(request)
    return answer(client)


def answer(client: socket.socket) -> bytes:
    """The next answer on a connection."""
    got = b""
    while b"\r\n\r\n" not in got:
        data = client.recv(65536)
        if not data:
            raise ConnectionError(f"closed after {got!r}")
        got += data
    head, _, body = got.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        data = client.recv(65536)
        if not data:
            raise ConnectionError("closed within a body")
        body += data
    return head + b"\r\n\r\n" + body


class Tunnel:
    """A connection that was upgraded."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.client = connect(address)
        said = ask(self.client, UPGRADE)
        assert said.startswith(b"HTTP/1.1 101"), said

    def echoes(self, data: bytes) -> bool:
        """Whether bytes come back."""
        self.client.sendall(data)
        got = b""
        while len(got) < len(data):
            more = self.client.recv(65536)
            if not more:
                return False
            got += more
        return got == data

    def close(self) -> None:
        """The end."""
        self.client.close()


class Load:
    """Clients that ask all the time; what failed, and the slowest answer.

    `fresh`: a connection for each request; else one kept by each client, taken anew when the
    gateway ended it after an answer."""

    def __init__(self, address: tuple[str, int], clients: int = 2, fresh: bool = False) -> None:
        self.address, self.fresh = address, fresh
        self.done = 0
        self.failures: list[str] = []
        self.slowest_s = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(clients)]

    def _work(self) -> None:
        kept: socket.socket | None = None
        while not self._stop.is_set():
            begin = time.monotonic()
            client = kept
            try:
                client = client or connect(self.address)
                said = ask(client)
            except OSError as e:
                self.failures.append(f"{type(e).__name__}: {e}")
                kept = None
                if client is not None:
                    client.close()
                continue
            if not said.startswith(b"HTTP/1.1 200"):
                self.failures.append(repr(said[:100]))
            self.slowest_s = max(self.slowest_s, time.monotonic() - begin)
            self.done += 1
            kept = None if self.fresh or b"connection: close" in said.lower() else client
            if kept is None:
                client.close()
            time.sleep(0.001)
        if kept is not None:
            kept.close()

    def more(self, n: int = 20) -> None:
        """Wait until so many more requests were answered."""
        wanted, end = self.done + n, time.monotonic() + DEADLINE_S
        while self.done < wanted:
            assert time.monotonic() < end, self.failures
            time.sleep(0.001)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(DEADLINE_S)
