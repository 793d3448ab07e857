"""The matcher: rules one by one, then any routes and requests against the reference."""

from __future__ import annotations

from ipaddress import ip_address
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.ext.route.load import PlanSnapshot, load_plan
from fastgw.ext.testing import route_doors
from fastgw.plan import (
    Condition,
    Listener,
    Match,
    ObjectSpec,
    PlanError,
    PlanModel,
    Route,
    build_plan,
)
from fastgw.plan.layout import METHODS, method_names
from fastgw.plan.ties import TieError, find_ties
from tests.route.reference import FRONTS, NO_METHOD, NO_ROUTE, Request, reference, rivals

TARGET = ObjectSpec("none", "nothing")


def routes_of(*matches: Match) -> list[Route]:
    """A route per match, called r0, r1 ..."""
    return [Route(f"r{i}", (match,), TARGET) for i, match in enumerate(matches)]


BUILDERS = {"none": route_doors.AnyTarget}


def snapshot(routes: list[Route]) -> PlanSnapshot:
    """The routes, built and loaded."""
    return load_plan(build_plan(PlanModel(tuple(routes))), BUILDERS)


def ask(s: PlanSnapshot, host: str, path: str, method: str = "GET") -> tuple[int, int]:
    """What the matcher says."""
    return route_doors.match(s, host.encode(), path.encode(), METHODS.index(method))


def only(*methods: str) -> frozenset[str]:
    """A set of methods."""
    return frozenset(methods)


def test_a_prefix_ends_at_a_segments_border() -> None:
    s = snapshot(routes_of(Match("/orders")))
    assert ask(s, "", "/orders")[0] == 0
    assert ask(s, "", "/orders/")[0] == 0
    assert ask(s, "", "/orders/1/2")[0] == 0
    assert ask(s, "", "/orders-old") == (NO_ROUTE, 0)
    assert ask(s, "", "/order") == (NO_ROUTE, 0)
    assert ask(s, "", "/") == (NO_ROUTE, 0)


def test_an_exact_path_takes_nothing_else() -> None:
    s = snapshot(routes_of(Match("/orders", prefix=False), Match("/", prefix=False)))
    assert ask(s, "", "/orders")[0] == 0
    assert ask(s, "", "/")[0] == 1
    assert ask(s, "", "/orders/") == (NO_ROUTE, 0)


def test_exact_goes_before_a_prefix_of_the_same_length_and_longer_before_both() -> None:
    s = snapshot(
        routes_of(
            Match(""),
            Match("/a"),
            Match("/a", prefix=False),
            Match("/a/b"),
        )
    )
    assert ask(s, "", "/a")[0] == 2
    assert ask(s, "", "/a/")[0] == 1
    assert ask(s, "", "/a/b/c")[0] == 3
    assert ask(s, "", "/x")[0] == 0


def test_exact_hosts_go_before_wildcards_and_the_longest_suffix_wins() -> None:
    s = snapshot(
        routes_of(
            Match(host=""),
            Match(host="*.example.com"),
            Match(host="*.a.example.com"),
            Match(host="x.a.example.com"),
        )
    )
    assert ask(s, "x.a.example.com", "/")[0] == 3
    assert ask(s, "y.a.example.com", "/")[0] == 2
    assert ask(s, "z.y.a.example.com", "/")[0] == 2
    assert ask(s, "b.example.com", "/")[0] == 1
    assert ask(s, "a.example.com", "/")[0] == 1
    assert ask(s, "example.com", "/")[0] == 0
    assert ask(s, "badexample.com", "/")[0] == 0


@pytest.mark.parametrize("host", ["", ".", ".example.com", "..", "a..", "." * 300, "a" * 5000])
def test_odd_hosts_go_to_the_default_host(host: str) -> None:
    s = snapshot(routes_of(Match(host=""), Match(host="*.example.com"), Match(host="b.c")))
    assert ask(s, host, "/")[0] == 0


def test_a_wildcard_needs_a_label() -> None:
    s = snapshot(routes_of(Match(host="*.example.com")))
    assert ask(s, "a.example.com", "/")[0] == 0
    assert ask(s, ".example.com", "/") == (NO_ROUTE, 0)
    assert ask(s, "example.com", "/") == (NO_ROUTE, 0)


def test_a_host_without_the_path_falls_back_to_less_specific_hosts() -> None:
    s = snapshot(
        routes_of(
            Match("/a", host="api.example.com"),
            Match("/b", host="*.example.com"),
            Match("/c"),
        )
    )
    assert [ask(s, "api.example.com", p)[0] for p in ("/a", "/b", "/c", "/d")] == [
        0,
        1,
        2,
        NO_ROUTE,
    ]


def test_methods_that_do_not_fit_fall_back_to_shorter_prefixes_and_other_hosts() -> None:
    s = snapshot(
        routes_of(
            Match("/a/b", host="h", methods=only("PUT")),
            Match("/a", host="h", methods=only("POST")),
            Match("/a", methods=only("PATCH")),
        )
    )
    assert ask(s, "h", "/a/b", "PUT")[0] == 0
    assert ask(s, "h", "/a/b", "POST")[0] == 1
    assert ask(s, "h", "/a/b", "PATCH")[0] == 2
    route, methods = ask(s, "h", "/a/b", "DELETE")
    assert route == NO_METHOD
    assert method_names(methods) == ["POST", "PUT", "PATCH"]


def test_get_routes_serve_head_unless_another_route_of_the_path_does() -> None:
    s = snapshot(
        routes_of(
            Match("/a", methods=only("GET")),
            Match("/b", methods=only("GET")),
            Match("/b", methods=only("HEAD")),
            Match("/c", methods=only("POST")),
        )
    )
    assert ask(s, "", "/a", "HEAD")[0] == 0
    assert ask(s, "", "/b", "HEAD")[0] == 2
    assert ask(s, "", "/b", "GET")[0] == 1
    route, methods = ask(s, "", "/a", "POST")
    assert (route, method_names(methods)) == (NO_METHOD, ["GET", "HEAD"])
    assert ask(s, "", "/c", "HEAD")[0] == NO_METHOD


def test_options_is_a_method_like_others_and_unknown_ones_need_a_route_for_all() -> None:
    s = snapshot(routes_of(Match("/a", methods=only("GET")), Match("/b")))
    assert ask(s, "", "/a", "OPTIONS")[0] == NO_METHOD
    assert ask(s, "", "/b", "OPTIONS")[0] == 1
    assert ask(s, "", "/b", "OTHER")[0] == 1


def test_a_route_with_methods_goes_before_one_of_the_same_path_for_all() -> None:
    s = snapshot(routes_of(Match("/a"), Match("/a", methods=only("POST"))))
    assert ask(s, "", "/a", "POST")[0] == 1
    assert ask(s, "", "/a", "GET")[0] == 0


def test_an_asterisk_target_is_taken_by_a_route_for_every_path_only() -> None:
    s = snapshot(routes_of(Match("/a"), Match("", methods=only("OPTIONS"))))
    assert ask(s, "", "*", "OPTIONS")[0] == 1
    assert ask(snapshot(routes_of(Match("/a"))), "", "*", "OPTIONS")[0] == NO_ROUTE


def test_paths_deeper_than_any_route_are_matched_by_their_front() -> None:
    deepest = "/s" * 63
    s = snapshot(routes_of(Match(deepest), Match("/s")))
    assert ask(s, "", deepest)[0] == 0
    assert ask(s, "", deepest + "/s" * 2000)[0] == 0
    assert ask(s, "", "/s" * 62 + "/x" * 2000)[0] == 1


def test_a_path_of_as_many_segments_as_are_looked_at_is_exact_only_when_whole() -> None:
    deepest = "/s" * 63
    s = snapshot(routes_of(Match(deepest, prefix=False)))
    assert ask(s, "", deepest)[0] == 0
    assert ask(s, "", deepest + "/s") == (NO_ROUTE, 0)


def test_a_deeper_path_than_the_matcher_looks_at_is_refused_by_the_writer() -> None:
    with pytest.raises(PlanError, match="can't be matched"):
        snapshot(routes_of(Match("/s" * 64)))


def test_one_of_ten_thousand_routes_is_found() -> None:
    matches = [Match(f"/v1/s{i}", host=f"h{i % 50}") for i in range(10_000)]
    s = snapshot(routes_of(*matches))
    for i in range(0, 10_000, 97):
        assert ask(s, f"h{i % 50}", f"/v1/s{i}/x")[0] == i
        assert ask(s, f"h{(i + 1) % 50}", f"/v1/s{i}/x")[0] == NO_ROUTE


def test_segments_and_hosts_of_every_length_are_found() -> None:
    """They are hashed eight bytes at a time, and looked through for the slash on the way."""
    words = ["abcdefghijklmnopqrstuvwxyz0123456789"[:n] for n in range(1, 36)]
    matches = [Match(f"/{w}/{{id}}/{w}", False, f"{w}.x") for w in words]
    s = snapshot(routes_of(*matches))
    for i, word in enumerate(words):
        assert ask(s, f"{word}.x", f"/{word}/7/{word}")[0] == i
        assert ask(s, f"{word}.x", f"/{word}/7/{word}/")[0] == NO_ROUTE
        assert ask(s, f"{word}.x", f"/{word}/7/{word}z")[0] == NO_ROUTE
        assert ask(s, f"{word}.x", f"/{word}//{word}")[0] == NO_ROUTE


def test_a_host_that_is_too_long_is_refused() -> None:
    with pytest.raises(PlanError, match="host of more than 253 bytes"):
        snapshot(routes_of(Match("/a", host="a" * 255)))
    s = snapshot(routes_of(Match("/a", host="a" * 254)))
    assert ask(s, "a" * 254, "/a")[0] == 0


# A small alphabet, so that routes and requests meet often.
SEGMENTS = st.sampled_from(["a", "b", "ab", "", "longer-than-eight"])
PATTERNS = st.sampled_from(["a", "b", "ab", "longer-than-eight", "{x}", "{y}"])
LABELS = st.sampled_from(["a", "b", "example", "com"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda s: "/" + "/".join(s))
SOME_METHODS = st.frozensets(st.sampled_from(METHODS[1:8]), max_size=3)
REGEXES = list(FRONTS)
CONDITIONS = [
    Condition("header", "X-A"),
    Condition("header", "x-a", "exact", "1"),
    Condition("header", "x-a", "exact", "2"),
    Condition("header", "Accept", "regex", ".*json.*"),
    Condition("query", "q"),
    Condition("query", "q", "exact", "a b"),
    Condition("query", "q", "regex", "[a-z ]+"),
    Condition("cookie", "c", "exact", "1"),
    Condition("cookie", "c"),
]
HEADERS = [("X-A", "1"), ("x-a", "2"), ("Accept", "x/json"), ("Cookie", "b=2; c=1"), ("B", "")]
QUERIES = ["", "q", "q=a+b", "q=a%20b&q=1", "r=1&q=%61", "q=%zz", "%71=1", "&&=&q"]
LISTENERS = ("main", "other")


@st.composite
def matches(draw: st.DrawFn) -> Match:
    """Any match of the small alphabet."""
    more: dict[str, object] = {
        "host": draw(st.one_of(st.just(""), HOSTS, HOSTS.map("*.".__add__))),
        "methods": draw(SOME_METHODS),
    }
    if draw(st.booleans()):
        more["conditions"] = tuple(draw(st.lists(st.sampled_from(CONDITIONS), max_size=2)))
        more["clients"] = draw(st.sampled_from([(), ("192.0.2.0/25", "2001:db8::/32")]))
        more["listeners"] = draw(st.sampled_from([frozenset(), frozenset({"main"})]))
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return Match(draw(st.sampled_from(REGEXES)), regex=True, **more)  # type: ignore[arg-type]
    segments = draw(st.lists(PATTERNS, min_size=0, max_size=3))
    segments = [f"{{p{i}}}" if "{" in s else s for i, s in enumerate(segments)]
    path = "".join("/" + s for s in segments)
    if kind == 1:
        return Match(path + "/{rest...}", False, **more)  # type: ignore[arg-type]
    return Match(path or "/", False, **more) if kind == 2 else Match(path, True, **more)  # type: ignore[arg-type]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any request of the small alphabet."""
    return Request(
        draw(HOSTS),
        draw(PATHS),
        draw(st.sampled_from(METHODS)),
        draw(st.sampled_from(QUERIES)),
        tuple(draw(st.lists(st.sampled_from(HEADERS), unique=True, max_size=3))),
        draw(st.sampled_from(["192.0.2.1", "192.0.2.200", "2001:db8::1", "::1"])),
        draw(st.sampled_from(LISTENERS)),
    )


def ask_all(s: PlanSnapshot, request: Request) -> tuple[int, int]:
    """What the matcher says to a whole request."""
    return route_doors.match(
        s,
        request.host.encode(),
        request.path.encode(),
        METHODS.index(request.method),
        query=request.query.encode(),
        fields=[(n.encode(), v.encode()) for n, v in request.headers],
        client=ip_address(request.client).packed,
        listener=LISTENERS.index(request.listener),
    )


def answer(told: tuple[int, int]) -> tuple[int, int]:
    """The methods count where none of the routes takes the request's."""
    route, methods = told
    return route, methods if route == NO_METHOD else 0


def untied(routes: list[Route]) -> list[Route]:
    """The routes without those that tie with one before them."""
    while ties := find_ties(tuple(routes)):
        tied = {tie.second for tie in ties}
        routes = [route for route in routes if route.name not in tied]
    return routes


ANY_ROUTES = st.lists(
    st.tuples(st.lists(matches(), min_size=1, max_size=3), st.integers(0, 1)),
    min_size=1,
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(ANY_ROUTES, st.lists(requests(), min_size=1, max_size=12))
def test_any_routes_match_as_the_reference_says(
    any_routes: list[tuple[list[Match], int]], asked: list[Request]
) -> None:
    routes = untied(
        [Route(f"r{i}", tuple(ms), TARGET, priority=p) for i, (ms, p) in enumerate(any_routes)]
    )
    listeners = tuple(Listener(name, ":0") for name in LISTENERS)
    s = load_plan(build_plan(PlanModel(tuple(routes), listeners)), BUILDERS)
    for request in asked:
        if rivals(routes, request):
            # Two lines of one header can fit two exact values: the one thing that is no tie.
            assert len([n for n, _ in request.headers if n.lower() == "x-a"]) > 1
        else:
            assert answer(ask_all(s, request)) == answer(reference(routes, request)), request


@settings(max_examples=60, deadline=None)
@given(ANY_ROUTES, st.lists(requests(), min_size=1, max_size=6), st.randoms())
def test_the_order_of_routes_does_not_matter(
    any_routes: list[tuple[list[Match], int]], asked: list[Request], random: Random
) -> None:
    routes = untied(
        [Route(f"r{i}", tuple(ms), TARGET, priority=p) for i, (ms, p) in enumerate(any_routes)]
    )
    mixed = list(routes)
    random.shuffle(mixed)
    listeners = tuple(Listener(name, ":0") for name in LISTENERS)
    one, two = (
        load_plan(build_plan(PlanModel(tuple(r), listeners)), BUILDERS) for r in (routes, mixed)
    )
    for request in asked:
        (a, by_a), (b, by_b) = ask_all(one, request), ask_all(two, request)
        assert by_a == by_b
        assert (routes[a].name if a >= 0 else a) == (mixed[b].name if b >= 0 else b)


def test_routes_that_tie_are_no_plan() -> None:
    with pytest.raises(TieError, match="r0 and r1: both take"):
        snapshot(routes_of(Match("/a/{x}"), Match("/a/{y}")))
