"""Bars: whether a scenario's subject stayed under what was promised."""

from __future__ import annotations

from dataclasses import dataclass

from bench.outcome import Outcome
from bench.statistics import Spread, differences, ratios, spread
from fastgw.bench.scenario import Bar


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a scenario stands to one bar."""

    bar: Bar
    found: Spread | None  # the ratio, difference or figure that is held against it
    state: str  # met | median only | missed | unknown

    @property
    def limit(self) -> float:
        """What `found` is held against."""
        return self.bar.at_most if self.bar.plus is None else self.bar.plus

    @property
    def promise(self) -> str:
        """The bar in words."""
        bar = self.bar
        if not bar.peer:
            return f"{bar.metric} <= {self.limit:g}"
        what = f"{bar.metric} of {bar.peer}"
        return f"<= {bar.at_most:.2f}x {what}" if bar.plus is None else f"<= {what} + {bar.plus:g}"

    def __str__(self) -> str:
        return f"{self.promise}: {self.found or 'not measured'}, {self.state}"


def held_against(outcome: Outcome, bar: Bar) -> Spread | None:
    """The figure of a bar; None when a side was not measured."""
    ours = outcome.column(outcome.subject, bar.metric)
    theirs = outcome.column(bar.peer, bar.metric) if bar.peer else []
    if not ours or (bar.peer and len(theirs) != len(ours)):
        return None
    if not bar.peer:
        return spread(ours)
    return ratios(ours, theirs) if bar.plus is None else differences(ours, theirs)


def judge(outcome: Outcome) -> list[Judgement]:
    """Every bar of an outcome. One is met when the interval's upper end is under it."""
    judged = []
    for bar in outcome.bars:
        found = held_against(outcome, bar)
        limit = bar.at_most if bar.plus is None else bar.plus
        if found is None:
            state = "unknown"
        elif found.high <= limit:
            state = "met"
        else:
            state = "median only" if found.median <= limit else "missed"
        judged.append(Judgement(bar, found, state))
    return judged
