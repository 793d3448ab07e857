"""New connections at a fixed rate, whatever becomes of those before: who waits, and how long."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType

#: How long those who are there are waited for in the end.
PATIENCE_S = 15.0
#: So often a connection goes to the gateway beside, too.
BESIDE_EVERY = 5
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass
class Visit:
    """One connection; times on the monotonic clock, 0 = not yet."""

    begun_s: float
    sent: bool = False
    got: bytes = b""
    ended_s: float = 0.0
    failure: str = ""

    @property
    def took_s(self) -> float:
        """From its first packet to the end of its answer."""
        return self.ended_s - self.begun_s


class Arrivals:
    """A thread that opens so many connections a second, each for one request.

    `beside`: another gateway, to which nothing happens. Connections to it are in `control`: what
    makes them wait is the client or the machine."""

    def __init__(
        self, address: tuple[str, int], rate: int, beside: tuple[str, int] | None = None
    ) -> None:
        self.address, self.rate, self.beside = address, rate, beside
        self.visits: list[Visit] = []
        self.control: list[Visit] = []
        self._selector = selectors.DefaultSelector()
        self._stop = False
        self._open = 0
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        due_s = time.monotonic()
        end_s = 0.0
        while True:
            now_s = time.monotonic()
            if self._stop:
                end_s = end_s or now_s + PATIENCE_S
                if not self._open or now_s > end_s:
                    return
            while not self._stop and due_s <= now_s:
                # From when it was due: a late client has waited, too.
                self.visits.append(self._begin(self.address, due_s))
                if self.beside is not None and len(self.visits) % BESIDE_EVERY == 0:
                    self.control.append(self._begin(self.beside, due_s))
                due_s += 1 / self.rate
            for key, _ in self._selector.select(max(0.0, min(due_s - now_s, 0.01))):
                self._go_on(key)

    def _begin(self, address: tuple[str, int], due_s: float) -> Visit:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(address)
        visit = Visit(due_s)
        self._selector.register(client, selectors.EVENT_WRITE, visit)
        self._open += 1
        return visit

    def _go_on(self, key: selectors.SelectorKey) -> None:
        client, visit = key.fileobj, key.data
        assert isinstance(client, socket.socket)
        try:
            if not visit.sent:
                client.sendall(GET)
                visit.sent = True
                self._selector.modify(client, selectors.EVENT_READ, visit)
                return
            data = client.recv(65536)
            visit.got += data
            if data:
                return
            if not visit.got.startswith(b"HTTP/1.1 200"):
                visit.failure = f"closed after {visit.got!r}"
        except BlockingIOError:
            return
        except OSError as e:
            visit.failure = f"{type(e).__name__}: {e}"
        visit.ended_s = time.monotonic()
        self._selector.unregister(client)
        client.close()
        self._open -= 1

    def __enter__(self) -> Arrivals:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stop = True
        self._thread.join(30)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
