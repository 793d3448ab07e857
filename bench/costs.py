"""`python -m bench costs`: what each feature costs a request.

Every line of fastgw/bench/costs.toml is a gateway that has one feature more than the least
one. All are loaded in turn, 64 connections; printed is the CPU of each and its difference to
the least one, round by round. A line whose feature this version lacks is skipped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.outcome import Outcome, RunFile
from bench.statistics import differences, spread
from bench.suite import SMOKE, Options, run_scenario
from fastgw.bench import gateway
from fastgw.bench.scenario import Scenario, scenarios

LEAST = "nothing"


def label(line: str) -> str:
    """How a line is called as a contender."""
    return f"fastgw:{gateway.COST}{line}"


def scenario(lines: list[str]) -> Scenario:
    """The plain load on the gateways of these lines."""
    base = scenarios()["plain-64"]
    return Scenario(
        "costs",
        "costs",
        "what each feature costs a request, 64 connections",
        contenders=tuple(label(line) for line in lines),
        subject=label(LEAST),
        connections=base.connections,
    )


def refused(folder: Path) -> dict[str, str]:
    """Lines whose feature is missing, and why."""
    found = {}
    for line in gateway.tables("costs.toml"):
        if why := gateway.refusal(gateway.COST + line, folder / line):
            found[line] = why
    return found


def rows(outcome: Outcome) -> list[list[str]]:
    """The table, a row a line of the file, below its heading."""
    least = outcome.column(label(LEAST), "cpu_us")
    made = [["", "CPU us/req", "more than nothing, us"]]
    for line, said in gateway.tables("costs.toml").items():
        values = outcome.column(label(line), "cpu_us")
        if not values:
            made.append([said["title"], "-", outcome.absent.get(label(line), "not measured")])
        elif line == LEAST:
            made.append([said["title"], f"{spread(values).median:.2f}", ""])
        else:
            more = str(differences(values, least)) if len(values) == len(least) else "-"
            made.append([said["title"], f"{spread(values).median:.2f}", more])
    return made


def main(argv: list[str]) -> int:
    """Measure and print; 1 when the least gateway could not be measured."""
    parse = argparse.ArgumentParser(prog="python -m bench costs", description=__doc__)
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--seconds", type=float, default=2.0)
    parse.add_argument("--out", type=Path, help="result  [default: a new one in bench/results]")
    parse.add_argument("--smoke", action="store_true", help="try the machinery: no figure counts")
    args = parse.parse_args(argv)
    how = SMOKE if args.smoke else Options(rounds=args.rounds, seconds=args.seconds)
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        missing = refused(Path(made))
    wanted = [line for line in gateway.tables("costs.toml") if line not in missing]
    said = {"argv": argv, "rounds": how.rounds, "seconds": how.seconds}
    file = RunFile(said, args.out)
    outcome = run_scenario(scenario(wanted), how, lambda text: print(text, file=sys.stderr))
    skipped = {label(k): f"skipped: needs {k} ({why})" for k, why in missing.items()}
    outcome.absent.update(skipped)
    file.add(outcome)
    for title, cpu, more in rows(outcome):
        print(f"{title:28} {cpu:>10}  {more}")
    print(f"\nraw results: {file.path}")
    return 0 if outcome.state == "done" else 1
