"""Shadow: nothing a client or an upstream can see differs from `mode: off`."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.ext.testing.policies import ScriptedPolicy
from fastgw.ext.testing.sinks import FakeSink

from .conftest import Bed, MakeBed

EDIT = ("all", [("set", "x-shadow", "1"), ("remove", "x-keep"), ("provide", "who", "me")])
SCRIPTS: dict[str, dict[str, Any]] = {
    "edits heads": {
        "on_request": EDIT,
        "on_attempt": ("set", "x-shadow", "1"),
        "on_response": EDIT,
        "on_log": EDIT,
    },
    "answers": {
        "on_request": ("respond", 403, b"no"),
        "on_attempt": ("respond", 503, b""),
        "on_response": ("all", [("status", 500), ("respond", 500, b"x")]),
    },
    "answers bodies": {
        "on_request_chunk": ("respond", 403, b"no"),
        "on_response_chunk": ("reason", "memory"),
    },
    "emits": {
        "on_request_chunk": ("emit", [b"one", b"two"]),
        "on_response_chunk": ("more", [b"x", b"y", b"z"]),
    },
    "wants it whole": {
        "on_request_body": ("replace", b"other"),
        "on_response_body": ("replace", b"other"),
    },
    "answers whole bodies": {
        "on_request_body": ("respond", 422, b""),
        "on_response_body": ("respond", 502, b""),
    },
    "suspends": {
        "on_request": "suspend",
        "on_request_chunk": "suspend",
        "on_attempt": "suspend",
        "on_response": "suspend",
        "on_response_chunk": "suspend",
        "on_response_body": "suspend",
        "on_log": "suspend",
        "on_resume": ("respond", 504, b""),
    },
    "resumes at once": {"on_request": ("early", "done"), "on_resume": ("respond", 403, b"")},
    "raises": {
        "on_request": "raise",
        "on_request_chunk": "raise",
        "on_attempt": "raise",
        "on_response": "raise",
        "on_response_chunk": "raise",
        "on_log": "raise",
    },
    "opens and adds": {
        "on_request": ("sink", FakeSink()),
        "on_response": "another",
    },
}


def drive(b: Bed, slow: bool, expect: bool) -> tuple[list[Any], list[bytes], list[Any]]:
    """The same traffic each time; what was seen on both wires."""
    s = b.request(
        "PUT",
        "/p?q",
        [("X-Keep", "1")],
        last=False,
        expect=expect,
        window=3 if slow else 1 << 20,
    )
    a = b.attempts[0]
    if expect:
        a.inform(100)
    s.push(b"abc")
    s.push(b"def", counted=True)
    a.fail("upstream_reset", reused=True, sent=True)
    a = b.attempts[1]
    s.push_trailers([("t", "1")])
    a.answer(200, [("ETag", '"1"'), ("X-Keep", "2")], length=6)
    a.feed(b"ghi")
    a.feed(b"jkl", True, counted=True)
    while s.live:
        s.grant(2)
    frames = [(kind, payload) for _, kind, payload in b.conn.frames]
    return frames, [bytes(x.wire) for x in b.attempts], [x.events for x in b.attempts]


@pytest.mark.parametrize("expect", [False, True])
@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("name", SCRIPTS)
def test_both_wires_are_the_same_as_with_off(
    bed: MakeBed,
    name: str,
    slow: bool,
    expect: bool,
) -> None:
    off = bed([(ScriptedPolicy("p", SCRIPTS[name]), "off")])
    shadow = bed([(ScriptedPolicy("p", SCRIPTS[name]), "shadow")])
    want, got = drive(off, slow, expect), drive(shadow, slow, expect)
    assert want[0] == got[0] and want[1] == got[1]
    if not slow:
        assert want[2] == got[2]


def test_what_a_shadow_policy_would_have_answered_is_noted(bed: MakeBed) -> None:
    script = {
        "on_request": ("all", [("provide", "who", "me"), ("respond", 403, b"no")]),
        "on_response": ("reason", "ip_denied"),
    }
    b = bed([(ScriptedPolicy("p", script), "shadow")])
    s = b.request("GET", "/")
    b.attempts[0].answer(200, last=True)
    assert s.status == 200
    record = b.rig.records[0]
    assert record["provided"] is None and record["reason"] == "none"
    assert record["shadow"] == {
        "facts": {"who": "me"},
        "would_respond": [
            {"policy": "p", "hook": "on_request", "status": 403, "reason": "policy_reply"},
            {"policy": "p", "hook": "on_response", "status": 403, "reason": "ip_denied"},
        ],
    }


def test_a_shadow_policy_that_waits_is_told_and_noted_but_holds_nothing(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_request": "suspend", "on_resume": ("respond", 429, b"")})
    b = bed([(policy, "shadow")])
    s = b.request("GET", "/")
    assert policy.fire() and not policy.fire()
    b.attempts[0].answer(200, last=True)
    assert s.status == 200
    assert b.rig.records[0]["shadow"]["would_respond"][0]["status"] == 429
    s = b.request("GET", "/")
    b.rig.pass_ms(1100)
    assert ("on_resume", "timeout") in policy.calls
    b.attempts[1].answer(200, last=True)
    s = b.request("GET", "/")
    b.attempts[2].answer(200, last=True)
    assert policy.calls[-2:] == [("on_resume", "cancelled"), ("on_release", None)]


def test_a_shadow_body_that_is_too_long_for_its_policy_passes(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_response_body": ("respond", 500, b"")}, limit=4)
    b = bed([(policy, "shadow")])
    s = b.request("GET", "/")
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"abc")
    b.attempts[0].feed(b"def", True)
    assert s.body == b"abcdef" and policy.names() == ["on_release"]
