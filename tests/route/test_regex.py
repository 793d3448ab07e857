"""RE2: patterns, sets, and that no pattern and no path takes long."""

from __future__ import annotations

from time import thread_time_ns

import pytest

from fastgw.ext.route.load import load_plan
from fastgw.ext.route.regex import Pattern, PatternSet
from fastgw.ext.testing import route_doors
from fastgw.plan import Condition, Match, ObjectSpec, PlanError, PlanModel, Route, build_plan
from fastgw.plan.patterns import regex_front

TARGET = ObjectSpec("none", "nothing")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(a", "missing"),
        ("[a", "missing"),
        ("a**", "repetition"),
        (r"(a)\1", "invalid escape"),
        ("(?=a)", "invalid perl operator"),
        ("é", "not ASCII"),
        ("(a)" * 17, "more than 16 groups"),
        ("a{1001}", "repetition"),
        ("((a{100}){100}){100}", "invalid repetition|too large"),
    ],
)
def test_what_is_no_pattern_says_why(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Pattern(pattern)
    with pytest.raises(ValueError, match=said):
        PatternSet([pattern])
    with pytest.raises(PlanError, match=said):
        build_plan(PlanModel((Route("r", (Match(pattern, regex=True),), TARGET),)))
    tested = Match(conditions=(Condition("header", "x", "regex", pattern),))
    with pytest.raises(PlanError, match=said):
        build_plan(PlanModel((Route("r", (tested,), TARGET),)))


def test_groups_by_name_and_number() -> None:
    p = Pattern("/(?P<a>x)?(y)(?P<b>.*)")
    assert (p.groups, p.names) == (3, {"a": 1, "b": 3})
    assert p.fullmatch(b"/yz") == [b"/yz", None, b"y", b"z"]
    assert p.fullmatch(b"-/y") is None
    assert p.search(b"-/y-") == [b"/y-", None, b"y", b"-"]


def test_bytes_are_bytes() -> None:
    assert Pattern("..").fullmatch("é".encode()) == [b"\xc3\xa9"]
    assert Pattern(r"\xc3.").fullmatch("é".encode()) == [b"\xc3\xa9"]
    assert Pattern(".*").fullmatch(b"a\x00b") == [b"a\x00b"]


def test_a_set_tells_all_that_fit_in_order() -> None:
    s = PatternSet(["/a", "/.*", "/[ab]", "b"])
    assert s.fullmatches(b"/a") == [0, 1, 2]
    assert s.fullmatches(b"/c") == [1]
    assert s.fullmatches(b"") == []


@pytest.mark.parametrize(
    ("pattern", "front"),
    [
        ("/api/v[0-9]+", "/api"),
        ("^/api/v1/x$", "/api/v1"),
        ("/api/", "/api"),
        ("/api", ""),
        ("/a/b*", "/a"),
        ("/a/*", ""),
        ("/a/?", ""),
        ("/a/b{2}", "/a"),
        ("/a/b|/c", ""),
        ("/a/(b|c)", "/a"),
        ("/a/[|]b", "/a"),
        ("/a/[]|]b|/c", ""),
        (r"/a/\|/b", "/a"),
        ("(?i)/a/b", ""),
        (r"\Q/a/b\E", ""),
        ("/a.b/c", ""),
        ("", ""),
        (".*", ""),
    ],
)
def test_fronts(pattern: str, front: str) -> None:
    assert regex_front(pattern) == front
    for path in (b"/api/v1", b"/api/v1/x", b"/a/b", b"/c", b"/a/|b", b"/a/bb", b"/a/c", b"/a"):
        if Pattern(pattern).fullmatch(path):
            assert path == front.encode() or path.startswith(front.encode() + b"/") or not front


def best_us(routes: list[Match], path: bytes, rounds: int = 30) -> float:
    """The least microseconds of thread time that a match took."""
    made = tuple(Route(f"r{i}", (match,), TARGET) for i, match in enumerate(routes))
    s = load_plan(build_plan(PlanModel(made)), {"none": route_doors.AnyTarget})
    least = float("inf")
    for _ in range(rounds):
        began = thread_time_ns()
        route_doors.match(s, b"h", path, 1)
        least = min(least, thread_time_ns() - began)
    return least / 1000


def test_nested_repeats_take_linear_time() -> None:
    """8 KiB that almost fit `(a+)+$`: 100 us, with the door's own cost; a backtracking
    engine would not come back."""
    path = b"/" + b"a" * 8190 + b"b"
    assert best_us([Match("/(a+)+$", regex=True)], path) < 100


def test_a_set_tells_what_each_of_its_patterns_tells() -> None:
    """Patterns whose common automaton is far larger than its memory: it is begun anew."""
    sources = [f"/.*{chr(97 + i % 26)}.{{{8 + i // 26}}}x?" for i in range(100)]
    made = tuple(Route(f"r{i:03}", (Match(p, regex=True),), TARGET) for i, p in enumerate(sources))
    s = load_plan(build_plan(PlanModel(made)), {"none": route_doors.AnyTarget})
    texts = [bytes((i * j * 7 + j) % 26 + 97 for j in range(40 + i)) for i in range(60)]
    for text in texts:
        path = b"/" + text
        fits = [i for i, p in enumerate(sources) if Pattern(p).fullmatch(path)]
        fits.sort(key=lambda i: (-len(sources[i]), sources[i]))
        assert route_doors.match(s, b"h", path, 1)[0] == (fits[0] if fits else -1)
