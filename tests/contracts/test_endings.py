"""Every state an exchange may be ended in, by every way of ending it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fastgw.ext.testing.origin import FakeTarget
from fastgw.ext.testing.policies import ScriptedPolicy

from .conftest import Bed, MakeBed

Start = Callable[[MakeBed], tuple[Bed, Any]]
TIMEOUTS = {"timeouts": {"request": 500}}


def waits(hook: str) -> Start:
    """A policy waits in `hook`."""

    def start(bed: MakeBed) -> tuple[Bed, Any]:
        b = bed([(ScriptedPolicy("p", {hook: ("suspend", 60000)}), "enforce")], **TIMEOUTS)
        s = b.request("POST", "/", last=False)
        s.push(b"abc", True)
        if "response" in hook:
            b.attempts[0].answer(200)
            b.attempts[0].feed(b"x", True)
        return b, s

    return start


def opening(bed: MakeBed) -> tuple[Bed, Any]:
    """An attempt is opening."""
    b = bed(target=FakeTarget(auto_ready=False), **TIMEOUTS)
    return b, b.request("POST", "/", last=False)


def body(bed: MakeBed) -> tuple[Bed, Any]:
    """The body flows, the upstream has no room."""
    b = bed(**TIMEOUTS)
    s = b.request("POST", "/", last=False)
    b.attempts[0].window = 1
    s.push(b"abc", counted=True)
    s.push(b"def", counted=True)
    return b, s


def collecting(bed: MakeBed) -> tuple[Bed, Any]:
    """The body is being read whole."""
    b = bed([(ScriptedPolicy("p", {"on_request_body": "continue"}), "enforce")], **TIMEOUTS)
    s = b.request("POST", "/", last=False)
    s.push(b"abc", counted=True)
    return b, s


def awaited(bed: MakeBed) -> tuple[Bed, Any]:
    """The answer is awaited, a rival is under way."""
    b = bed(**TIMEOUTS)
    s = b.request("PUT", "/", last=False)
    s.push(b"abc", True)
    s.rival()
    return b, s


def collecting_answer(bed: MakeBed) -> tuple[Bed, Any]:
    """The answer is being read whole."""
    b = bed([(ScriptedPolicy("p", {"on_response_body": "continue"}), "enforce")], **TIMEOUTS)
    s = b.request("GET", "/")
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"abc", counted=True)
    return b, s


def answering(bed: MakeBed) -> tuple[Bed, Any]:
    """The answer flows, the client has no room, the request is not over."""
    policy = ScriptedPolicy("p", {"on_response_chunk": ("more", [b"one", b"two", b"three"])})
    b = bed([(policy, "enforce")], **TIMEOUTS)
    s = b.request("POST", "/", last=False, window=1)
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"abc", counted=True)
    b.attempts[0].feed(b"abc", counted=True)
    return b, s


def answered(bed: MakeBed) -> tuple[Bed, Any]:
    """The answer is whole, the request is not."""
    b = bed(**TIMEOUTS)
    s = b.request("POST", "/", last=False)
    b.attempts[0].answer(200, last=True)
    return b, s


def tunnel(bed: MakeBed) -> tuple[Bed, Any]:
    """A tunnel is open."""
    b = bed(**TIMEOUTS)
    s = b.request("GET", "/", protocol="websocket")
    b.attempts[0].answer(101, tunnel=True)
    return b, s


def half_tunnel(bed: MakeBed) -> tuple[Bed, Any]:
    """One direction of a tunnel has ended."""
    b, s = tunnel(bed)
    b.attempts[0].feed(b"", True)
    return b, s


STARTS: dict[str, Start] = {
    "waits in on_request": waits("on_request"),
    "waits in on_request_chunk": waits("on_request_chunk"),
    "waits in on_request_body": waits("on_request_body"),
    "waits in on_attempt": waits("on_attempt"),
    "waits in on_response": waits("on_response"),
    "waits in on_response_chunk": waits("on_response_chunk"),
    "waits in on_response_body": waits("on_response_body"),
    "opening": opening,
    "body": body,
    "collecting": collecting,
    "awaited": awaited,
    "collecting answer": collecting_answer,
    "answering": answering,
    "answered": answered,
    "tunnel": tunnel,
    "half tunnel": half_tunnel,
}
#: Where a response head is not there yet, so that the request's deadline still runs.
BEFORE_HEAD = (
    "waits in on_request",
    "waits in on_request_chunk",
    "waits in on_request_body",
    "waits in on_attempt",
    "opening",
    "body",
    "collecting",
    "awaited",
)


@pytest.mark.parametrize("name", STARTS)
def test_the_client_is_gone(bed: MakeBed, name: str) -> None:
    b, s = STARTS[name](bed)
    assert not s.ends
    s.leave()
    assert s.ends == ["gone"] and all(a.over for a in b.attempts)
    assert b.rig.records[0]["reason"] == "client_reset"
    assert b.rig.records[0]["decided_by"] == "client"


@pytest.mark.parametrize("name", STARTS)
def test_the_client_is_gone_as_soon_as_it_is_told_anything(bed: MakeBed, name: str) -> None:
    b, s = STARTS[name](bed)
    s.on_event = lambda stream, kind: stream.leave()
    for a in list(b.attempts):
        a.answer(200)
        a.feed(b"y" * 10)
        a.fail("upstream_truncated", sent=True)
    if s.live:
        s.leave()
    assert "gone" in s.ends or s.ends


@pytest.mark.parametrize("name", STARTS)
def test_the_deadline_passes(bed: MakeBed, name: str) -> None:
    b, s = STARTS[name](bed)
    b.rig.pass_ms(600)
    if name in BEFORE_HEAD:
        assert s.status == 504 and s.ends == ["finish"]
        assert b.rig.records[0]["reason"] == "request_timeout"
    else:
        assert not s.ends
        s.leave()


@pytest.mark.parametrize("name", STARTS)
def test_the_upstream_fails(bed: MakeBed, name: str) -> None:
    b, s = STARTS[name](bed)
    for a in list(b.attempts):
        a.fail("upstream_bad_head", sent=True)
    if s.live:
        s.leave()
    assert len(s.ends) == 1


@pytest.mark.parametrize("name", STARTS)
def test_the_request_turns_out_malformed(bed: MakeBed, name: str) -> None:
    b, s = STARTS[name](bed)
    s.break_body("bad_chunk")
    assert len(s.ends) == 1
    if name in BEFORE_HEAD:
        assert s.status == 400 and b.rig.records[0]["reason"] == "bad_chunk"
