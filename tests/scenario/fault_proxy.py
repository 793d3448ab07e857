"""A TCP proxy that breaks connections at an exact byte, between any two parties of a scenario."""

from __future__ import annotations

import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

DEADLINE_S = 10.0
Address = tuple[str, int]


class Kind(enum.Enum):
    """What happens once the byte is reached."""

    CUT = "both sides are closed in order"
    RESET = "both sides are reset"
    STALL = "nothing more passes, nothing is closed"
    SPLIT = "the rest comes as a segment of its own, a little later"
    DRIBBLE = "everything after it comes one byte at a time"


@dataclass(frozen=True)
class Fault:
    """After `at` bytes of a direction: answers unless `of_requests`."""

    kind: Kind
    at: int = 0
    of_requests: bool = False


#: What is wrong with a connection, by its number; None: nothing.
Plan = Callable[[int], Fault | None]


class FaultProxy:
    """Passes bytes to `target`; `plan`, which may be exchanged at any time, says what breaks."""

    def __init__(self, target: Address, plan: Plan = lambda number: None) -> None:
        self.target, self.plan = target, plan
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address: Address = self._listener.getsockname()
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._accepting = self._start(self._accept)

    def _start(self, what: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(target=what, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                fault = self.plan(self.connections)
                self.connections += 1
                self._serve(near, fault)

    def _serve(self, near: socket.socket, fault: Fault | None) -> None:
        far = socket.create_connection(self.target, timeout=DEADLINE_S)
        for s in (near, far):
            s.settimeout(DEADLINE_S)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(s)
        pair = Pair(near, far, self._ended, self._open)
        for source, sink, requests in ((near, far, True), (far, near, False)):
            mine = fault if fault and fault.of_requests is requests else None
            self._start(pair.pump, source, sink, mine)

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for s in list(self._open):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


class Pair:
    """Two sockets that belong together."""

    def __init__(
        self,
        near: socket.socket,
        far: socket.socket,
        ended: threading.Event,
        still_open: set[socket.socket],
    ) -> None:
        self.sockets, self.ended, self.still_open = (near, far), ended, still_open
        self.halves = 2
        self.broken = False
        self.lock = threading.Lock()

    def pump(self, source: socket.socket, sink: socket.socket, fault: Fault | None) -> None:
        """Pass one direction on until it ends, or breaks."""
        passed = 0
        with contextlib.suppress(OSError):
            if fault and fault.at == 0 and self.breaks(fault):
                return self.half_over()
            while data := source.recv(65536):
                if self.broken:
                    break
                if fault and passed + len(data) >= fault.at:
                    n = fault.at - passed
                    sink.sendall(data[:n])
                    if self.breaks(fault):
                        return self.half_over()
                    self.rest(fault, sink, data[n:])
                    fault = Fault(fault.kind) if fault.kind is Kind.DRIBBLE else None
                    passed = 0
                    continue
                sink.sendall(data)
                passed += len(data)
            if not self.broken:
                sink.shutdown(socket.SHUT_WR)
        self.half_over()

    def breaks(self, fault: Fault) -> bool:
        """Do what a fault says; whether nothing more passes."""
        if fault.kind is Kind.STALL:
            self.ended.wait(DEADLINE_S)
        elif fault.kind is Kind.RESET:
            self.broken = True
            for s in self.sockets:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.shutdown(socket.SHUT_RD)  # wakes the other direction
        elif fault.kind is Kind.CUT:
            for s in self.sockets:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_WR)
        else:
            return False
        return True

    def rest(self, fault: Fault, sink: socket.socket, data: bytes) -> None:
        """Send what follows: a little later, or byte by byte."""
        self.ended.wait(0.002)
        if fault.kind is Kind.SPLIT:
            sink.sendall(data)
            return
        for i in range(len(data)):
            sink.sendall(data[i : i + 1])

    def half_over(self) -> None:
        """One direction has ended; the last one closes both sockets, for a descriptor that is
        closed under a thread that waits for it may be another connection's when it wakes."""
        with self.lock:
            self.halves -= 1
            if self.halves:
                return
        for s in self.sockets:
            s.close()
            self.still_open.discard(s)
