"""Medians and their spread, without assumptions about the distribution."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """A median with the interval that holds it in 90 of 100 resamplings."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}-{self.high:.3f}]"


def spread(values: Sequence[float], draws: int = 2000) -> Spread:
    """Median of `values` and its 90 % bootstrap interval (the seed is fixed)."""
    if not values:
        raise ValueError("no values")
    rng = random.Random(1)
    resampled = sorted(median(rng.choices(values, k=len(values))) for _ in range(draws))
    return Spread(median(values), resampled[draws // 20], resampled[draws - 1 - draws // 20])


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Spread of ours / theirs, round by round: what one round shares cancels out."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])
