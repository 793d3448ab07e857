"""Many streams on one connection, two independent sides, windows."""

from __future__ import annotations

import random

from fastgw.ext.testing.origin import EchoTarget, StaticTarget

from .conftest import MakeBed


def test_a_plain_request_goes_out_and_its_answer_comes_back(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/a?b=c", [("Accept", "*/*")])
    (a,) = b.attempts
    assert a.wire == b"GET /a?b=c HTTP/1.1\r\nAccept: */*\r\n\r\n"
    a.answer(200, [("X-One", "1")], length=3)
    a.feed(b"abc", True)
    assert (s.status, s.fields, s.ends) == (200, [("X-One", "1")], ["finish"])
    assert s.body == b"abc"
    assert b.rig.records[0]["route"] == "/"


def test_100_interleaved_streams_each_get_their_own_answer(bed: MakeBed) -> None:
    b = bed()
    rnd = random.Random(8)
    streams = [b.request("POST", f"/{i}", last=False, window=300) for i in range(100)]
    attempts = list(b.attempts)
    sent = {s.id: b"" for s in streams}
    steps = [i for i in range(100) for _ in range(8)]
    rnd.shuffle(steps)
    turn = dict.fromkeys(range(100), 0)
    for i in steps:
        n, s, a = turn[i], streams[i], attempts[i]
        turn[i] += 1
        piece = bytes([i]) * rnd.randrange(1, 200)
        if n == 1:
            a.answer(200, [("x-id", str(i))])
        elif n in (2, 4):
            a.feed(piece, counted=bool(n & 2))
        elif n == 6:
            a.feed_trailers([("x-sum", str(i))])
        else:
            sent[s.id] += piece
            s.push(piece, n == 7, counted=bool(n & 1))
        if rnd.random() < 0.3:
            s.grant(500)
    for i, (s, a) in enumerate(zip(streams, attempts, strict=True)):
        s.grant(1 << 20)
        assert s.fields == [("x-id", str(i))]
        assert set(s.body) == {i} and s.trailers == [("x-sum", str(i))]
        got = b"".join(e[1] for e in a.events if e[0] == "chunk")
        assert got == sent[s.id]
        assert s.ends == ["finish"]
    order = [frame[0] for frame in b.conn.frames if frame[1] == "data"]
    assert order != sorted(order)


def test_an_answer_may_begin_and_end_before_the_request_with_trailers_both_ways(
    bed: MakeBed,
) -> None:
    b = bed()
    s = b.request("POST", "/", last=False)
    (a,) = b.attempts
    a.answer(200)
    a.feed(b"early")
    s.push(b"one")
    a.feed_trailers([("grpc-status", "0")])
    assert s.whole and s.trailers == [("grpc-status", "0")] and s.ends == []
    s.push(b"two")
    s.push_trailers([("x-check", "ok")])
    assert a.wire.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\nx-check: ok\r\n\r\n")
    assert s.ends == ["finish"] and a.over


def test_the_rest_of_a_request_is_not_sent_when_the_attempt_has_had_enough(
    bed: MakeBed,
) -> None:
    b = bed()
    s = b.request("POST", "/", last=False)
    (a,) = b.attempts
    s.push(b"one")
    a.answer(413, length=0, last=True)
    assert s.ends == []
    a.enough()
    assert s.ends == ["finish"] and a.events[-1] == "cancel:cancelled"


def test_a_whole_answer_stays_whole_when_the_connection_ends_before_the_request(
    bed: MakeBed,
) -> None:
    b = bed()
    s = b.request("POST", "/", last=False)
    b.attempts[0].answer(200, last=True)
    b.attempts[0].fail("upstream_reset", sent=True)
    assert s.ends == ["finish"] and b.rig.records[0]["reason"] == "none"


def test_a_target_without_a_socket(bed: MakeBed) -> None:
    b = bed(target=StaticTarget(b"hello"))
    s = b.request("GET", "/")
    assert s.status == 200 and s.body == b"hello" and s.ends == ["finish"]
    s = b.request("POST", "/", last=False)
    assert s.whole and s.ends == []
    s.push(b"x", True)
    assert s.ends == ["finish"]
    s = b.request("GET", "/", window=0)
    assert s.body == b"hello" and s.ends == ["finish"]


def test_an_echo_without_a_socket_is_held_by_a_slow_reader(bed: MakeBed) -> None:
    b = bed(target=EchoTarget())
    s = b.request("POST", "/", last=False, window=5)
    for i in range(6):
        s.push(b"%d" % i * 5)
    assert s.body == b"00000" and len(s.outbox) >= 3
    s.grant(5)
    s.push_trailers([("a", "b")])
    while s.live:
        s.grant(5)
    assert s.body == b"000001111122222333334444455555"
    assert s.trailers == [("a", "b")] and s.ends == ["finish"]


def test_a_slow_upstream_holds_the_client(bed: MakeBed) -> None:
    b = bed()
    s = b.request("POST", "/", last=False)
    (a,) = b.attempts
    a.window = 4
    for piece in (b"aaa", b"bbb", b"ccc"):
        s.push(piece)
    s.push(b"", True)
    assert a.wire.endswith(b"3\r\nbbb\r\n") and len(s.outbox) == 2
    a.grant(10)
    assert a.wire.endswith(b"3\r\nccc\r\n0\r\n\r\n")
    a.answer(204, last=True)
    assert s.ends == ["finish"]


def test_a_slow_client_holds_the_upstream(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/", window=4)
    (a,) = b.attempts
    a.answer(200)
    for piece in (b"aaa", b"bbb", b"ccc"):
        a.feed(piece)
    a.feed(b"", True)
    assert s.body == b"aaabbb" and len(a.inbox) == 2
    s.grant(100)
    assert s.body == b"aaabbbccc" and s.ends == ["finish"]


def test_100_continue_is_passed_on(bed: MakeBed) -> None:
    b = bed()
    s = b.request("POST", "/", last=False, expect=True)
    (a,) = b.attempts
    s.push(b"body", True)
    assert not s.asked_ever and a.events == ["begin", "head"]
    a.inform(100)
    assert s.asked_ever and a.events[-1] == ("chunk", b"body", True)
    a.inform(103)
    a.answer(200, last=True)
    assert s.informational == [103] and s.ends == ["finish"]


def test_a_final_answer_in_the_place_of_100_means_the_body_is_not_wanted(bed: MakeBed) -> None:
    b = bed()
    s = b.request("POST", "/", last=False, expect=True)
    b.attempts[0].answer(401, last=True)
    assert s.status == 401 and s.ends == ["finish"] and not s.asked_ever
    assert b.attempts[0].events[-1] == "cancel:cancelled"


def test_a_client_that_does_not_wait_for_100_is_read(bed: MakeBed) -> None:
    b = bed()
    s = b.request("POST", "/", last=False, expect=True)
    s.push(b"x", True)
    s.body_waiting()
    assert b.attempts[0].events[-1] == ("chunk", b"x", True)
    b.attempts[0].answer(200, last=True)


def test_heads_that_are_refused_or_match_nothing(bed: MakeBed) -> None:
    b = bed(methods=1 << 1)
    s = b.conn.refused("bad_header")
    assert s.status == 400 and b'"reason":"bad_header"' in s.body and s.ends == ["finish"]
    s = b.request("POST", "/")
    assert s.status == 405 and s.ends == ["finish"]
    assert [r["reason"] for r in b.rig.records] == ["bad_header", "method_not_allowed"]


def test_a_body_that_turns_out_malformed_is_answered_or_broken_off(bed: MakeBed) -> None:
    b = bed()
    s = b.request("POST", "/", last=False)
    s.push(b"x")
    s.break_body("bad_chunk")
    assert s.status == 400 and s.ends == ["finish"]
    assert b.attempts[0].events[-1] == "cancel:cancelled"
    s = b.request("POST", "/", last=False)
    b.attempts[1].answer(200)
    s.break_body("bad_chunk")
    assert s.ends == ["reset:bad_chunk"]


def test_bodies_past_the_limit_are_refused(bed: MakeBed) -> None:
    b = bed(body_limit=10)
    s = b.request("POST", "/", last=False, length=11)
    assert s.status == 413 and b.attempts == []
    s = b.request("POST", "/", last=False)
    s.push(b"x" * 10)
    s.push(b"x", counted=True)
    assert s.status == 413 and s.ends == ["finish"]
