"""Medians and their spread, without assumptions about the distribution."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

DRAWS = 2000


@dataclass(frozen=True)
class Spread:
    """A median with the interval that holds it in 90 of 100 resamplings."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}-{self.high:.3f}]"


def _interval(draw: Callable[[random.Random], float], draws: int) -> tuple[float, float]:
    """The middle 90 % of a figure that is drawn again and again (the seed is fixed)."""
    rng = random.Random(1)
    drawn = sorted(draw(rng) for _ in range(draws))
    return drawn[draws // 20], drawn[draws - 1 - draws // 20]


def spread(values: Sequence[float], draws: int = DRAWS) -> Spread:
    """Median of `values` and its 90 % bootstrap interval."""
    if not values:
        raise ValueError("no values")
    low, high = _interval(lambda rng: median(rng.choices(values, k=len(values))), draws)
    return Spread(median(values), low, high)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Spread of ours / theirs, round by round: what one round shares cancels out."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


def differences(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Spread of ours - theirs, round by round."""
    return spread([a - b for a, b in zip(ours, theirs, strict=True)])


def ratio_of_medians(new: Sequence[float], old: Sequence[float], draws: int = DRAWS) -> Spread:
    """Median of `new` over that of `old`, which come from different runs: nothing pairs them."""
    if not new or not old:
        raise ValueError("no values")

    def draw(rng: random.Random) -> float:
        return median(rng.choices(new, k=len(new))) / median(rng.choices(old, k=len(old)))

    low, high = _interval(draw, draws)
    return Spread(median(new) / median(old), low, high)
