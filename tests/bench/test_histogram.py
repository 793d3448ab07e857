"""The histogram is as exact as it says, at every size of value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.ext.load.histogram import Histogram

#: What histogram.pxd promises.
PRECISION = 1 / 256
VALUES = st.integers(0, 2**62) | st.integers(0, 1000)


def of(values: list[int]) -> Histogram:
    h = Histogram()
    for value in values:
        h.record(value)
    return h


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=60), st.floats(0, 1))
def test_quantile_is_that_of_the_sorted_values(values: list[int], q: float) -> None:
    exact = sorted(values)[max(0, math.ceil(q * len(values) - 1e-6) - 1)]
    assert abs(of(values).quantile(q) - exact) <= exact * PRECISION


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, max_size=40), st.lists(VALUES, max_size=40))
def test_two_added_are_one_of_all(a: list[int], b: list[int]) -> None:
    both, all_of_them = of(a), of(a + b)
    both.add(of(b))
    assert both.buckets() == all_of_them.buckets()
    assert (both.total, both.least, both.most) == (
        all_of_them.total, all_of_them.least, all_of_them.most,
    )  # fmt: skip
    assert both.mean == pytest.approx(all_of_them.mean)


def test_small_values_and_the_ends_are_exact() -> None:
    h = of([0, 1, 255, 1_000_003])
    assert [h.quantile(q) for q in (0, 0.5, 0.75, 1)] == [0, 1, 255, 1_000_003]
    assert (h.least, h.most, h.total) == (0, 1_000_003, 4)


def test_powers_of_two_and_their_neighbours() -> None:
    for power in range(1, 62):
        for value in (2**power - 1, 2**power, 2**power + 1):
            ((told, count),) = of([value]).buckets()
            assert count == 1
            assert abs(told - value) <= value * PRECISION


def test_many_at_once_and_none() -> None:
    h = Histogram()
    h.record(500, 1000)
    h.record(7, 0)
    assert (h.total, h.least, h.mean) == (1000, 500, 500.0)
    h.clear()
    assert (h.total, h.quantile(0.5), h.buckets()) == (0, 0, [])


@pytest.mark.parametrize(("value", "times"), [(-1, 1), (1, -1)])
def test_negative_numbers_are_refused(value: int, times: int) -> None:
    h = Histogram()
    with pytest.raises(ValueError, match="negative"):
        h.record(value, times)
    assert h.total == 0


@pytest.mark.parametrize("q", [-0.1, 1.1])
def test_what_is_no_share_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="no share"):
        of([1]).quantile(q)
