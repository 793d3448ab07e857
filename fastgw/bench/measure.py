"""One load on one contender: what was answered, and what it cost the contender."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from fastgw.bench import process
from fastgw.bench.contender import Contender
from fastgw.bench.drive import put_load
from fastgw.bench.scenario import Scenario
from fastgw.bench.slow import SlowReaders

PSS_EVERY_S = 0.5
RELOAD_EVERY_S = 0.5


class Repeated(threading.Thread):
    """Calls something again and again while it is a context."""

    def __init__(self, what: Callable[[], None], every_s: float) -> None:
        super().__init__(daemon=True)
        self.what, self.every_s = what, every_s
        self.over = threading.Event()

    def run(self) -> None:
        """Until the context ends."""
        while not self.over.wait(self.every_s):
            try:
                self.what()
            except (OSError, RuntimeError):
                return  # it has ended; whoever measures it finds out

    def __enter__(self) -> Repeated:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.join()


class Cost:
    """CPU time and memory of a contender, between `begin` and `end`."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.pids: list[int] = []
        self.before = 0
        self.cpu_ns = 0
        self.pss_peak = 0

    def begin(self) -> None:
        """Read the clocks while nothing is in flight."""
        self.look()
        self.pids = self.contender.pids()
        self.before = process.cpu_ns(self.pids)

    def end(self) -> None:
        """Read them again. RuntimeError when processes came or went: their time is lost."""
        self.cpu_ns = process.cpu_ns(self.pids) - self.before
        if self.contender.pids() != self.pids:
            raise RuntimeError(f"processes of {self.contender.label} died or were replaced")
        self.look()

    def look(self) -> None:
        """Note how much memory it has now."""
        self.pss_peak = max(self.pss_peak, process.memory(self.contender.pids())["pss"])


def measure(
    contender: Contender,
    scenario: Scenario,
    *,
    seconds: float,
    warmup_s: float,
    cpu: set[int] | int | None = None,
    rate: float | None = None,
    connections: int | None = None,
) -> dict[str, Any]:
    """Put a scenario's load on a contender.

    What `fastgw.bench.result.summary` tells, and `cpu_ns`, `cpu_us` (microseconds a request;
    None where processes are replaced by the scenario itself), `pss_peak` (bytes)."""
    gateway = contender.label.partition(":")[2]
    spec = scenario.load(contender.port, rate, connections, gateway)
    cost = Cost(contender)
    reloads = scenario.during == "reload"
    with ExitStack() as stack:
        stack.enter_context(Repeated(cost.look, PSS_EVERY_S))
        if scenario.beside == "slow-readers":
            stack.enter_context(SlowReaders(contender.port))
        if reloads:
            stack.enter_context(Repeated(lambda: contender.signal(signal.SIGHUP), RELOAD_EVERY_S))
        result = put_load(
            spec,
            seconds=seconds,
            warmup_s=warmup_s,
            cpu=cpu,
            at_begin=cost.look if reloads else cost.begin,
            at_end=cost.look if reloads else cost.end,
        )
    done = result["requests"]
    if result["handshakes"]:
        result["resumed_share"] = result["resumed"] / result["handshakes"]
    result["pss_peak"] = cost.pss_peak
    result["cpu_ns"] = None if reloads else cost.cpu_ns
    result["cpu_us"] = None if reloads or not done else cost.cpu_ns / done / 1000
    return result
