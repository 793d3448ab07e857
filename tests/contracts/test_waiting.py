"""A policy that suspends at every hook: fired, cancelled, timed out, late, twice."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.ext.testing.policies import ScriptedPolicy, Seen

from .conftest import Bed, MakeBed

HOOKS = [
    "on_request",
    "on_request_chunk",
    "on_request_body",
    "on_attempt",
    "on_response",
    "on_response_chunk",
    "on_response_body",
]
AFTER_HEAD = ("on_response_chunk",)


def begin(bed: MakeBed, hook: str, resume: Any = "continue", *how: str) -> tuple[Bed, Any, Any]:
    """Traffic up to where the policy waits."""
    policy = ScriptedPolicy("p", {hook: ["suspend", "continue"], "on_resume": resume})
    b = bed([(policy, "enforce", *how)])
    s = b.request("POST", "/", last=False)
    s.push(b"abc")
    s.push(b"", True)
    if "response" in hook:
        b.attempts[0].answer(200, length=3)
        b.attempts[0].feed(b"def")
        b.attempts[0].feed(b"", True)
    assert policy.names() == [hook] and len(policy.tickets) == 1 and not s.ends
    return b, s, policy


def finish(b: Bed, s: Any, hook: str) -> None:
    """The rest of the traffic."""
    if "response" not in hook:
        b.attempts[0].answer(200, length=3)
        b.attempts[0].feed(b"def", True)
    assert s.status == 200 and s.ends == ["finish"]
    got = b"".join(e[1] for e in b.attempts[0].events if e[0] == "chunk")
    assert got == b"abc" and s.body == b"def"


@pytest.mark.parametrize("hook", HOOKS)
def test_it_is_resumed_once_and_traffic_goes_on(bed: MakeBed, hook: str) -> None:
    b, s, policy = begin(bed, hook)
    assert policy.fire(0)
    assert not policy.fire(0)
    assert policy.calls.count(("on_resume", "done")) == 1
    finish(b, s, hook)
    assert not policy.fire(0, "timeout")
    assert b.rig.dispatcher.tickets_stale == 2


@pytest.mark.parametrize("hook", HOOKS)
def test_it_times_out_and_fails_closed(bed: MakeBed, hook: str) -> None:
    b, s, policy = begin(bed, hook, {"timeout": ("reason", "policy_timeout")})
    b.rig.pass_ms(900)
    assert "on_resume" not in policy.names()
    b.rig.pass_ms(200)
    assert ("on_resume", "timeout") in policy.calls
    if hook in AFTER_HEAD:
        assert s.ends == ["reset:policy_timeout"]
    else:
        assert s.status == 504 and s.ends == ["finish"]
    assert not policy.fire(0)


@pytest.mark.parametrize("hook", HOOKS)
def test_it_times_out_and_passes_where_failures_pass(bed: MakeBed, hook: str) -> None:
    b, s, _ = begin(bed, hook, {"timeout": ("reason", "policy_timeout")}, "pass")
    b.rig.pass_ms(1100)
    finish(b, s, hook)


@pytest.mark.parametrize("hook", HOOKS)
def test_after_a_timeout_it_may_not_wait_again(bed: MakeBed, hook: str) -> None:
    b, s, policy = begin(bed, hook, "suspend")
    assert policy.fire(0)
    assert len(policy.tickets) == 2 and not s.ends
    b.rig.pass_ms(1100)
    assert s.ends == (["reset:policy_failed"] if hook in AFTER_HEAD else ["finish"])
    assert s.status == (200 if hook in AFTER_HEAD else 500)
    assert not policy.fire(1) and not policy.fire(2)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_client_leaves_while_it_waits(bed: MakeBed, hook: str) -> None:
    b, s, policy = begin(bed, hook, ("respond", 500, b"nobody hears this"))
    s.leave()
    assert policy.calls[1:] == [("on_resume", "cancelled"), ("on_release", None)]
    assert all(a.over for a in b.attempts)
    assert not policy.fire(0)
    b.rig.turn()
    b.rig.pass_ms(5000)
    assert policy.calls.count(("on_resume", "cancelled")) == 1


@pytest.mark.parametrize("hook", HOOKS)
def test_its_failure_on_resuming_is_a_policy_failure(bed: MakeBed, hook: str) -> None:
    b, _, policy = begin(bed, hook, "raise")
    policy.fire()
    assert b.rig.records[0]["reason"] == "policy_failed"
    assert "a policy failed for a test" in b.rig.logged[0][1]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_ticket_fired_before_the_hook_returned_is_dealt_with_then(
    bed: MakeBed,
    hook: str,
) -> None:
    order: list[str] = []

    def early(seen: Seen) -> tuple[str, str]:
        order.append("hook")
        return ("early", "done")

    def resume(seen: Seen) -> str:
        order.append("resume")
        return "continue"

    policy = ScriptedPolicy("p", {hook: early, "on_resume": resume})
    b = bed([(policy, "enforce")])
    s = b.request("POST", "/", last=False)
    s.push(b"abc", True)
    b.attempts[0].answer(200, length=3)
    b.attempts[0].feed(b"def", True)
    assert order[:2] == ["hook", "resume"] and s.body == b"def" and s.ends == ["finish"]
    assert b"".join(e[1] for e in b.attempts[0].events if e[0] == "chunk") == b"abc"


@pytest.mark.parametrize("hook", HOOKS)
def test_the_upstream_fails_while_it_waits(bed: MakeBed, hook: str) -> None:
    b, s, policy = begin(bed, hook)
    if hook in ("on_request", "on_request_body"):
        s.leave()
        return
    b.attempts[-1].fail("upstream_truncated", sent=True)
    if s.live:
        policy.fire()
    assert len(s.ends) == 1


def test_the_whole_requests_deadline_ends_a_wait(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_request": ("suspend", 60000)})
    b = bed([(policy, "enforce")], timeouts={"request": 500})
    s = b.request("GET", "/")
    b.rig.pass_ms(600)
    assert s.status == 504 and b.rig.records[0]["reason"] == "request_timeout"
    assert policy.names() == ["on_request", "on_resume", "on_release"]


def test_a_reply_of_a_policy_that_is_cancelled_does_not_replace_the_answer(
    bed: MakeBed,
) -> None:
    policy = ScriptedPolicy(
        "p",
        {
            "on_request": "suspend",
            "on_resume": {"cancelled": ("respond", 418, b"tea")},
        },
    )
    b = bed([(policy, "enforce")], timeouts={"request": 500})
    s = b.request("GET", "/")
    b.rig.pass_ms(600)
    assert s.status == 504 and b'"request_timeout"' in s.body


def test_a_policy_may_wait_again_and_again(bed: MakeBed) -> None:
    policy = ScriptedPolicy(
        "p",
        {
            "on_request": "suspend",
            "on_resume": ["suspend", "suspend", "continue"],
        },
    )
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    for _ in range(3):
        assert policy.fire()
    b.attempts[0].answer(200, last=True)
    assert s.ends == ["finish"]


def test_a_policy_that_resumes_itself_for_ever_has_failed(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_request": "suspend", "on_resume": ("early", "done")})
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    policy.fire()
    assert s.status == 500 and b.rig.records[0]["reason"] == "policy_failed"
    assert len(policy.tickets) < 100


def test_a_ticket_that_is_not_waited_for_is_dropped(bed: MakeBed) -> None:
    policy = ScriptedPolicy(
        "p",
        {
            "on_request": ("all", ["suspend", "continue"]),
            "on_log": "suspend",
        },
    )
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    assert b.rig.deadlines == 0 and not policy.fire()
    b.attempts[0].answer(200, last=True)
    assert s.ends == ["finish"]


def test_both_sides_may_wait_at_once(bed: MakeBed) -> None:
    up = ScriptedPolicy("up", {"on_request_chunk": ["suspend", "continue"]})
    down = ScriptedPolicy("down", {"on_response": "suspend"})
    b = bed([(up, "enforce"), (down, "enforce")])
    s = b.request("POST", "/", last=False)
    s.push(b"abc")
    b.attempts[0].answer(200, length=1)
    b.attempts[0].feed(b"x", True)
    assert s.status == 0
    down.fire()
    assert s.whole and s.ends == []
    up.fire()
    s.push(b"", True)
    assert s.ends == ["finish"]
