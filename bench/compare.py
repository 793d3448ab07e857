"""`python -m bench compare OLD NEW`: what changed between two runs on one machine.

Rounds of different runs share nothing, so medians are compared, with the 90 % interval of
their ratio. A change is what the interval says is not 1 and what is 3 % at least. Where both
runs have a peer, fastgw's ratio to it is compared too: that takes the machine's mood out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.outcome import Outcome, read_run
from bench.statistics import Spread, ratio_of_medians

CHANGE = 0.03
#: Figure -> whether more of it is worse.
FIGURES = {"cpu_us": True, "rps": False, "p50_us": True, "p99_us": True, "pss_peak": True,
           "bytes_each": True}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """New over old of one figure."""

    scenario: str
    what: str
    ratio: Spread
    more_is_worse: bool

    @property
    def verdict(self) -> str:
        """better, worse or same."""
        r = self.ratio
        if r.low <= 1 <= r.high or abs(r.median - 1) < CHANGE:
            return "same"
        return "worse" if (r.median > 1) == self.more_is_worse else "better"


def relative(outcome: Outcome, peer: str) -> list[float]:
    """CPU of the subject over a peer's, round by round."""
    ours, theirs = outcome.column(outcome.subject, "cpu_us"), outcome.column(peer, "cpu_us")
    return [a / b for a, b in zip(ours, theirs, strict=False)] if len(ours) == len(theirs) else []


def changes(old: list[Outcome], new: list[Outcome]) -> Iterator[Change]:
    """Every figure of the subjects that both have."""
    before = {o.name: o for o in old if o.state == "done"}
    for outcome in new:
        was = before.get(outcome.name)
        if was is None or outcome.state != "done":
            continue
        for key, worse in FIGURES.items():
            a, b = was.column(was.subject, key), outcome.column(outcome.subject, key)
            if a and b and min(a) > 0:
                yield Change(outcome.name, key, ratio_of_medians(b, a), worse)
        for peer in outcome.samples:
            a, b = relative(was, peer), relative(outcome, peer)
            if peer != outcome.subject and a and b:
                yield Change(outcome.name, f"CPU to {peer}", ratio_of_medians(b, a), True)


def main(argv: list[str]) -> int:
    """Print what changed; 1 when something got worse, 2 when a file can't be read."""
    parse = argparse.ArgumentParser(prog="python -m bench compare", description=__doc__)
    parse.add_argument("old", type=Path)
    parse.add_argument("new", type=Path)
    parse.add_argument("--all", action="store_true", help="what stayed the same, too")
    args = parse.parse_args(argv)
    try:
        (old_head, old), (new_head, new) = read_run(args.old), read_run(args.new)
    except (ValueError, OSError) as e:
        print(f"bench compare: {e}", file=sys.stderr)
        return 2
    if old_head["machine"]["cpu"] != new_head["machine"]["cpu"]:
        print("the runs are of different machines: only the ratios to peers mean something")
    found = list(changes(old, new))
    for change in found:
        if args.all or change.verdict != "same":
            print(f"{change.scenario:16} {change.what:16} {change.ratio}  {change.verdict}")
    counts = {v: sum(c.verdict == v for c in found) for v in ("better", "worse", "same")}
    print(", ".join(f"{n} {v}" for v, n in counts.items()))
    return 1 if counts["worse"] else 0
