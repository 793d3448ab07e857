"""`python -m bench io`: the worker's own epoll set beside uvloop's transports, as whole proxies.

Both contenders are the same minimal proxy: one connection to the origin for each of a
client, bytes passed on untouched, in compiled code, in a uvloop loop. They differ only in
who does the input and output: fastgw's `Stream` on an epoll set that is one reader of the
loop, or uvloop's transports with `asyncio.Protocol` or `asyncio.BufferedProtocol`. The
method is that of the scenarios (interleaved rounds, pinned, CPU by schedstat, every answer
checked). Meant for a release build; a debug build is refused.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.contenders import PEER_MAKERS
from bench.outcome import Outcome, RunFile
from bench.report import outcome_lines
from bench.suite import Options, run_field
from bench.uvloop_proxy.instructions import report
from fastgw.bench.contender import Contender
from fastgw.bench.scenario import Scenario, scenarios
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


def measure(scenario: Scenario, args: argparse.Namespace) -> Outcome:
    """One scenario on all of them."""
    field = [contender(kind) for kind in KINDS]
    if args.haproxy and (peer := PEER_MAKERS["haproxy"]()) is not None:
        field.append(peer)
    return run_field(field, scenario, Options(rounds=args.rounds, seconds=args.seconds))


def main(argv: Sequence[str]) -> int:
    """The command line of `bench io`."""
    parse = argparse.ArgumentParser(prog="python -m bench io")
    parse.add_argument("--only", default="plain-64,rate-2000", help="scenarios")
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
    file = RunFile(vars(args))
    for name in args.only.split(","):
        base = scenarios()[name]
        outcome = measure(dataclasses.replace(base, subject="own", bars=()), args)
        file.add(outcome)
        print("\n".join(outcome_lines(outcome)))
    print(f"\nraw results: {file.path}")
    return 0
