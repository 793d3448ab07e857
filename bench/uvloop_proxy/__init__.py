"""`python -m bench io`: the worker's own epoll set beside uvloop's transports, as whole proxies.

Both contenders are the same minimal proxy: one connection to the origin for each of a
client, bytes passed on untouched, in compiled code, in a uvloop loop. They differ only in
who does the input and output: fastgw's `Stream` on an epoll set that is one reader of the
loop, or uvloop's transports with `asyncio.Protocol` or `asyncio.BufferedProtocol`. The
method is that of `bench plain` (interleaved rounds, pinned, CPU by schedstat, every answer
checked). Meant for a release build; a debug build is refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import contenders, process
from bench.contenders import Contender
from bench.loads import Origin
from bench.plain import Samples, column, cores, keep, rounds_of
from bench.scenarios import SCENARIOS, Scenario
from bench.statistics import ratios, spread
from bench.uvloop_proxy.instructions import report
from fastgw.ext.base import debug

#: What each contender is, by the name that serve.py knows.
KINDS = {
    "own": "Stream on the worker's own epoll set",
    "protocol": "uvloop transports, asyncio.Protocol",
    "buffered": "uvloop transports, asyncio.BufferedProtocol",
}


def contender(kind: str) -> Contender:
    """One of the minimal proxies."""

    def command(listen: int, origin: int, folder: Path) -> Sequence[str]:
        return [sys.executable, "-m", "bench.uvloop_proxy.serve", kind, str(listen), str(origin)]

    return Contender(kind, "", command)


def print_table(samples: Samples, scenarios: Sequence[Scenario]) -> None:
    """Medians, and the ratio of the own epoll set to each of the others."""
    for scenario in scenarios:
        by_name = samples[scenario.name]
        print(f"\n{scenario.name}: {scenario.title}")
        print(
            f"  {'':10}{'CPU us/req':>12}{'req/s':>10}{'p50 us':>9}{'p99 us':>9}{'errors':>8}"
            "   CPU of own to it"
        )
        for name, rows in by_name.items():
            line = f"  {name:10}"
            for key, width, digits in (
                ("cpu_us", 12, 2),
                ("rps", 10, 0),
                ("p50_us", 9, 0),
                ("p99_us", 9, 0),
            ):
                line += f"{spread(column(rows, key)).median:{width}.{digits}f}"
            line += f"{sum(int(r['errors']) for r in rows):8d}"
            if name != "own":
                line += f"   {ratios(column(by_name['own'], 'cpu_us'), column(rows, 'cpu_us'))}"
            print(line)


def measure(field: Sequence[Contender], args: argparse.Namespace) -> Samples:
    """Start all, load them in turn, stop them."""
    gateway_cpu, other_cpu = cores()
    process.raise_nofile()
    scenarios = [SCENARIOS[name] for name in args.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        with Origin(folder, other_cpu) as origin:
            try:
                for each in field:
                    each.start(origin.port, folder / each.name, gateway_cpu)
                return rounds_of(
                    field,
                    scenarios,
                    folder,
                    rounds=args.rounds,
                    seconds=args.seconds,
                    warmup=0.5,
                    cpu=other_cpu,
                )
            finally:
                for each in field:
                    each.stop()


def main(argv: Sequence[str]) -> int:
    """The command line of `bench io`."""
    parse = argparse.ArgumentParser(prog="python -m bench io")
    parse.add_argument("--only", default="plain-64,rate-2000", help=", ".join(SCENARIOS))
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--seconds", type=float, default=2.0)
    parse.add_argument(
        "--instructions",
        action="store_true",
        help="count user-space instructions under callgrind instead",
    )
    parse.add_argument("--haproxy", action="store_true", help="HAProxy beside them")
    args = parse.parse_args(argv)
    if debug.debug_build():
        print("this is a debug build; build with FASTGW_BUILD=release first")
        return 2
    if args.instructions:
        return report(list(KINDS))
    field = [contender(kind) for kind in KINDS]
    peer = contenders.haproxy() if args.haproxy else None
    if peer is not None:
        field.append(peer)
    samples = measure(field, args)
    print_table(samples, [SCENARIOS[name] for name in args.only.split(",")])
    print(f"\nraw results: {keep(samples, field, vars(args))}")
    return 0
