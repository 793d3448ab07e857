"""Ties: which two routes can't be told apart, and which can."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fastgw.plan import Condition, Match, ObjectSpec, PlanModel, Route, build_plan
from fastgw.plan.ties import Tie, TieError, find_ties

TARGET = ObjectSpec("none", "nothing")


def has(name: str, value: str = "", kind: Any = "header") -> tuple[Condition, ...]:
    """One condition: present, or exact."""
    return (Condition(kind, name, "exact" if value else "present", value),)


def tied(a: Match, b: Match, priority: int = 0) -> bool:
    """Whether two routes with these matches tie, in either order."""
    one, two = Route("a", (a,), TARGET), Route("b", (b,), TARGET, priority=priority)
    found = {bool(find_ties((one, two))), bool(find_ties((two, one)))}
    assert len(found) == 1
    return found.pop()


def methods(*names: str) -> frozenset[str]:
    """A set of methods."""
    return frozenset(names)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Match(), Match()),
        (Match("/a"), Match("/a")),
        (Match("/a/{x}", False), Match("/a/{y}", False)),
        (Match("/a"), Match("/a/{rest...}", False)),
        (Match("/a", host="h"), Match("/a", host="h")),
        (Match("/a", methods=methods("GET", "PUT")), Match("/a", methods=methods("PUT"))),
        (Match("/a", methods=methods("GET")), Match("/a", conditions=has("x"))),
        (Match("/a", conditions=has("x")), Match("/a", conditions=has("y"))),
        (Match("/a", conditions=has("x", "1")), Match("/a", conditions=has("X", "1"))),
        (Match("/a", conditions=has("x", "1")), Match("/a", conditions=has("x"))),
        (Match("/a", clients=("10.0.0.0/8",)), Match("/a", clients=("10.1.0.0/16", "::/0"))),
        (Match("/a", listeners=methods("l", "m")), Match("/a", listeners=methods("m"))),
        (Match("/a", server_names=methods("*.a.b")), Match("/a", server_names=methods("x.a.b"))),
        (Match("/[a]", regex=True), Match("/[a]", regex=True)),
    ],
)
def test_these_tie(a: Match, b: Match) -> None:
    assert tied(a, b)
    assert not tied(a, b, priority=1)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Match("/a"), Match("/b")),
        (Match("/a"), Match("/a", False)),
        (Match("/a"), Match("/a", host="h")),
        (Match("/a/{x}", False), Match("/a/b", False)),
        (Match("/a/{x}", False), Match("/a/{x}")),
        (Match("/a", methods=methods("GET")), Match("/a", methods=methods("HEAD"))),
        (Match("/a", methods=methods("GET")), Match("/a")),
        (Match("/a", conditions=has("x")), Match("/a", conditions=has("x") + has("y"))),
        (Match("/a", conditions=has("x", "1")), Match("/a", conditions=has("x", "2"))),
        (
            Match("/a", conditions=has("q", "1", "query")),
            Match("/a", conditions=has("q", "2", "query")),
        ),
        (Match("/a", clients=("10.0.0.0/8",)), Match("/a", clients=("11.0.0.0/8", "::/0"))),
        (Match("/a", listeners=methods("l")), Match("/a", listeners=methods("m"))),
        (Match("/a", server_names=methods("a.b")), Match("/a", server_names=methods("*.a.b"))),
        (Match("/[a]", regex=True), Match("/[a-b]", regex=True)),
    ],
)
def test_these_do_not(a: Match, b: Match) -> None:
    assert not tied(a, b)


def test_matches_of_one_route_do_not_tie() -> None:
    assert find_ties((Route("a", (Match("/a"), Match("/a")), TARGET),)) == []


def test_a_group_gives_one_tie_for_each_that_comes_later() -> None:
    routes = tuple(Route(f"r{i}", (Match("/x"), Match("/a")), TARGET) for i in range(3))
    found = find_ties(routes)
    assert [(t.first, t.first_match, t.second, t.second_match) for t in found] == [
        ("r0", 0, "r1", 0),
        ("r0", 0, "r2", 0),
        ("r0", 1, "r1", 1),
        ("r0", 1, "r2", 1),
    ]


def test_a_tie_names_both_routes_and_what_they_take() -> None:
    routes = (
        Route("one", (Match("/a", conditions=has("x")),), TARGET),
        Route("two", (Match("/a", conditions=has("y")),), TARGET),
    )
    with pytest.raises(TieError, match="one and two: both take") as e:
        build_plan(PlanModel(routes))
    reason = "both take '*/a/*' with 1 matcher that one request can fit and have priority 0"
    assert e.value.ties == [Tie("one", 0, "two", 0, reason)]


def test_ten_thousand_values_of_one_header_are_checked_quickly() -> None:
    routes = tuple(
        Route(f"r{i}", (Match("/a", conditions=has("x", str(i))),), TARGET) for i in range(10_000)
    )
    began = time.thread_time()
    assert find_ties(routes) == []
    assert [t.second for t in find_ties((*routes, Route("again", routes[77].matches, TARGET)))] == [
        "again"
    ]
    assert time.thread_time() - began < 5
