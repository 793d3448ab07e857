"""Shares of a split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.ext.target.split import steps
from fastgw.plan import Match, ObjectSpec, PlanError, PlanModel, Route, Split, SplitPart, build_plan
from tests.scenario.gateway import Gateway

NONE = ObjectSpec("none", "none")


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ([1], [10_000]),
        ([1, 1, 1], [3334, 3333, 3333]),
        ([99, 1], [9900, 100]),
        ([0, 5], [0, 10_000]),
        ([1_000_000, 1], [9999, 1]),
        ([2, 1], [6667, 3333]),
    ],
)
def test_shares(weights: list[int], shares: list[int]) -> None:
    assert steps(weights) == shares


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=64).filter(any))
def test_shares_are_exact_to_a_step(weights: list[int]) -> None:
    found = steps(weights)
    assert sum(found) == 10_000
    for weight, share in zip(weights, found, strict=True):
        assert (share > 0) == (weight > 0)
        exact = weight * 10_000 / sum(weights)
        # A part that would be rounded to nothing takes its step from the largest ones.
        assert share >= 1 if 0 < exact < 1 else abs(share - exact) < 65


@pytest.mark.parametrize(
    ("weights", "key", "said"),
    [
        ([], "{client.ip}", "has 0 parts"),
        ([1] * 65, "{client.ip}", "has 65 parts"),
        ([0], "{client.ip}", "one is above it"),
        ([2, -1], "{client.ip}", "not below 0"),
        ([1], "{nope}", "unknown variable"),
    ],
)
def test_a_wrong_split_is_not_loaded(weights: list[int], key: str, said: str) -> None:
    split = Split("s", tuple(SplitPart(NONE, w) for w in weights), key)
    with pytest.raises(ValueError, match=said):
        Gateway(Route("r", (Match(),), split)).__enter__()


def test_a_part_that_is_no_target_is_said() -> None:
    split = Split("s", (SplitPart(ObjectSpec("ip", "i", {"deny": ["::1"]}), 1),))
    with pytest.raises((TypeError, PlanError), match="Target"):
        Gateway(Route("r", (Match(),), split)).__enter__()


def test_equal_splits_are_one_object() -> None:
    parts = (SplitPart(NONE, 1),)
    two = (Split("s", parts), Split("s", parts))

    def plan(*splits: Split) -> bytes:
        routes = (Route(f"r{i}", (Match(f"/{i}"),), split) for i, split in enumerate(splits))
        return build_plan(PlanModel(tuple(routes)))

    assert plan(*two) == plan(two[0], two[0])
