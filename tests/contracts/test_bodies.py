"""Policies over bodies: chunk by chunk, emitting, whole."""

from __future__ import annotations

import pytest

from fastgw.ext.testing.origin import EchoTarget, FakeTarget
from fastgw.ext.testing.policies import ScriptedPolicy, Seen

from .conftest import MakeBed


def upper(seen: Seen) -> tuple[str, list[bytes]]:
    """Pass the chunk on in capitals."""
    return ("emit", [seen.chunk.upper()] if seen.chunk else [])


@pytest.mark.parametrize("counted", [False, True])
def test_an_emitting_policy_changes_both_bodies(bed: MakeBed, counted: bool) -> None:
    policy = ScriptedPolicy("p", {"on_request_chunk": upper, "on_response_chunk": upper})
    b = bed([(policy, "enforce")])
    s = b.request("POST", "/", [("Content-Digest", "x")], last=False, length=6)
    (a,) = b.attempts
    s.push(b"abc", counted=counted)
    s.push(b"def", True, counted=counted)
    assert b"transfer-encoding: chunked" in a.wire and b"Digest" not in a.wire
    assert a.wire.endswith(b"3\r\nABC\r\n3\r\nDEF\r\n0\r\n\r\n")
    a.answer(200, [("ETag", '"1"'), ("X", "y")], length=3)
    a.feed(b"ghi", True, counted=counted)
    assert s.body == b"GHI" and s.fields == [("X", "y")] and s.ends == ["finish"]
    assert b.conn.frames[0][2][2] is None  # no length is known


def test_a_policy_with_more_to_give_is_asked_again_as_fast_as_its_reader_reads(
    bed: MakeBed,
) -> None:
    policy = ScriptedPolicy("p", {"on_response_chunk": ("more", [b"one", b"two", b"three"])})
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/", window=3)
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"in")
    assert s.body == b"one" and len(policy.calls) == 2
    s.grant(3)
    assert s.body == b"onetwo"
    s.grant(100)
    assert s.body == b"onetwothree"
    b.attempts[0].feed(b"", True)
    assert s.body == b"onetwothree" * 2 and s.ends == ["finish"]
    assert [c[1] for c in policy.calls if c[0] == "on_response_chunk"] == [
        (b"in", False),
        (b"", False),
        (b"", False),
        (b"", True),
        (b"", True),
        (b"", True),
    ]


def test_a_policy_may_swallow_everything(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_response_chunk": "continue"})
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"secret")
    b.attempts[0].feed(b"", True)
    assert s.body == b"" and s.whole and s.ends == ["finish"]


def test_a_whole_request_is_read_before_an_attempt_is_opened(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_request_body": ("replace", b"new body")})
    b = bed([(policy, "enforce")])
    s = b.request("POST", "/", last=False, expect=True)
    assert s.asked_ever and b.attempts == []
    for piece in (b"a", b"b", b"c"):
        s.push(piece)
    assert b.attempts == []
    s.push(b"", True)
    assert policy.calls == [("on_request_body", b"abc")]
    (a,) = b.attempts
    assert a.wire.endswith(b"content-length: 8\r\n\r\nnew body")
    a.answer(200, last=True)
    assert s.ends == ["finish"]


def test_a_whole_response_gets_a_length_and_its_head_waits(bed: MakeBed) -> None:
    first = ScriptedPolicy("first", {"on_response_body": ("replace", b"longer than before")})
    second = ScriptedPolicy("second", {"on_response_body": "continue"})
    b = bed([(first, "enforce"), (second, "enforce")])
    s = b.request("GET", "/")
    (a,) = b.attempts
    a.answer(200, [("ETag", '"1"')])
    a.feed(b"ab")
    assert s.status == 0
    a.feed(b"c", True)
    assert [c for c in second.calls if c[0] == "on_response_body"] == [("on_response_body", b"abc")]
    assert b.conn.frames[0][1:] == ("head", (200, (), 18, False))
    assert s.body == b"longer than before" and s.ends == ["finish"]


def test_a_whole_policy_that_changes_nothing_keeps_the_tag(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_response_body": "continue"}, changes_length=(False, False))
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    b.attempts[0].answer(200, [("ETag", '"1"')], length=3)
    b.attempts[0].feed(b"abc", True)
    assert s.fields == [("ETag", '"1"')] and s.body == b"abc"


@pytest.mark.parametrize("body", [b"", b"ab"])
def test_trailers_follow_a_whole_body(bed: MakeBed, body: bytes) -> None:
    policy = ScriptedPolicy("p", {"on_request_body": "continue", "on_response_body": "continue"})
    b = bed([(policy, "enforce")])
    s = b.request("POST", "/", last=False)
    if body:
        s.push(body)
    s.push_trailers([("a", "1")])
    (a,) = b.attempts
    assert b"transfer-encoding: chunked" in a.wire and a.wire.endswith(b"0\r\na: 1\r\n\r\n")
    a.answer(200)
    if body:
        a.feed(body)
    a.feed_trailers([("b", "2")])
    assert s.trailers == [("b", "2")] and s.body == body and s.ends == ["finish"]


def test_bodies_past_a_limit(bed: MakeBed) -> None:
    policy = ScriptedPolicy(
        "p",
        {"on_request_body": "continue", "on_response_body": "continue"},
        limit=4,
    )
    b = bed([(policy, "enforce")])
    s = b.request("POST", "/", last=False)
    s.push(b"abc")
    s.push(b"de")
    assert s.status == 413 and b.attempts == [] and s.ends == ["finish"]
    s = b.request("GET", "/")
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"abcde")
    assert s.status == 502 and b.rig.records[1]["reason"] == "upstream_body_too_large"


def test_a_target_that_wants_the_body_whole(bed: MakeBed) -> None:
    b = bed(target=FakeTarget(whole_limit=10))
    s = b.request("POST", "/", last=False)
    s.push(b"ab")
    s.push(b"cd", True)
    assert b.attempts[0].wire.endswith(b"content-length: 4\r\n\r\nabcd")
    b.attempts[0].answer(200, last=True)
    s = b.request("GET", "/")
    assert b.attempts[1].wire == b"GET / HTTP/1.1\r\n\r\n"
    b.attempts[1].answer(200, last=True)
    s = b.request("POST", "/", last=False)
    s.push(b"x" * 11)
    assert s.status == 413


def test_whole_and_chunk_policies_stand_in_line(bed: MakeBed) -> None:
    tail = ScriptedPolicy("tail", {"on_request_chunk": upper})
    body = ScriptedPolicy("body", {"on_request_body": ("replace", b"replaced")})
    head = ScriptedPolicy("head", {"on_request_chunk": upper})
    b = bed([(head, "enforce"), (body, "enforce"), (tail, "enforce")], target=EchoTarget())
    s = b.request("POST", "/", last=False)
    s.push(b"abc", True)
    assert ("on_request_body", b"ABC") in body.calls
    assert s.body == b"REPLACED" and s.ends == ["finish"]


@pytest.mark.parametrize("hook", ["on_request_chunk", "on_response_chunk"])
def test_a_chunk_hook_that_fails_may_let_its_chunk_pass(bed: MakeBed, hook: str) -> None:
    policy = ScriptedPolicy("p", {hook: "raise"})
    b = bed([(policy, "enforce", "pass")], target=EchoTarget())
    s = b.request("POST", "/", last=False)
    s.push(b"abc")
    s.push(b"def", True)
    assert s.body == b"abcdef" and s.ends == ["finish"]
    assert hook in b.rig.logged[0][1]


def test_a_chunk_hook_that_answers_after_the_head_breaks_the_answer(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_response_chunk": ("respond", 403, b"no")})
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"bad")
    assert s.ends == ["reset:policy_reply"] and s.body == b""


def test_a_body_hook_that_answers_takes_the_place_of_the_answer(bed: MakeBed) -> None:
    inner = ScriptedPolicy("inner", {"on_response_body": ("respond", 403, b"no")})
    outer = ScriptedPolicy(
        "outer", {"on_response": ("set", "x-outer", "1"), "on_response_chunk": upper}
    )
    b = bed([(outer, "enforce"), (inner, "enforce")])
    s = b.request("GET", "/")
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"bad", True)
    assert s.status == 403 and s.body == b"no" and s.ends == ["finish"]
    assert outer.names().count("on_response") == 1


def test_a_reply_goes_through_the_policies_that_were_entered(bed: MakeBed) -> None:
    outer = ScriptedPolicy(
        "outer",
        {
            "on_request": "continue",
            "on_response_chunk": upper,
            "on_response": ("set", "x-outer", "1"),
        },
    )
    inner = ScriptedPolicy("inner", {"on_request": ("respond", 401, b"who?")})
    never = ScriptedPolicy("never", {"on_request": "continue", "on_response": "continue"})
    b = bed([(outer, "enforce"), (inner, "enforce"), (never, "enforce")])
    s = b.request("POST", "/", last=False)
    assert s.status == 401 and s.body == b"WHO?" and ("x-outer", "1") in s.fields
    assert never.calls == [] and b.attempts == [] and s.ends == ["finish"]
    assert inner.names() == ["on_request", "on_release"]


def test_an_answer_without_a_body_still_ends_its_filters(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_response_chunk": upper})
    b = bed([(policy, "enforce")])
    s = b.request("HEAD", "/")
    b.attempts[0].answer(200, [("ETag", '"1"')], last=True)
    assert s.fields == [("ETag", '"1"')] and s.ends == ["finish"]
    assert ("on_response_chunk", (b"", True)) in policy.calls
