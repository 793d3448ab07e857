"""`python -m bench costs [GROUP...]`: what each feature costs a request.

Every line of fastgw/bench/costs.toml is a gateway that has one feature more than the least
one. Those of a group are loaded in turn; printed is the CPU of each and its difference to the
least one, round by round. A line whose feature this version lacks is skipped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.outcome import Outcome, RunFile, in_short
from bench.statistics import differences, spread
from bench.suite import SMOKE, Options, run_scenario
from fastgw.bench import cost_lines, gateway
from fastgw.bench.cost_lines import LEAST, CostGroup, CostLine
from fastgw.bench.scenario import Scenario, scenarios
from fastgw.ext.base import debug

#: What the outcome of a group is called begins with this.
PREFIX = "costs-"


def label(line: str) -> str:
    """How a line is called as a contender."""
    return f"fastgw:{gateway.COST}{line}"


def load_of(group: CostGroup, line: CostLine) -> dict[str, Any]:
    """What a line's load differs in from that of its group."""
    return {**({"gateway": "tls"} if line.tls else {}), **line.load}


def scenario(group: CostGroup, lines: Sequence[CostLine]) -> Scenario:
    """The load of a group on the least gateway and on those of these lines."""
    base = scenarios()["plain-64"]
    return Scenario(
        f"{PREFIX}{group.name}",
        "costs",
        f"what features cost a request: {group.title}",
        contenders=(label(LEAST), *(label(line.name) for line in lines)),
        subject=label(LEAST),
        variants={label(line.name): load_of(group, line) for line in lines},
        **{"connections": base.connections, **group.load},
    )


def refused(group: CostGroup, folder: Path) -> dict[str, str]:
    """Lines whose feature is missing, and why."""
    found = {}
    for line in group.lines:
        if why := gateway.refusal(gateway.COST + line.name, folder / line.name):
            found[line.name] = why
    return found


def names() -> list[str]:
    """What the outcomes of the table are called, in its order."""
    return [PREFIX + name for name in cost_lines.groups()]


def is_cost(outcome: Outcome) -> bool:
    """Whether an outcome is a group of the table."""
    return outcome.name.startswith(PREFIX)


def rows(outcome: Outcome) -> list[list[str]]:
    """The table of a group, a row a line, below its heading."""
    least = outcome.column(label(LEAST), "cpu_us")
    made = [["", "CPU us/req", "more than nothing, us"]]
    group = cost_lines.groups()[outcome.name.removeprefix(PREFIX)]
    for line in (cost_lines.line(LEAST), *group.lines):
        values = outcome.column(label(line.name), "cpu_us")
        if not values:
            why = outcome.absent.get(label(line.name), "not measured")
            made.append([line.title, "-", in_short(why)])
        elif line.name == LEAST:
            made.append([line.title, f"{spread(values).median:.2f}", ""])
        else:
            more = str(differences(values, least)) if len(values) == len(least) else "-"
            made.append([line.title, f"{spread(values).median:.2f}", more])
    return made


def run_group(group: CostGroup, how: Options) -> Outcome:
    """Measure a group; what is missing is named in the outcome."""
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        missing = refused(group, Path(made))
    wanted = [line for line in group.lines if line.name not in missing]
    tell = (lambda text: print(text, file=sys.stderr)) if sys.stderr.isatty() else (lambda _: None)
    outcome = run_scenario(scenario(group, wanted), how, tell)
    for name, why in missing.items():
        outcome.absent[label(name)] = f"skipped: needs {name} ({why})"
    return outcome


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parse = argparse.ArgumentParser(prog="python -m bench costs", description=__doc__)
    parse.add_argument("groups", nargs="*", metavar="GROUP", help="[default: all]")
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--seconds", type=float, default=1.0)
    parse.add_argument("--out", type=Path, help="result  [default: a new one in bench/results]")
    parse.add_argument("--smoke", action="store_true", help="try the machinery: no figure counts")
    return parse


def main(argv: list[str]) -> int:
    """Measure and print; 1 when a group could not be measured, or an answer was wrong."""
    parse = parser()
    args = parse.parse_args(argv)
    known = cost_lines.groups()
    if unknown := set(args.groups) - set(known):
        parse.error(f"no group {sorted(unknown)[0]!r}; there are {', '.join(known)}")
    how = SMOKE if args.smoke else Options(rounds=args.rounds, seconds=args.seconds, warmup_s=0.3)
    said = {
        "argv": argv,
        "rounds": how.rounds,
        "seconds": how.seconds,
        "debug_build": debug.debug_build(),
    }
    file = RunFile(said, args.out)
    wrong = False
    for name in args.groups or known:
        outcome = run_group(known[name], how)
        file.add(outcome)
        wrong |= print_group(outcome)
    print(f"\nraw results: {file.path}")
    return int(wrong)


def print_group(outcome: Outcome) -> bool:
    """Print a group's table; whether something in it is wrong."""
    print(f"\n{outcome.title}")
    if outcome.state != "done":
        print(f"  {outcome.state}: {in_short(outcome.why)}")
        return True
    for title, cpu, more in rows(outcome):
        print(f"  {title:66} {cpu:>10}  {more}")
    failed = {k: n for k in outcome.samples if (n := outcome.errors_of(k))}
    for who, count in failed.items():
        print(f"  ERRORS: {who} answered {count:,} requests wrongly")
    return bool(failed)
