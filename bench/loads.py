"""Driving the two C programs: the origin, and one measured load on a contender."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from bench import native, process
from bench.contenders import Contender
from bench.scenarios import BODY, Scenario


class Origin:
    """The upstream that everything is measured against; a context manager."""

    def __init__(self, folder: Path, cpu: int | None) -> None:
        body = folder / "body"
        body.write_bytes(BODY)
        self.running = subprocess.Popen(
            [str(native.program("origin")), str(body)],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=process.pinned(cpu),
        )
        assert self.running.stdout is not None
        self.port = int(self.running.stdout.readline().split()[1])

    def __enter__(self) -> Origin:
        return self

    def __exit__(self, *exc: object) -> None:
        self.running.kill()
        self.running.wait(5)
        assert self.running.stdout is not None
        self.running.stdout.close()


def measure(
    contender: Contender,
    scenario: Scenario,
    folder: Path,
    *,
    seconds: float,
    warmup: float,
    cpu: int | None,
    connections: int | None = None,
) -> dict[str, Any]:
    """Put one load on a contender; what the generator counted, and the contender's CPU.

    The CPU time is read while nothing is in flight, before and after, so it belongs to
    exactly the requests that were counted. Adds `cpu_us` (microseconds a request), `rps`.
    """
    request, body = folder / "request", folder / "expected"
    request.write_bytes(scenario.request)
    body.write_bytes(BODY)
    argv = [
        str(native.program("load")),
        str(contender.port),
        str(connections or scenario.connections),
        str(seconds),
        str(warmup),
        str(scenario.rate),
        str(int(scenario.new_connection)),
        str(request),
        str(body),
    ]
    with subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=process.pinned(cpu),
    ) as load:
        assert load.stdin is not None
        assert load.stdout is not None
        if load.stdout.readline() != "ready\n":
            raise RuntimeError(f"the load on {contender.name} did not come up")
        pids = contender.pids()
        before = process.cpu_ns(pids)
        load.stdin.write("go\n")
        load.stdin.flush()
        said = load.stdout.readline()
        spent = process.cpu_ns(pids) - before
        if contender.pids() != pids:
            raise RuntimeError(f"processes of {contender.name} died or were replaced")
    result: dict[str, Any] = json.loads(said)
    done = result["requests"]
    result["cpu_ns"] = spent
    result["cpu_us"] = spent / done / 1000 if done else float("nan")
    result["rps"] = done / result["seconds"] if result["seconds"] > 0 else 0.0
    return result
