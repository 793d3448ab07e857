"""Driving the two kinds of process of `fastgw.bench.child`: the origin, and one load."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from fastgw.bench.process import pinned
from fastgw.bench.spec import LoadSpec

#: Where `python -m fastgw...` is the same fastgw as here.
HOME = Path(__file__).resolve().parents[2]


class Answer(NamedTuple):
    """One of the origin's prepared answers: `kind` is bytes, events or echo."""

    target: str
    kind: str
    data: bytes = b""
    every_ns: int = 0


def child(kind: str, cpu: set[int] | int | None) -> subprocess.Popen[str]:
    """Start a child, pinned to a CPU."""
    return subprocess.Popen(
        [sys.executable, "-m", "fastgw.bench.child", kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HOME,
        preexec_fn=pinned(cpu),
    )


def end(running: subprocess.Popen[str]) -> None:
    """Kill a child, and close what leads to it."""
    running.kill()
    running.wait(5)
    for pipe in (running.stdin, running.stdout):
        if pipe is not None:
            pipe.close()


class OriginProcess:
    """The upstream that everything is measured against; a context manager."""

    def __init__(
        self, answers: Sequence[Answer], cpu: set[int] | int | None = None, **options: int
    ) -> None:
        self.running = child("origin", cpu)
        told = [[a.target, a.kind, base64.b64encode(a.data).decode(), a.every_ns] for a in answers]
        assert self.running.stdin is not None
        assert self.running.stdout is not None
        self.running.stdin.write(json.dumps({"answers": told, "options": options}) + "\n")
        self.running.stdin.flush()
        said = self.running.stdout.readline()
        if not said:
            end(self.running)
            raise RuntimeError("the origin did not come up")
        self.port = int(said)

    def __enter__(self) -> OriginProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end(self.running)


def put_load(
    spec: LoadSpec,
    *,
    seconds: float,
    warmup_s: float,
    cpu: set[int] | int | None = None,
    at_begin: Callable[[], None] = lambda: None,
    at_end: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """One load from a process of its own; `fastgw.bench.result.summary` of it.

    `at_begin` and `at_end` are called while nothing is in flight (with a stream of events,
    while it flows). RuntimeError when the load did not come up."""
    running = child("load", cpu)
    assert running.stdin is not None
    assert running.stdout is not None
    told = {"spec_text": spec.dumps(), "warmup_s": warmup_s, "seconds": seconds}
    try:
        running.stdin.write(json.dumps(told) + "\n")
        running.stdin.flush()
        if not running.stdout.readline().startswith("ready"):
            raise RuntimeError("the load did not come up")
        at_begin()
        running.stdin.write("go\n")
        running.stdin.flush()
        said = running.stdout.readline()
        at_end()
        if not said:
            raise RuntimeError("the load ended without a result")
        result: dict[str, Any] = json.loads(said)
        return result
    except BrokenPipeError:
        raise RuntimeError("the load did not come up") from None
    finally:
        end(running)
