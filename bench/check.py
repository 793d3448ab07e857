"""`python -m bench check`: instructions of each driver, against the committed baseline.

Times swing with whatever else a machine does; instructions don't. The drivers run under
callgrind with `PYTHONHASHSEED=0` and addresses not randomised (setarch -R). Callgrind writes
down its count before each, so what is in between is one compiled loop and the interpreter's way
to the next; two lengths of loop are run, and the difference is the loop's. A rise past 3 % is
reported. The baseline names the compiler that it was taken with; with another one differences
are shown, and fail nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.contenders import HERE
from bench.outcome import compiler
from fastgw.ext.base import debug

BASELINE = HERE / "baseline.json"
RISE = 0.03
ROUNDS = 200
PATTERN = "*drive_*"
#: Importing everything under callgrind takes its time.
DEADLINE_S = 600
_TRIGGER = re.compile(r"^desc: Trigger: --dump-before=\w*drive_(\w+?)(?:\.\S*)?$", re.M)
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)$", re.M)


def needed() -> str | None:
    """The program that is missing here, if one is."""
    return next((name for name in ("valgrind", "setarch") if shutil.which(name) is None), None)


def command(rounds: int, out: Path) -> list[str]:
    """The drivers under callgrind."""
    return [
        "setarch",
        platform.machine(),
        "-R",
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={out}",
        f"--dump-before={PATTERN}",
        sys.executable,
        "-m",
        "bench.driver",
        str(rounds),
    ]


def read_dumps(folder: Path) -> dict[str, int]:
    """Instructions from the begin of each driver to that of the next one."""
    found: dict[str, int] = {}
    running = None
    # out.1, out.2 ...; what comes after the last driver is in `out`, and nobody's.
    for dump in sorted(folder.glob("out.*"), key=lambda p: int(p.suffix[1:])):
        text = dump.read_text(errors="replace")
        trigger, total = _TRIGGER.search(text), _TOTAL.search(text)
        if running and total:
            found[running] = found.get(running, 0) + int(total[1])
        running = trigger[1] if trigger else None
    return found


def one_run(rounds: int) -> tuple[dict[str, int], dict[str, int]]:
    """(instructions, calls) by driver. RuntimeError when callgrind or a driver fails."""
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        done = subprocess.run(
            command(rounds, Path(made) / "out"),
            cwd=HERE.parent,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        if done.returncode:
            raise RuntimeError(f"the drivers failed under callgrind:\n{done.stderr[-1500:]}")
        calls = {k: int(v) for k, v in re.findall(r"^(\w+) (\d+)$", done.stdout, re.M)}
        return read_dumps(Path(made)), calls


def count(rounds: int = ROUNDS) -> dict[str, float]:
    """Instructions of one call by driver: what a longer loop adds to a shorter one, so that
    the call of the loop itself is not in it."""
    (few, few_calls), (many, many_calls) = one_run(rounds), one_run(2 * rounds)
    if set(few) != set(few_calls) or set(many) != set(many_calls):
        raise RuntimeError(f"callgrind saw {sorted(few)}, and there are {sorted(few_calls)}")
    return {
        name: round((many[name] - few[name]) / (many_calls[name] - few_calls[name]), 1)
        for name in few
    }


def taken(counts: dict[str, float]) -> dict[str, Any]:
    """A baseline of these counts."""
    return {
        "compiler": compiler(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "build": "debug" if debug.debug_build() else "release",
        "instructions_a_call": dict(sorted(counts.items())),
    }


def same_ground(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two baselines may be compared."""
    return all(a[key] == b[key] for key in ("compiler", "machine", "build"))


def compared(baseline: dict[str, Any], now: dict[str, Any]) -> tuple[list[str], int]:
    """(lines to print, how many functions rose past the limit)."""
    lines, rose = [], 0
    before, after = baseline["instructions_a_call"], now["instructions_a_call"]
    for name in sorted({*before, *after}):
        if name not in before or name not in after:
            lines.append(f"{name:16} {'new' if name in after else 'gone'}")
            continue
        change = after[name] / before[name] - 1
        risen = change > RISE
        rose += risen
        mark = "  ROSE" if risen else ""
        lines.append(f"{name:16} {before[name]:10.1f} {after[name]:10.1f} {change:+8.1%}{mark}")
    return lines, rose


def main(argv: list[str]) -> int:
    """1 when something rose, 2 when it can't be counted."""
    parse = argparse.ArgumentParser(prog="python -m bench check", description=__doc__)
    parse.add_argument("--update", action="store_true", help="make this the baseline")
    parse.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE")
    parse.add_argument("--rounds", type=int, default=ROUNDS)
    args = parse.parse_args(argv)
    if (missing := needed()) is not None:
        print(f"{missing} is needed to count instructions", file=sys.stderr)
        return 2
    try:
        now = taken(count(args.rounds))
    except RuntimeError as e:
        print(f"bench check: {e}", file=sys.stderr)
        return 2
    if args.update or not args.baseline.exists():
        args.baseline.write_text(json.dumps(now, indent=1) + "\n")
        print(f"{args.baseline}: written")
        return 0
    baseline = json.loads(args.baseline.read_text())
    lines, rose = compared(baseline, now)
    print("\n".join([f"{'a call of':16} {'baseline':>10} {'now':>10}", *lines]))
    if not same_ground(baseline, now):
        print(
            f"the baseline is of {baseline['compiler']} ({baseline['build']}), this is "
            f"{now['compiler']} ({now['build']}): differences say nothing about the code"
        )
        return 0
    print(f"{rose} rose past {RISE:.0%}")
    return 1 if rose else 0
