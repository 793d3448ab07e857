"""`python -m bench SCENARIO...`: CPU per request of fastgw beside HAProxy, nginx and Envoy.

Alone it runs the quick set. bench/METHOD.md tells how it is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

from bench.contenders import PEER_TABLE, contender
from bench.outcome import Outcome, RunFile
from bench.report import outcome_lines, summary_lines
from bench.suite import SMOKE, Options, run_scenario
from fastgw.bench import process
from fastgw.bench.scenario import Scenario, chosen, scenarios
from fastgw.ext.base import debug

#: Rounds, seconds and warm-up of the quick set: it ends within 6 minutes.
QUICK = Options(rounds=3, seconds=1.0, warmup_s=0.3)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parse = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure scenarios. Other verbs: list, costs, compare OLD NEW, report [FILE], "
        "check, functions, parser, bodies, io.",
    )
    parse.add_argument(
        "names",
        nargs="*",
        metavar="SCENARIO",
        help="scenarios, groups, quick or all; `list` names them  [default: quick]",
    )
    parse.add_argument("--peers", metavar="PEER,...", help="who takes part  [default: all]")
    parse.add_argument(
        "--also",
        metavar="CONTENDER,...",
        default="",
        help="further contenders, such as haproxy:tuned, or floor: what the kernel alone costs",
    )
    parse.add_argument("--rounds", type=int, metavar="N", help="[default: 7; quick: 3]")
    parse.add_argument("--seconds", type=float, metavar="N", help="counted, a load  [3; quick: 1]")
    parse.add_argument("--warmup", type=float, metavar="N", help="before each load  [0.5; 0.3]")
    parse.add_argument(
        "--out", type=Path, metavar="FILE", help="result  [default: a new one in bench/results]"
    )
    parse.add_argument("--smoke", action="store_true", help="try the machinery: no figure counts")
    return parse


def options(args: argparse.Namespace) -> Options:
    """How long, how often and who, from the command line."""
    base = SMOKE if args.smoke else QUICK if args.names in ([], ["quick"]) else Options()
    peers = None if args.peers is None else tuple(filter(None, args.peers.split(",")))
    if peers is not None and (unknown := set(peers) - set(PEER_TABLE)):
        raise ValueError(f"{sorted(unknown)[0]!r} is none of {', '.join(PEER_TABLE)}")
    return Options(
        rounds=args.rounds or base.rounds,
        seconds=args.seconds or base.seconds,
        warmup_s=base.warmup_s if args.warmup is None else args.warmup,
        peers=peers,
        scale=base.scale,
    )


def with_also(scenario: Scenario, also: tuple[str, ...]) -> Scenario:
    """A scenario with further contenders. ValueError when one is unknown."""
    for label in also:
        contender(label, scenario.gateway)
    more = tuple(label for label in also if label not in scenario.contenders)
    return dataclasses.replace(scenario, contenders=(*scenario.contenders, *more))


def listed() -> str:
    """Scenarios and their groups."""
    lines = []
    group = ""
    for s in scenarios().values():
        if s.group != group:
            group = s.group
            lines.append(f"{group}:")
        lines.append(f"  {s.name:15}{'*' if s.quick else ' '} {s.title}")
    return "\n".join([*lines, "", "* part of the quick set"])


def run_all(wanted: Sequence[Scenario], how: Options, file: RunFile) -> list[Outcome]:
    """Run them one by one behind a progress bar."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(highlight=False, soft_wrap=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    found = []
    with Progress(*columns, console=console, transient=True) as bar:
        for number, scenario in enumerate(wanted, 1):
            steps = how.rounds * len(scenario.contenders)
            task = bar.add_task(f"{number}/{len(wanted)} {scenario.name}", total=steps)

            def tell(text: str, task: int = task, name: str = scenario.name) -> None:
                bar.update(task, advance=1, description=f"{name}: {text}")  # type: ignore[arg-type]

            outcome = run_scenario(scenario, how, tell)
            bar.remove_task(task)
            file.add(outcome)
            found.append(outcome)
            for line in outcome_lines(outcome):
                console.print(line, markup=False)
    return found


def main(argv: list[str]) -> int:
    """0; 1 when an answer was wrong or a scenario failed; 2 for a wrong command line."""
    parse = parser()
    args = parse.parse_args(argv)
    if args.names == ["list"]:
        print(listed())
        return 0
    try:
        also = tuple(filter(None, args.also.split(",")))
        wanted = [with_also(s, also) for s in chosen(args.names or ["quick"])]
        how = options(args)
    except ValueError as e:
        parse.error(str(e))
    if debug.debug_build() and not args.smoke:
        print("this is a debug build: its figures say nothing (./dev bench builds a release)")
    process.raise_nofile()
    said = {
        "argv": argv,
        "rounds": how.rounds,
        "seconds": how.seconds,
        "warmup_s": how.warmup_s,
        "debug_build": debug.debug_build(),
    }
    file = RunFile(said, args.out)
    begin = time.monotonic()
    found = run_all(wanted, how, file)
    print("\n".join(summary_lines(found)))
    print(f"\n{time.monotonic() - begin:.0f} s; raw results: {file.path}")
    return 1 if any(o.state == "failed" or o.errors for o in found) else 0
