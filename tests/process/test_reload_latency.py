"""What clients feel of a reload of 10,000 routes, one of them changed: no request is slower by
5 ms because of it, and all workers have switched 50 ms after the plan is finished.

Two gateways have the same configuration and get the same requests at the same moments; one of
them is reloaded. What makes clients of both wait is the machine; what makes those of one wait
longer than those of the other is the reload. Their workers, the master and the client are given the
processors before everything else: then neither the compiler nor other
load on the machine is felt, and what is left is what a worker does at a time.
"""

from __future__ import annotations

import select
import signal
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

from tests.config.test_size import rows
from tests.process.gateway import Gateway
from tests.process.priority import put_first, root_only
from tests.process.service import connect, run
from tests.process.sizes import size
from tests.process.test_hung import CLOCKS_S, STAMP, clock_s

ROUTES = 10_000
RELOADS = size(3, 15)
#: How much longer a request may take because of a reload.
SLOWER_MS = 5.0
#: How long all workers may take from the finished plan on.
SWITCHED_MS = 50.0
#: Between two requests of a client; a reload's own steps take a millisecond at a time.
EVERY_S = 0.001
#: Requests on a connection.
REQUESTS = 1000
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
        self._addresses = reloaded, other
        self._clients = [connect(address) for address in self._addresses]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        put_first(0)
        while not self._stop.wait(EVERY_S):
            if len(self.pairs) % REQUESTS == REQUESTS - 1:
                self._connect_again()
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

    def _connect_again(self) -> None:
        """Before the gateway says that a connection has had its requests."""
        for client in self._clients:
            client.close()
        self._clients = [connect(address) for address in self._addresses]

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


@dataclass
class Felt:
    """By how much requests were slower in one reload, at most."""

    #: From its signal, with the compiler at work.
    whole_ms: float
    #: From the finished plan.
    switch_ms: float
    #: By how much those of the other gateway were, meanwhile.
    other_ms: float
    #: From the finished plan until all workers had switched.
    switching_ms: float


def reload(gateway: Gateway, file: Path, text: str, client: Pairs) -> Felt:
    """Reload another configuration."""
    file.write_text(text)
    gateway.signal(signal.SIGHUP)
    begun = gateway.wait_for(rf"{STAMP}.* compiling generation")
    served = gateway.wait_for(
        rf"{STAMP}.* generation \d+ serves .* switching took ([\d.]+) ms", 120
    )
    time.sleep(AFTER_S)
    begun_s, served_s = clock_s(begun[1]), clock_s(served[1])
    whole = client.between(begun_s, served_s + AFTER_S)
    switching_ms = float(served[2])
    plan_s = served_s - switching_ms / 1000 - CLOCKS_S
    switch = [p for p in whole if p.begun_s >= plan_s]
    assert len(switch) > 50, "too few requests to tell"
    return Felt(
        max(p.slower_ms for p in whole),
        max(p.slower_ms for p in switch),
        max(-p.slower_ms for p in whole),
        switching_ms,
    )


@root_only
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_request_is_slower_because_of_a_reload(tmp_path: Path) -> None:
    text = "".join(rows(ROUTES)).replace("{http: ':18080'}", "{http: '127.0.0.1:0'}")
    text += "  quick: {match: /quick, respond: {body: ok}}\n"
    file, same = tmp_path / "gateway.yaml", tmp_path / "same.yaml"
    file.write_text(text)
    same.write_text(text)
    felt: list[Felt] = []
    with (
        run(tmp_path / "a", str(file), "--workers", "2") as gateway,
        run(tmp_path / "b", str(same), "--workers", "1") as other,
    ):
        addresses = gateway.address(), other.address()
        gateway.ready()
        other.ready()
        for pid in (gateway.process.pid, *gateway.workers(), *other.workers()):
            put_first(pid)
        with Pairs(*addresses) as client:
            for n in range(RELOADS):
                changed = text.replace("/thing-77/", f"/changed-{n}/")
                felt.append(reload(gateway, file, changed, client))
    every = sorted(p.slower_ms for p in client.pairs)
    print(
        f"{len(every)} pairs of requests, {len(felt)} reloads; the gateway that was reloaded was "
        f"slower by {every[len(every) // 2]:.3f} ms (median), at most, in each reload, by "
        f"{[round(f.whole_ms, 1) for f in felt]} ms, from the plan on by "
        f"{[round(f.switch_ms, 1) for f in felt]} ms, and the other one by "
        f"{[round(f.other_ms, 1) for f in felt]} ms; all workers had switched after "
        f"{[f.switching_ms for f in felt]} ms"
    )
    assert max(f.whole_ms for f in felt) < SLOWER_MS
    assert max(f.switching_ms for f in felt) < SWITCHED_MS
