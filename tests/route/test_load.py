"""load_plan: what a worker gets from a plan, and that damage is always said, never followed."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.ext.route.load import PlanSnapshot, load_plan, load_slices
from fastgw.ext.route.plan import LAYOUT, SIZES, check_plan
from fastgw.ext.testing import route_doors
from fastgw.ext.testing.route_doors import AnyPolicy, AnyTarget
from fastgw.plan import (
    Limits,
    Listener,
    Match,
    ObjectSpec,
    PlanError,
    PlanModel,
    Rewrite,
    Route,
    Step,
    Timeouts,
    build_plan,
    layout,
)
from fastgw.plan.writer import checksummed

BUILDERS: dict[str, Any] = {
    "http": AnyTarget,
    "none": AnyTarget,
    "headers": AnyPolicy,
    "ip": AnyPolicy,
}
NONE = ObjectSpec("none", "nothing")
ON_REQUEST, ON_RESPONSE, ON_LOG = 1 << 0, 1 << 4, 1 << 7
STREAM, WHOLE = 1, 2


def policy(name: str, kind: str = "headers", **options: Any) -> ObjectSpec:
    """A policy that the doors' builder makes from these facts."""
    return ObjectSpec(kind, name, options)


def route(name: str = "r", *steps: Step, **more: Any) -> Route:
    """A route of one path to one target."""
    more.setdefault("target", ObjectSpec("http", "up", {"servers": [{"url": "http://a:1"}]}))
    return Route(name, (Match(f"/{name}"),), steps=steps, **more)


def load(*routes: Route, previous: PlanSnapshot | None = None, **model: Any) -> PlanSnapshot:
    """The routes, built and loaded."""
    return load_plan(build_plan(PlanModel(routes, **model)), BUILDERS, previous)


def test_rows_are_laid_out_alike_on_both_sides() -> None:
    mine = {"header": layout.HEADER.size, "section": layout.SECTION.size}
    mine.update((name, row.size) for name, row in layout.SECTIONS.items())
    assert mine == SIZES
    assert list(mine) == list(SIZES)
    assert layout.LAYOUT == LAYOUT


def test_a_routes_row_says_what_the_model_said() -> None:
    timeouts = Timeouts(1, 2, 3, 4, 5, 6, 7, 8)
    s = load(
        route("first"),
        route(
            "r",
            timeouts=timeouts,
            body_limit=1 << 40,
            on_client_eof="finish",
            allow=frozenset({"encoded_slash", "nul"}),
            rewrite=Rewrite("/r", "/v1"),
            head_limit=2048,
            target_limit=512,
            fields_limit=20,
        ),
    )
    row = route_doors.route_row(s, 1)
    assert row.pop("timeouts") == {
        "request_head": 1,
        "body_idle": 2,
        "connect": 3,
        "response_head": 4,
        "idle": 5,
        "request": 6,
        "keepalive": 7,
        "linger": 8,
    }
    assert row == {
        "name": b"r",
        "target": 0,
        "chain": 0,
        "rewrite": 0,
        "allow": 0b1001,
        "methods": 0,
        "client_eof": 1,
        "host_mode": 0,
        "host": b"",
        "pages": layout.NOTHING,
        "statuses": 0,
        "statuses_n": 0,
        "stat": 2,
        "body_limit": 1 << 40,
        "limited": 1,
        "head_limit": 2048,
        "target_limit": 512,
        "fields_limit": 20,
        "pad_end": 0,
    }
    assert route_doors.rewrite_row(s, 0) == (b"/r", b"/v1")
    assert route_doors.route_row(s, 0)["rewrite"] == -1
    assert route_doors.route_row(s, 0)["limited"] == 0
    assert route_doors.settings(s)["allow_any"] == 0b1001


def test_settings_reach_the_snapshot() -> None:
    s = load(
        limits=Limits(1, 2, 3, 4, 5),
        timeouts=Timeouts(request_head=7),
        memory=99,
        trusted_proxies=("10.0.0.0/8", "::1"),
        number=42,
    )
    said = route_doors.settings(s)
    assert s.number == 42
    assert said["limits"] == {"head": 1, "target": 2, "fields": 3, "requests": 4, "body": 5}
    assert said["timeouts"]["request_head"] == 7
    assert (said["memory"], said["trusted"]) == (99, ("10.0.0.0/8", "::1"))


def test_a_bad_trusted_network_is_the_plans_fault() -> None:
    with pytest.raises(PlanError, match=r"trusted_proxies: .*bits set"):
        load(trusted_proxies=("10.0.0.1/8",))


# -- objects -----------------------------------------------------------------------------


def test_equal_objects_are_one_and_equal_chains_too() -> None:
    steps = (Step(policy("a")), Step(policy("b")))
    s = load(route("r1", *steps), route("r2", *steps), route("r3", steps[0]))
    assert len(s.target_list) == 1
    assert [p.name for p in s.policies or [] if isinstance(p, AnyPolicy)] == ["a", "b"]
    chains = [route_doors.route_row(s, i)["chain"] for i in range(3)]
    assert chains[0] == chains[1] != chains[2]


def test_unchanged_objects_outlive_a_generation() -> None:
    before = load(route("r", Step(policy("a")), Step(policy("b"))))
    after = load(route("r", Step(policy("a")), Step(policy("b", slot_size=8))), previous=before)
    assert before.policies and after.policies
    assert after.policies[0] is before.policies[0]
    assert after.policies[1] is not before.policies[1]
    assert after.target_list[0] is before.target_list[0]


def test_options_arrive_as_they_were_written() -> None:
    options = {"servers": [{"url": "http://a:1", "weight": 1}], "host": "keep", "pool": {"n": 2}}
    s = load(route(target=ObjectSpec("http", "up", options)))
    assert route_doors.target_of(s, 0).options == options
    assert route_doors.target_of(s, 0).name == "up"


def test_a_kind_nobody_builds_and_a_builder_of_the_wrong_thing_are_said() -> None:
    with pytest.raises(PlanError, match="no builder for objects of kind 'cache' \\('c'\\)"):
        load(route("r", Step(policy("c", "cache"))))
    with pytest.raises(PlanError, match="AnyPolicy is not a Target"):
        load(route(target=policy("a")))
    with pytest.raises(PlanError, match="AnyTarget is not a Policy"):
        load(route("r", Step(ObjectSpec("none", "n"))))


def test_what_a_builder_raises_reaches_the_caller() -> None:
    def fails(name: str, options: dict[str, Any]) -> object:
        raise RuntimeError(f"{name} can't be made")

    with pytest.raises(RuntimeError, match="up can't be made"):
        load_plan(build_plan(PlanModel((route(),))), {"http": fails})


# -- chains ------------------------------------------------------------------------------


def test_a_hooks_array_holds_those_policies_that_have_it() -> None:
    a = policy("a", hooks=ON_REQUEST | ON_RESPONSE, slot_size=5)
    b = policy("b", hooks=ON_RESPONSE, slot_size=0)
    c = policy("c", hooks=ON_LOG, slot_size=24)
    s = load(route("r", Step(a, "shadow"), Step(b, "enforce", "pass"), Step(c)))
    chain = route_doors.chain(s, 0)
    assert chain["n"] == 3
    assert chain["steps"][0] == [("a", 0, 1, 0)]
    assert chain["steps"][4] == [("a", 0, 1, 0), ("b", 1, 0, 1)]
    assert chain["steps"][7] == [("c", 2, 0, 0)]
    assert [len(chain["steps"][h]) for h in (1, 2, 3, 5, 6, 8)] == [0] * 6
    assert chain["slot_at"] == [0, 8, 8]
    assert chain["slots_size"] == 32


def test_a_policy_that_is_off_takes_no_place() -> None:
    a = policy("a", hooks=ON_REQUEST, slot_size=16, body_mode=(WHOLE, 0), body_limit=(9, 0))
    b = policy("b", hooks=ON_REQUEST)
    chain = route_doors.chain(load(route("r", Step(a, "off"), Step(b))), 0)
    assert chain["n"] == 1
    assert chain["steps"][0] == [("b", 0, 0, 0)]
    assert (chain["slots_size"], chain["body_mode"]) == (0, (0, 0))


def test_a_chains_body_mode_is_the_most_and_its_limit_the_least() -> None:
    a = policy("a", body_mode=(STREAM, WHOLE), body_limit=(7, 300))
    b = policy("b", body_mode=(WHOLE, WHOLE), body_limit=(500, 200))
    chain = route_doors.chain(load(route("r", Step(a), Step(b))), 0)
    assert chain["body_mode"] == (WHOLE, WHOLE)
    assert chain["body_limit"] == (500, 200)


def test_a_steps_timeout_reaches_its_policy_and_no_other() -> None:
    a = policy("a")
    s = load(route("r1", Step(a, timeout_ms=250)), route("r2", Step(a)))
    assert s.policies is not None
    waits = [p.wait_ms for p in s.policies if isinstance(p, AnyPolicy)]
    assert waits == [250, 0]


# -- memory ------------------------------------------------------------------------------


def test_a_snapshot_holds_its_plan_and_lets_all_go() -> None:
    plan = bytearray(build_plan(PlanModel((route("r", Step(policy("a"))),))))
    s = load_plan(plan, BUILDERS)
    with pytest.raises(BufferError):
        plan.append(0)
    assert s.policies
    del s
    gc.collect()
    plan.append(0)


def test_a_load_that_fails_lets_all_go() -> None:
    plan = bytearray(build_plan(PlanModel((route("r", Step(policy("a", "cache"))),))))
    with pytest.raises(PlanError):
        load_plan(plan, BUILDERS)
    gc.collect()
    plan.append(0)


def test_a_plan_at_an_odd_address_is_refused() -> None:
    plan = build_plan(PlanModel((route(),)))
    with pytest.raises(PlanError, match="multiple of 8"):
        check_plan(memoryview(b"x" + plan)[1:])


# -- damage ------------------------------------------------------------------------------

WHOLE_PLAN = build_plan(
    PlanModel(
        (
            route("r1", Step(policy("a", hooks=ON_REQUEST)), rewrite=Rewrite("/r1", "/v")),
            route("r2", Step(policy("b", slot_size=8)), Step(policy("a", hooks=ON_REQUEST))),
            Route(
                "r3",
                (Match("/x", False, "*.example.com"), Match("", True, "a.b")),
                ObjectSpec("none", "n"),
            ),
        ),
        listeners=(Listener("http", ":80", {"a": 1}),),
        trusted_proxies=("10.0.0.0/8",),
    )
)


def use(plan: bytes) -> None:
    """Load a plan and follow everything in it; PlanError is the only way to fail."""
    try:
        s = load_plan(plan, BUILDERS)
    except PlanError:
        return
    s.route_names()
    for i in range(s.route_count):
        route_doors.chain(s, i)
        route_doors.target_of(s, i)
        row = route_doors.route_row(s, i)
        if row["rewrite"] >= 0:
            route_doors.rewrite_row(s, row["rewrite"])
    for host in (b"", b"a.b", b"x.example.com"):
        for path in (b"/r1/x", b"/r2", b"/x", b"*", b""):
            route_doors.match(s, host, path, 1)


def test_the_undamaged_plan_is_loaded() -> None:
    assert check_plan(WHOLE_PLAN) == 1
    assert load_plan(WHOLE_PLAN, BUILDERS).route_names() == ["r1", "r2", "r3"]


@pytest.mark.parametrize("n", range(0, len(WHOLE_PLAN), 13))
def test_a_plan_cut_short_is_refused(n: int) -> None:
    with pytest.raises(PlanError):
        check_plan(WHOLE_PLAN[:n])


def test_any_flipped_byte_is_seen() -> None:
    for at in range(len(WHOLE_PLAN)):
        damaged = bytearray(WHOLE_PLAN)
        damaged[at] ^= 0x41
        with pytest.raises(PlanError):
            check_plan(damaged)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(64, len(WHOLE_PLAN) - 1), st.integers(0, 255)),
        min_size=1,
        max_size=4,
    )
)
def test_bytes_written_over_can_never_crash_even_with_a_right_checksum(
    changes: list[tuple[int, int]],
) -> None:
    damaged = bytearray(WHOLE_PLAN)
    for at, value in changes:
        damaged[at] = value
    use(checksummed(bytes(damaged)))


@settings(max_examples=300, deadline=None)
@given(
    st.integers(10, len(WHOLE_PLAN) // 4 - 1),
    st.sampled_from([0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]),
)
def test_words_written_over_can_never_crash_even_with_a_right_checksum(
    word: int, value: int
) -> None:
    damaged = bytearray(WHOLE_PLAN)
    damaged[word * 4 : word * 4 + 4] = value.to_bytes(4, "little")
    use(checksummed(bytes(damaged)))


def test_the_checks_are_each_named_in_what_they_say() -> None:
    seen = set()
    for word in range(10, len(WHOLE_PLAN) // 4):
        damaged = bytearray(WHOLE_PLAN)
        damaged[word * 4 : word * 4 + 4] = b"\xfe\xff\xff\x7f"
        try:
            check_plan(checksummed(bytes(damaged)))
        except PlanError as e:
            seen.add(str(e).split("[")[0].split(":")[0].split(" is not within")[0])
    for section in (
        "listeners",
        "hosts",
        "host_slots",
        "looks",
        "paths",
        "path_slots",
        "candidates",
        "routes",
        "rewrites",
        "chains",
        "steps",
        "targets",
        "objects",
        "networks",
        "stats",
    ):
        assert any(section in what for what in seen), section


# -- a little at a time --------------------------------------------------------------------

#: More patterns than a worker makes between two other things.
PATTERNS = 400


def with_patterns(count: int = PATTERNS) -> bytes:
    """The plan of a host with so many regular expressions."""
    return build_plan(
        PlanModel(
            tuple(Route(f"r{i}", (Match(f"/s{i}/[a-z]+", regex=True),), NONE) for i in range(count))
        )
    )


def test_large_tables_are_looked_at_a_little_at_a_time() -> None:
    plan = build_plan(PlanModel(tuple(route(f"r{i}") for i in range(5000))))
    *steps, made = load_slices(plan, BUILDERS)
    assert len(steps) > 20
    assert made.route_count == 5000


@pytest.mark.parametrize("count", [1, 32, 33, PATTERNS])
def test_sets_of_expressions_are_made_beside_the_loop(count: int) -> None:
    *steps, made = load_slices(with_patterns(count), BUILDERS)
    assert steps
    for i in (0, count - 1):
        assert route_doors.match(made, b"h", b"/s%d/abc" % i, 1)[0] == i


def test_a_load_that_is_given_up_ends_what_it_began() -> None:
    for _ in range(20):
        steps = load_slices(with_patterns(), BUILDERS)
        for _ in range(3):
            next(steps)
        steps.close()


@pytest.mark.parametrize("count", [3, PATTERNS])
def test_an_expression_that_is_none_is_named(count: int) -> None:
    plan = bytearray(with_patterns(count))
    at = plan.index(b"/s2/[a-z]+")
    plan[at : at + 10] = b"/s2/[a-z)+"
    with pytest.raises(PlanError, match=r"regexes\[2\] is not a pattern"):
        load_plan(checksummed(bytes(plan)), BUILDERS)
