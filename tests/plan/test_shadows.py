"""Matches that never take a request are found, and nothing else is said to be one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.plan import Condition, Listener, Match, ObjectSpec, Route
from fastgw.plan.shadows import find_shadows
from tests.route.reference import reference
from tests.route.test_matcher import matches, requests, untied

NONE = ObjectSpec("none", "none")
A = Match("/a", False)
GET, POST = frozenset({"GET"}), frozenset({"POST"})


def route(name: str, *matches: Match, priority: int = 0) -> Route:
    """A route."""
    return Route(name, matches, NONE, priority=priority)


def first(*matches: Match) -> list[Route]:
    """Routes that go before one of priority 0."""
    return [route(f"r{i}", match, priority=1) for i, match in enumerate(matches)]


def header(test: str = "present", value: str = "", name: str = "x-a") -> tuple[Condition, ...]:
    """One condition."""
    return (Condition("header", name, test, value),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "match", "by"),
    [
        ([A], A, ("r0",)),
        ([replace(A, methods=GET | POST)], replace(A, methods=GET), ("r0",)),
        ([replace(A, methods=GET)], replace(A, methods=GET | POST), ()),
        ([replace(A, methods=GET)], replace(A, methods=frozenset({"HEAD"})), ()),
        (
            [replace(A, methods=GET), replace(A, methods=POST)],
            replace(A, methods=GET | POST),
            ("r0", "r1"),
        ),
        (
            [replace(A, clients=("10.0.0.0/9",)), replace(A, clients=("10.128.0.0/9",))],
            replace(A, clients=("10.0.0.0/8",)),
            ("r0", "r1"),
        ),
        ([replace(A, clients=("10.0.0.0/9",))], replace(A, clients=("10.0.0.0/8",)), ()),
        # Each covers a half in another respect: what neither has is left.
        (
            [
                replace(A, methods=GET, clients=("10.0.0.0/8",)),
                replace(A, methods=POST, clients=("11.0.0.0/8",)),
            ],
            replace(A, methods=GET | POST, clients=("10.0.0.0/7",)),
            (),
        ),
        ([replace(A, conditions=header())], replace(A, conditions=header("exact", "1")), ("r0",)),
        (
            [replace(A, conditions=header(name="X-A"))],
            replace(A, conditions=header("exact", "1")),
            ("r0",),
        ),
        ([replace(A, conditions=header("exact", "1"))], replace(A, conditions=header()), ()),
        (
            [replace(A, server_names=frozenset({"*.b.c"}))],
            replace(A, server_names=frozenset({"a.b.c"})),
            ("r0",),
        ),
        (
            [replace(A, server_names=frozenset({"a.b.c"}))],
            replace(A, server_names=frozenset({"*.b.c"})),
            (),
        ),
        (
            [replace(A, listeners=frozenset({"x"})), replace(A, listeners=frozenset({"y"}))],
            replace(A, listeners=frozenset({"x", "y"})),
            ("r0", "r1"),
        ),
        ([Match("/a")], Match("/a/{rest...}", False), ("r0",)),
        ([Match("/a/{rest...}", False)], Match("/a"), ()),
        ([Match("/a")], A, ()),
        ([Match("/{x}", False)], Match("/{y}", False), ("r0",)),
        ([Match("/a.*", regex=True)], Match("/a.*", regex=True), ("r0",)),
    ],
)
def test_a_match_that_others_cover(before: list[Match], match: Match, by: tuple[str, ...]) -> None:
    routes = (route("last", match), *first(*before))
    assert [(s.route, s.by) for s in find_shadows(routes)] == ([("last", by)] if by else [])


def test_more_matchers_that_ask_for_nothing_more_go_first() -> None:
    twice = replace(A, conditions=header("exact", "1") + header())
    routes = (route("a", twice), route("b", replace(A, conditions=header("exact", "1"))))
    assert [(s.route, s.by) for s in find_shadows(routes)] == [("b", ("a",))]


def test_all_listeners_together_cover_one_that_names_none() -> None:
    listeners = [Listener("x", ":1"), Listener("y", ":2")]
    each = first(*(replace(A, listeners=frozenset({one.name})) for one in listeners))
    routes = (*each, route("all", replace(A, conditions=header())))
    assert [s.by for s in find_shadows(routes, listeners)] == [("r0", "r1")]
    assert find_shadows(routes, [*listeners, Listener("z", ":3")]) == []


def test_what_listeners_bring_nothing_to() -> None:
    listeners = [Listener("plain", ":1"), Listener("moved", ":2", {"tls": {}}, route="to")]
    routes = (
        route("of-moved", replace(A, listeners=frozenset({"moved"}))),
        route("named", replace(A, server_names=frozenset({"a"}))),
        route("fine", Match("/b")),
    )
    found = find_shadows(routes, listeners)
    assert [(s.route, s.by) for s in found] == [("of-moved", ()), ("named", ())]
    assert "every request of 'moved' is redirected" in found[0].reason
    assert "no listener of it has TLS" in found[1].reason


def test_a_sibling_does_not_count() -> None:
    assert find_shadows((route("a", A, replace(A, methods=GET)),)) == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(matches(), st.integers(0, 2)), min_size=2, max_size=10),
    st.lists(requests(), min_size=1, max_size=10),
)
def test_without_shadowed_matches_nothing_changes(any_matches, asked) -> None:  # type: ignore[no-untyped-def]
    """All of one place, so that there are some; the reference says what each request gets."""
    there = [
        route(f"r{i}", replace(m, path="/a", prefix=False, regex=False, host=""), priority=p)
        for i, (m, p) in enumerate(any_matches)
    ]
    routes = untied(there)
    shadowed = {shadow.route for shadow in find_shadows(tuple(routes))}
    left = [one for one in routes if one.name not in shadowed]
    for request in asked:
        request = replace(request, host="", path="/a")
        before, _ = reference(routes, request)
        after, _ = reference(left, request)
        assert (routes[before].name if before >= 0 else before) == (
            left[after].name if after >= 0 else after
        )
