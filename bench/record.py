"""`python -m bench record`: what metrics and access log add to a request.

Method. Two gateways of one worker and 1,000 routes, pinned to one core: one that neither
counts nor logs and has no control process, and one as a user would start it with
`--access-log` to a file in memory, JSON, every default field. Their loads alternate, and
each pair begins with the other one. CPU is that of all processes of a gateway, control
process included, divided by the answers that were right; printed are the median of the
pairs' differences and its 90 % bootstrap interval, then the worker's instructions a request
under callgrind (valgrind), which no neighbour on the machine changes. `--instructions` counts
those alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.statistics import spread
from bench.uvloop_proxy.instructions import Counted
from fastgw.bench import process
from fastgw.bench.contender import Contender
from fastgw.bench.drive import OriginProcess
from fastgw.bench.measure import measure
from fastgw.bench.scenario import origin_answers, scenarios
from fastgw.equipment import Equipment

ROUTES = 1000
KINDS = ("bare", "metrics", "both")


def configuration(listen: int, origin: int) -> str:
    """1,000 routes to one upstream; the load takes the last one."""
    rows = [f"  r{i}: {{match: '/r{i}/*', upstream: origin}}" for i in range(ROUTES - 1)]
    return "\n".join(
        [
            "version: 1",
            f"listen: {{http: '127.0.0.1:{listen}'}}",
            f"upstreams: {{origin: 'http://127.0.0.1:{origin}'}}",
            "routes:",
            *rows,
            "  all: {match: '/*', upstream: origin}",
        ]
    )


def serve(kind: str, listen: int, origin: int, folder: Path) -> int:
    """Be one of the gateways."""
    from fastgw.ext.worker import Worker
    from fastgw.master import launch
    from fastgw.master.control import ControlSettings
    from fastgw.master.settings import Settings

    file = folder / "gateway.yaml"
    file.write_text(configuration(listen, origin))
    log = f"/dev/shm/fastgw-bench-{os.getpid()}.log" if kind == "both" else ""
    settings = Settings(
        source={"file": str(file), "options": {"access_log": {"to": log}} if log else {}},
        run_dir=str(folder),
        control=None if kind == "bare" else ControlSettings(),
    )

    def make(loop: Any, plan: Any, born: Equipment, tls: Any) -> Worker:
        return Worker(loop, plan, replace(born, counting=kind != "bare"), tls)

    try:
        return launch.run(settings, make=make)
    finally:
        if log:
            Path(log).unlink(missing_ok=True)


def contender(kind: str, make: type[Contender], before: Sequence[str] = ()) -> Contender:
    """A gateway as the benchmarks know it."""

    def command(listen: int, origin: int, folder: Path) -> Sequence[str]:
        program = [sys.executable, "-m", "bench.record", "serve", kind]
        return [*before, *program, str(listen), str(origin), str(folder)]

    return make(kind, "", command)


# -- CPU time --------------------------------------------------------------------------------


def pairs(kinds: tuple[str, str], rounds: int, seconds: float) -> list[tuple[float, float]]:
    """(CPU us a request of the first, of the second), a pair a round."""
    gateway_cpu, other_cpu = process.cores()
    process.raise_nofile()
    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        with OriginProcess(origin_answers(), other_cpu) as origin:
            field = [contender(kind, Contender) for kind in kinds]
            try:
                for one in field:
                    one.start(origin.port, folder / one.name, gateway_cpu)
                    time.sleep(2.0)  # the control process has imported everything
                for number in range(rounds):
                    cost: dict[str, float] = {}
                    for one in field if number % 2 == 0 else reversed(field):
                        result = measure(
                            one,
                            scenarios()["plain-64"],
                            seconds=seconds,
                            warmup_s=0.3,
                            cpu=other_cpu,
                        )
                        cost[one.name] = result["cpu_us"]
                    found.append((cost[kinds[0]], cost[kinds[1]]))
                    print(f"\rpair {number + 1}/{rounds} {cost}   ", end="", flush=True)
            finally:
                for one in field:
                    one.stop()
    print("\r" + " " * 78 + "\r", end="")
    return found


# -- instructions ----------------------------------------------------------------------------


def instructions(kind: str) -> float:
    """Instructions a request of the worker, user space alone: two runs of different length,
    so that the start is left out."""
    few, begun = counted(kind, 0.5)
    many, ended = counted(kind, 3.0)
    return (ended - begun) / (many - few)


def counted(kind: str, seconds: float) -> tuple[int, int]:
    """(requests, instructions of the worker) of a load of `seconds`."""
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        out = folder / "callgrind.%p"
        before = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        one = contender(kind, Counted, before)
        with OriginProcess(origin_answers()) as origin:
            try:
                one.start(origin.port, folder / kind, None)
                load = scenarios()["plain-64"]
                result = measure(one, load, seconds=seconds, warmup_s=0.1)
            finally:
                one.stop()
        totals = [
            int(found[1])
            for path in folder.glob("callgrind.*")
            if (found := re.search(r"^(?:totals|summary): (\d+)", path.read_text(), re.M))
        ]
    return int(result["requests"]), max(totals)


# -- the command -----------------------------------------------------------------------------


def main(argv: list[str]) -> int:
    """Measure and print."""
    parse = argparse.ArgumentParser(prog="python -m bench record")
    parse.add_argument("--rounds", type=int, default=15)
    parse.add_argument("--seconds", type=float, default=2.0)
    parse.add_argument("--instructions", action="store_true", help="nothing but callgrind's count")
    parse.add_argument("--kinds", default="bare,both", help=f"two of {', '.join(KINDS)}")
    args = parse.parse_args(argv)
    first, second = args.kinds.split(",")
    if not args.instructions:
        found = pairs((first, second), args.rounds, args.seconds)
        for i, name in enumerate((first, second)):
            print(f"{name:8} {spread([pair[i] for pair in found])} us a request")
        print(f"added    {spread([b - a for a, b in found])} us a request, {len(found)} pairs")
    if shutil.which("valgrind") is None:
        print("valgrind is needed to count instructions (apt install valgrind)")
        return 2 if args.instructions else 0
    a, b = instructions(first), instructions(second)
    print(f"{first} {a:.0f}, {second} {b:.0f}: {b - a:.0f} instructions a request more")
    return 0


if __name__ == "__main__":
    word, kind, listen, origin, folder = sys.argv[1:6]
    assert word == "serve"
    sys.exit(serve(kind, int(listen), int(origin), Path(folder)))
