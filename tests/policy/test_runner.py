"""The runner's own promises, beside those that every policy is held to by the kit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fastgw.ext.testing.policies import ScriptedPolicy
from fastgw.ext.testing.policy_doors import HidesFields, SuspendsWithoutTicket
from tests.policy.door import Door, policy

Doors = Callable[..., Door]


def would_respond(door: Door) -> list[dict[str, Any]]:
    """What shadow policies would have answered."""
    shadow = door.rig.records[0]["shadow"]
    return list(shadow["would_respond"]) if shadow else []


@pytest.mark.parametrize("action", ["raise", ("respond", 499, b"other")])
def test_passed_failure_leaves_the_reply_alone(door: Doors, action: Any) -> None:
    """On the way back the reply's body is still to be sent."""
    mode = "enforce" if action == "raise" else "shadow"
    odd = (ScriptedPolicy("odd", {"on_response": action}), mode, "pass")
    stream = door(odd, policy("respond", body="mine\n")).ask()
    assert (stream.status, bytes(stream.body)) == (200, b"mine\n")


def test_cancelled_policy_does_not_change_the_reply(door: Doors) -> None:
    waits = ScriptedPolicy(
        "waits",
        {
            "on_response": "suspend",
            "on_resume": {"cancelled": ("respond", 499, b"late")},
        },
    )
    d = door(waits)
    stream = d.send(method="POST", last=False)
    d.attempt.answer(200, length=5)
    stream.break_body()
    d.rig.turn()
    assert waits.calls[1] == ("on_resume", "cancelled")
    assert stream.status == 400
    assert b"bad_chunk" in bytes(stream.body)


def test_timeout_of_one_policy_lets_the_next_wait(door: Doors) -> None:
    first = ScriptedPolicy("first", {"on_request": "suspend"}, timeout_ms=100)
    second = ScriptedPolicy("second", {"on_request": "suspend"}, timeout_ms=10000)
    d = door((first, "enforce", "pass"), second)
    stream = d.send()
    d.rig.pass_ms(200)
    assert second.fire()
    d.answer()
    assert stream.status == 200


@pytest.mark.parametrize("pass_failures", [False, True])
def test_suspend_without_ticket_is_a_failure(door: Doors, pass_failures: bool) -> None:
    odd = (SuspendsWithoutTicket(), "enforce", "pass" if pass_failures else "reject")
    d = door(odd)
    assert d.ask().status == (200 if pass_failures else 500)
    assert "SUSPEND without a ticket" in d.logged


def test_suspend_in_on_log_is_a_failure(door: Doors) -> None:
    d = door(ScriptedPolicy("odd", {"on_log": "suspend"}))
    assert d.ask().status == 200
    assert "on_log failed" in d.logged


# -- shadow ------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["on_request", "on_attempt", "on_response"])
def test_shadow_failure_is_noted(door: Doors, hook: str) -> None:
    odd = ScriptedPolicy("odd", {hook: "raise"})
    d = door((odd, "shadow"))
    assert d.ask().status == 200
    assert would_respond(d) == [
        {"policy": "odd", "hook": hook, "status": 500, "reason": "policy_failed"}
    ]
    passing = door((odd, "shadow", "pass"))
    passing.ask()
    assert would_respond(passing) == []


def test_shadow_timeout_is_noted(door: Doors) -> None:
    script = {"on_request": "suspend", "on_resume": {"timeout": ("reason", "policy_timeout")}}
    for failures, noted in (("reject", 1), ("pass", 0)):
        odd = ScriptedPolicy("odd", script, timeout_ms=100)
        d = door((odd, "shadow", failures))
        d.send()
        d.rig.pass_ms(200)
        d.answer()
        assert [w["reason"] for w in would_respond(d)] == ["policy_timeout"] * noted


def test_shadow_ticketless_is_noted(door: Doors) -> None:
    d = door((SuspendsWithoutTicket(), "shadow"))
    assert d.ask().status == 200
    assert would_respond(d)[0]["reason"] == "policy_failed"
    assert "SUSPEND without a ticket" in d.logged


@pytest.mark.parametrize("before", [[], [(HidesFields(), "enforce")]])
def test_shadow_hides_nothing_of_an_attempt(door: Doors, before: list[Any]) -> None:
    d = door(*before, (HidesFields(), "shadow"))
    d.ask("/", [("X-A", "1")])
    assert ("X-A: 1" in d.upstream) == (not before)
