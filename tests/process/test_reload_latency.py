"""What clients feel of a reload of 10,000 routes, one of them changed: no request is slower by
5 ms because of it.

Two gateways have the same configuration and get the same requests at the same moments; one of
them is reloaded. What makes clients of both wait is the machine, with the compiler at work on
it; what makes those of one wait longer than those of the other may be the reload.
"""

from __future__ import annotations

import select
import signal
import socket
import statistics
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

from tests.config.test_size import rows
from tests.process.gateway import Gateway
from tests.process.service import connect, run
from tests.process.sizes import size
from tests.process.test_hung import STAMP, clock_s

ROUTES = 10_000
RELOADS = size(3, 15)
#: How much longer a request may take because of a reload.
SLOWER_MS = 5.0
#: Between two requests of a client; a reload's own steps take a millisecond at a time.
EVERY_S = 0.001
#: From a switch on: the collection of what it left is half a second later.
AFTER_S = 1.0
QUICK = b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Pair:
    """Two requests that were sent at once: when, and how long each took."""

    begun_s: float
    reloaded_ms: float
    other_ms: float

    @property
    def slower_ms(self) -> float:
        """By how much the one of the gateway that is reloaded took longer."""
        return self.reloaded_ms - self.other_ms


class Pairs:
    """A client of both gateways, in a thread, until the context ends."""

    def __init__(self, reloaded: tuple[str, int], other: tuple[str, int]) -> None:
        self.pairs: list[Pair] = []
        self._clients = [connect(reloaded), connect(other)]
        for client in self._clients:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._stop.wait(EVERY_S):
            # Each of them is first every other time.
            order = self._clients[:: 1 if len(self.pairs) % 2 else -1]
            took_ms = self._ask(order)
            reloaded, other = self._clients
            self.pairs.append(Pair(time.monotonic(), took_ms[reloaded], took_ms[other]))

    def _ask(self, order: list[socket.socket]) -> dict[socket.socket, float]:
        """Ask both, and wait for both."""
        begun_s: dict[socket.socket, float] = {}
        took_ms: dict[socket.socket, float] = {}
        for client in order:
            begun_s[client] = time.monotonic()
            client.sendall(QUICK)
        while len(took_ms) < len(order):
            for client in select.select([c for c in order if c not in took_ms], [], [], 15)[0]:
                assert client.recv(65536).endswith(b"ok")
                took_ms[client] = (time.monotonic() - begun_s[client]) * 1000
        return took_ms

    def between(self, begin_s: float, end_s: float) -> list[Pair]:
        """Pairs that were answered then."""
        return [p for p in self.pairs if begin_s <= p.begun_s <= end_s]

    def __enter__(self) -> Pairs:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(20)
        for client in self._clients:
            client.close()


def reloaded(gateway: Gateway, file: Path, text: str) -> tuple[float, float]:
    """Reload another configuration; from when to when clients might feel it."""
    file.write_text(text)
    gateway.signal(signal.SIGHUP)
    begun = gateway.wait_for(rf"{STAMP}.* compiling generation")
    served = gateway.wait_for(rf"{STAMP}.* generation \d+ serves", 120)
    time.sleep(AFTER_S)
    return clock_s(begun[1]), clock_s(served[1]) + AFTER_S


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_request_is_slower_because_of_a_reload(tmp_path: Path) -> None:
    text = "".join(rows(ROUTES)).replace("{http: ':18080'}", "{http: '127.0.0.1:0'}")
    text += "  quick: {match: /quick, respond: {body: ok}}\n"
    file, same = tmp_path / "gateway.yaml", tmp_path / "same.yaml"
    file.write_text(text)
    same.write_text(text)
    windows = []
    with (
        run(tmp_path / "a", str(file), "--workers", "1") as gateway,
        run(tmp_path / "b", str(same), "--workers", "1") as other,
    ):
        addresses = gateway.address(), other.address()
        gateway.ready()
        other.ready()
        with Pairs(*addresses) as client:
            for n in range(RELOADS):
                changed = text.replace("/thing-77/", f"/changed-{n}/")
                windows.append(reloaded(gateway, file, changed))
    felt = [client.between(*window) for window in windows]
    assert all(len(pairs) > 100 for pairs in felt), [len(pairs) for pairs in felt]
    slower_ms = [max(p.slower_ms for p in pairs) for pairs in felt]
    faster_ms = [max(-p.slower_ms for p in pairs) for pairs in felt]
    every = sorted(p.slower_ms for pairs in felt for p in pairs)
    print(
        f"{len(every)} pairs of requests in {RELOADS} reloads; the gateway that was reloaded was "
        f"slower by {every[len(every) // 2]:.3f} ms (median), "
        f"{every[int(0.999 * len(every))]:.2f} ms (99.9 %); at most, in each reload, by "
        f"{[round(ms, 1) for ms in slower_ms]} ms, and the other one by "
        f"{[round(ms, 1) for ms in faster_ms]} ms"
    )
    # What the machine does to one of two at random it does to the other as often.
    assert statistics.median(slower_ms) < SLOWER_MS + statistics.median(faster_ms)
