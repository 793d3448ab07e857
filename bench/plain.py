"""`python -m bench plain`: CPU per request of fastgw beside HAProxy, nginx and Envoy.

Method. Every contender runs one worker, pinned to one core; origin and load generator share
another. All are started once; then rounds: in each, every contender gets every scenario's
load, one after the other, and each round begins with the next contender, so that whatever
drifts (clock, caches, neighbours) is shared. A load is warmed up, then counted. CPU is the
contender's own: nanoseconds on a CPU (schedstat) of all its processes and threads, read
while nothing is in flight, divided by the answers that were right. Ratios are taken round
by round; printed are their median and 90 % bootstrap interval. Every answer is checked
(status, length, each byte); a wrong one is an error, and errors are printed.

fastgw runs as a user would start it, with all that is on by default: limits, deadlines,
forwarded headers, request id, counters. The peers do less: no log, no added fields.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import contenders, process
from bench.contenders import HERE, Contender
from bench.loads import Origin, measure
from bench.scenarios import SCENARIOS, Scenario
from bench.statistics import Spread, ratios, spread

RESULTS = HERE / "results"
Samples = dict[str, dict[str, list[dict[str, Any]]]]  # scenario -> contender -> rounds


def cores() -> tuple[int | None, int | None]:
    """(core of the gateway, core of origin and load); None, None on a single core."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else (None, None)


def gather(names: Sequence[str] | None, with_fastgw: bool = True) -> list[Contender]:
    """fastgw and the peers that are here; those that are not are named."""
    found: list[Contender] = [contenders.fastgw()] if with_fastgw else []
    for name, make in contenders.PEER_MAKERS.items():
        if names is not None and name not in names:
            continue
        peer = make()
        if peer is None:
            print(f"{name}: absent (pip install 'fastgw[bench]')")
        else:
            found.append(peer)
    return found


def rounds_of(
    field: Sequence[Contender],
    scenarios: Sequence[Scenario],
    folder: Path,
    *,
    rounds: int,
    seconds: float,
    warmup: float,
    cpu: int | None,
) -> Samples:
    """All loads on all contenders, interleaved."""
    samples: Samples = {s.name: {c.name: [] for c in field} for s in scenarios}
    for number in range(rounds):
        first = number % len(field)
        for scenario in scenarios:
            for contender in [*field[first:], *field[:first]]:
                result = measure(
                    contender, scenario, folder, seconds=seconds, warmup=warmup, cpu=cpu
                )
                samples[scenario.name][contender.name].append(result)
                print(
                    f"\rround {number + 1}/{rounds}  {scenario.name:15} {contender.name:8} "
                    f"{result['cpu_us']:7.2f} us  {result['rps']:8.0f}/s  "
                    f"{result['errors']} errors   ",
                    end="",
                    flush=True,
                )
    print("\r" + " " * 78 + "\r", end="")
    return samples


def column(rows: Sequence[dict[str, Any]], key: str) -> list[float]:
    """One figure of all rounds."""
    return [float(r[key]) for r in rows]


def judged(ours: Spread, bar: float | None) -> str:
    """How a ratio stands to its bar: met only when its interval's upper end is under it."""
    if bar is None:
        return ""
    if ours.high <= bar:
        return f"<= {bar:.2f} met"
    return f"<= {bar:.2f} {'met by the median only' if ours.median <= bar else 'MISSED'}"


def print_table(samples: Samples, scenarios: Sequence[Scenario]) -> None:
    """Medians of every contender, and fastgw's ratios to the others."""
    for scenario in scenarios:
        by_name = samples[scenario.name]
        print(f"\n{scenario.name}: {scenario.title}")
        print(
            f"  {'':9}{'CPU us/req':>12}{'req/s':>10}{'p50 us':>9}{'p99 us':>9}"
            f"{'p99.9 us':>10}{'errors':>8}   CPU of fastgw to it"
        )
        ours = by_name.get("fastgw")
        for name, rows in by_name.items():
            line = f"  {name:9}{spread(column(rows, 'cpu_us')).median:12.2f}"
            line += f"{spread(column(rows, 'rps')).median:10.0f}"
            for key, width in (("p50_us", 9), ("p99_us", 9), ("p999_us", 10)):
                line += f"{spread(column(rows, key)).median:{width}.0f}"
            line += f"{sum(int(r['errors']) for r in rows):8d}"
            if ours and name != "fastgw":
                ratio = ratios(column(ours, "cpu_us"), column(rows, "cpu_us"))
                line += f"   {ratio}  {judged(ratio, scenario.bars.get(name))}"
            print(line)


def keep(samples: Samples, field: Sequence[Contender], options: dict[str, Any]) -> Path:
    """Write the raw results; returns the file."""
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    path = RESULTS / f"plain-{stamp}-{os.getpid()}.json"
    path.write_text(
        json.dumps(
            {
                "scenario": "plain",
                "time": stamp,
                "options": options,
                "machine": {
                    "kernel": platform.release(),
                    "cpu": cpu_model(),
                    "cpus": os.cpu_count(),
                    "python": platform.python_version(),
                },
                "versions": {c.name: c.version for c in field},
                "samples": samples,
            },
            indent=1,
        )
    )
    return path


def cpu_model() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def run(
    *,
    only: Sequence[str] | None,
    peers: Sequence[str] | None,
    rounds: int,
    seconds: float,
    warmup: float,
    with_fastgw: bool = True,
) -> int:
    """Measure and print; 0, or 1 when any answer was wrong."""
    scenarios = [SCENARIOS[name] for name in only or SCENARIOS]
    gateway_cpu, other_cpu = cores()
    process.raise_nofile()
    field = gather(peers, with_fastgw)
    if not field:
        print("no contender is here")
        return 2
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        with Origin(folder, other_cpu) as origin:
            try:
                for contender in field:
                    contender.start(origin.port, folder / contender.name, gateway_cpu)
                    print(
                        f"{contender.name} {contender.version}: "
                        f"{len(contender.pids())} processes, core {gateway_cpu}"
                    )
                samples = rounds_of(
                    field,
                    scenarios,
                    folder,
                    rounds=rounds,
                    seconds=seconds,
                    warmup=warmup,
                    cpu=other_cpu,
                )
            finally:
                for contender in field:
                    contender.stop()
    print_table(samples, scenarios)
    options = {"rounds": rounds, "seconds": seconds, "warmup": warmup}
    print(f"\nraw results: {keep(samples, field, options)}")
    wrong = sum(int(r["errors"]) for by in samples.values() for rows in by.values() for r in rows)
    return 1 if wrong else 0
