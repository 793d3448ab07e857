"""Attempts: retries, replays, rivals."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.ext.testing.origin import FakeTarget, StaticTarget
from fastgw.ext.testing.policies import ScriptedPolicy

from .conftest import MakeBed

RESET = "upstream_reset"


def test_an_unsent_request_is_tried_up_to_max_tries(bed: MakeBed) -> None:
    b = bed()
    s = b.request("POST", "/", last=False)
    for i in range(3):
        assert len(b.attempts) == i + 1 and not s.ends
        b.attempts[i].fail("connect_refused", connected=False)
    assert len(b.attempts) == 3 and s.status == 502
    assert b.rig.records[0]["reason"] == "connect_refused" and b.rig.records[0]["tries"] == 3


@pytest.mark.parametrize("peer_closed_first", [False, True])
def test_a_connected_but_unsent_request_of_any_method_is_tried_again(
    bed: MakeBed,
    peer_closed_first: bool,
) -> None:
    b = bed()
    s = b.request("POST", "/")
    b.attempts[0].fail(RESET, reused=True, peer_closed_first=peer_closed_first)
    b.attempts[1].answer(201, last=True)
    assert s.status == 201


def test_an_idempotent_request_goes_once_more_after_a_stale_connection(bed: MakeBed) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False)
    s.push(b"one")
    b.attempts[0].fail(RESET, reused=True, sent=True)
    assert b.attempts[1].wire == b.attempts[0].wire
    s.push(b"two", True)
    b.attempts[1].fail(RESET, reused=True, sent=True)
    assert len(b.attempts) == 2 and s.status == 502
    assert b.rig.records[0]["reason"] == RESET


@pytest.mark.parametrize(
    "how",
    [
        {"reused": False, "sent": True},
        {"reused": True, "sent": True, "reason": "response_head_timeout"},
    ],
)
def test_an_idempotent_request_in_doubt_is_not_tried_again(
    bed: MakeBed,
    how: dict[str, Any],
) -> None:
    b = bed()
    s = b.request("GET", "/")
    b.attempts[0].fail(how.pop("reason", RESET), **how)
    assert len(b.attempts) == 1 and s.status in (502, 504)


def test_a_request_in_doubt_that_is_not_idempotent_says_so(bed: MakeBed) -> None:
    b = bed()
    s = b.request("POST", "/")
    b.attempts[0].fail(RESET, reused=True, sent=True)
    assert len(b.attempts) == 1 and s.status == 502
    assert b.rig.records[0]["reason"] == "upstream_reset_ambiguous"


def test_a_target_may_forbid_retries(bed: MakeBed) -> None:
    b = bed(target=FakeTarget(retry=False))
    s = b.request("GET", "/")
    b.attempts[0].fail("connect_refused", connected=False)
    assert len(b.attempts) == 1 and s.status == 502


def test_what_the_gateway_itself_lacks_is_not_tried_again(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    b.attempts[0].fail("no_endpoint", connected=False)
    assert len(b.attempts) == 1 and s.status == 503


@pytest.mark.parametrize("counted", [False, True])
def test_64_kib_are_replayed_with_their_trailers(bed: MakeBed, counted: bool) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False)
    for i in range(64):
        s.push(bytes([i]) * 1024, counted=counted)
    s.push_trailers([("x-sum", "9")])
    b.attempts[0].fail(RESET, reused=True, sent=True)
    assert b.attempts[1].wire == b.attempts[0].wire
    assert b.attempts[1].wire.endswith(b"0\r\nx-sum: 9\r\n\r\n")
    b.attempts[1].answer(200, last=True)
    assert s.ends == ["finish"]


def test_one_byte_more_than_64_kib_is_not_replayable(bed: MakeBed) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False)
    s.push(b"x" * 65536)
    s.push(b"y", True)
    b.attempts[0].fail(RESET, reused=True, sent=True)
    assert len(b.attempts) == 1 and s.status == 502


def test_small_pieces_are_kept_in_few_buffers(bed: MakeBed) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False)
    for _ in range(400):
        s.push(b"x" * 100)
    assert b.rig.in_use < 65536
    s.leave()


def test_a_replay_stops_where_the_attempt_has_no_room_and_goes_on(bed: MakeBed) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False)
    for _ in range(4):
        s.push(b"xxxx")
    b.target.on_begin = lambda a: setattr(a, "window", 4)
    b.attempts[0].fail(RESET, reused=True, sent=True)
    a = b.attempts[1]
    s.push(b"rest", True)
    assert a.wire.count(b"xxxx") == 1 and b"rest" not in a.wire
    while b"rest" not in a.wire:
        a.grant(4)
    assert a.wire.count(b"xxxx") == 4
    a.answer(200, last=True)
    assert s.ends == ["finish"]


def test_an_early_answer_while_the_replay_is_under_way_loses_nothing(bed: MakeBed) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False)
    for _ in range(3):
        s.push(b"xxxx")
    s.push(b"", True)
    b.target.on_begin = lambda a: setattr(a, "window", 4)
    b.attempts[0].fail(RESET, reused=True, sent=True)
    a = b.attempts[1]
    a.answer(200, last=True)
    a.grant(1 << 20)
    assert a.wire.count(b"xxxx") == 3 and s.ends == ["finish"]


def test_a_failure_within_send_chunk_goes_on_with_the_next_attempt(bed: MakeBed) -> None:
    b = bed()

    def break_first(a: Any, event: object) -> None:
        if a is b.attempts[0] and event == ("chunk", b"two", False):
            b.attempts[0].fail(RESET, reused=True, sent=True)

    b.target.on_told = break_first
    s = b.request("PUT", "/", last=False)
    s.push(b"one")
    s.push(b"two")
    s.push(b"three", True)
    got = [e[1] for e in b.attempts[1].events if e[0] == "chunk"]
    assert got == [b"one", b"two", b"three"]
    b.attempts[1].answer(200, last=True)
    assert s.ends == ["finish"]


def test_the_same_through_a_pipe(bed: MakeBed) -> None:
    policy = ScriptedPolicy(
        "p",
        {
            "on_request_chunk": lambda seen: ("emit", [seen.chunk.upper()] if seen.chunk else []),
        },
    )
    b = bed([(policy, "enforce")])

    def break_first(a: Any, event: object) -> None:
        if a is b.attempts[0] and event == ("chunk", b"TWO", False):
            b.attempts[0].fail(RESET, reused=True, sent=True)

    b.target.on_told = break_first
    s = b.request("PUT", "/", last=False)
    for piece in (b"one", b"two", b"three"):
        s.push(piece)
    s.push(b"", True)
    assert b.attempts[1].wire.endswith(b"3\r\nONE\r\n3\r\nTWO\r\n5\r\nTHREE\r\n0\r\n\r\n")
    assert [c for c in policy.calls if c[0] == "on_request_chunk"] == [
        ("on_request_chunk", (b"one", False)),
        ("on_request_chunk", (b"two", False)),
        ("on_request_chunk", (b"three", False)),
        ("on_request_chunk", (b"", True)),
    ]
    b.attempts[1].answer(200, last=True)
    assert s.ends == ["finish"]


def test_a_body_is_held_while_the_next_attempt_opens(bed: MakeBed) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False)
    s.push(b"one")
    b.target.auto_ready = False
    b.attempts[0].fail(RESET, reused=True, sent=True)
    assert not s.asked
    s.push(b"two", True)
    b.attempts[1].ready()
    assert b.attempts[1].wire.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    b.attempts[1].answer(200, last=True)


def test_100_continue_is_awaited_anew_after_a_retry(bed: MakeBed) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False, expect=True)
    b.attempts[0].fail(RESET, reused=True)
    assert not s.asked_ever
    b.attempts[1].inform(100)
    s.push(b"x", True)
    b.attempts[1].answer(200, last=True)
    assert s.ends == ["finish"]


def test_the_first_of_two_attempts_is_cancelled_when_the_second_wins(bed: MakeBed) -> None:
    policy = ScriptedPolicy(
        "p",
        {
            "on_attempt": [("set", "x-try", "1"), ("set", "x-try", "2")],
            "on_response": "continue",
        },
    )
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    assert s.rival()
    first, second = b.attempts
    assert b"x-try: 1\r\n" in first.wire and b"x-try: 2\r\n" in second.wire
    second.answer(200, length=2)
    assert first.events[-1] == "cancel:cancelled"
    first.answer(500, last=True)
    second.feed(b"ok", True)
    assert s.status == 200 and s.body == b"ok" and s.ends == ["finish"]
    assert policy.names().count("on_response") == 1


@pytest.mark.parametrize("ready", [False, True])
def test_the_older_attempt_may_win_in_whatever_state_the_rival_is(
    bed: MakeBed,
    ready: bool,
) -> None:
    b = bed()
    s = b.request("PUT", "/", last=False)
    s.push(b"body", True)
    b.target.auto_ready = ready
    assert s.rival()
    first, second = b.attempts
    assert second.wire == (first.wire if ready else b"")
    first.answer(200, last=True)
    assert second.over and second.events[-1] == "cancel:cancelled"
    assert s.ends == ["finish"]


def test_a_rival_that_fails_leaves_the_older_attempt_at_work(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    b.target.auto_ready = False
    assert s.rival()
    b.attempts[1].fail("connect_refused", connected=False)
    assert s.ends == []
    b.attempts[0].answer(200, last=True)
    assert s.status == 200 and s.ends == ["finish"]


def test_when_the_older_attempt_fails_the_rival_goes_on(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    assert s.rival()
    b.attempts[0].fail(RESET, sent=True)
    b.attempts[1].answer(200, last=True)
    assert s.ends == ["finish"]


def test_no_rival_without_a_whole_replayable_request(bed: MakeBed) -> None:
    b = bed(target=FakeTarget(max_tries=2))
    s = b.request("PUT", "/", last=False)
    assert not s.rival()
    s.push(b"x" * 70000, True)
    assert not s.rival()
    b.attempts[0].answer(200, last=True)
    s = b.request("GET", "/")
    assert s.rival() and not s.rival()
    s.leave()
    assert all(a.over for a in b.attempts)


def test_an_attempt_that_fails_while_its_policy_waits(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_attempt": ["suspend", "continue"]})
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    b.attempts[0].fail("connect_refused", connected=False)
    assert ("on_resume", "cancelled") in policy.calls
    assert not policy.fire(0)
    b.attempts[1].answer(200, last=True)
    assert s.ends == ["finish"] and b.rig.dispatcher.tickets_stale == 1


def test_a_target_that_raises_is_an_internal_error(bed: MakeBed) -> None:
    b = bed()
    b.target.raises = True
    s = b.request("GET", "/")
    assert s.status == 500 and b.rig.records[0]["reason"] == "internal"
    assert "no attempt for a test" in b.rig.logged[0][1]


def test_an_attempt_outlives_the_call_in_which_it_ends_its_exchange(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_response": "suspend", "on_response_body": "continue"})
    b = bed([(policy, "enforce")], target=StaticTarget(b"static"))
    s = b.request("GET", "/")
    policy.fire()  # the fake aborts if it is freed while it is being called
    assert s.body == b"static" and s.ends == ["finish"]
