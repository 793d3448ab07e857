"""One answer, several readers; exchanges without a client."""

from __future__ import annotations

from fastgw.ext.testing.inner import begin_inner
from fastgw.ext.testing.policies import ScriptedPolicy
from fastgw.ext.testing.sinks import FakeSink
from fastgw.ext.testing.snapshot import HandSnapshot

from .conftest import MakeBed


def test_three_readers_of_different_speed_one_of_them_dropped(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/", window=6)
    fast, slow = FakeSink("holds"), FakeSink("drops", bound=8, window=3)
    s.add_sink(fast)
    s.add_sink(slow)
    (a,) = b.attempts
    a.answer(200)
    for i in range(5):
        a.feed(b"%d" % i * 4)
    assert s.body == fast.body == b"00001111" and len(a.inbox) == 3
    assert slow.body == b"0000" and slow.cut is None
    s.grant(4)
    assert s.body == b"000011112222" and slow.cut is None
    s.grant(100)
    a.feed(b"", True)
    assert s.body == fast.body == b"00001111222233334444"
    assert slow.cut == "cancelled" and slow.body == b"0000" and not slow.whole
    assert fast.whole and s.ends == ["finish"]


def test_a_dropping_reader_that_is_not_too_far_behind_gets_the_rest_at_the_end(
    bed: MakeBed,
) -> None:
    b = bed()
    s = b.request("GET", "/")
    slow = FakeSink("drops", bound=100, window=1)
    s.add_sink(slow)
    b.attempts[0].answer(200)
    for piece in (b"one", b"two", b"three"):
        b.attempts[0].feed(piece)
    assert slow.body == b"one"
    slow.grant(4)
    assert slow.body == b"onetwo"
    b.attempts[0].feed_trailers([("x", "y")])
    assert slow.body == b"onetwothree" and slow.trailers == [("x", "y")] and slow.cut is None
    assert s.ends == ["finish"]


def test_a_holding_reader_brakes_the_client_too(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    sink = FakeSink("holds", window=2)
    s.add_sink(sink)
    b.attempts[0].answer(200)
    for piece in (b"aa", b"bb", b"cc"):
        b.attempts[0].feed(piece)
    assert s.body == b"aa" and len(b.attempts[0].inbox) == 2
    sink.grant(100)
    b.attempts[0].feed(b"", True)
    assert sink.body == s.body == b"aabbcc" and s.ends == ["finish"]


def test_a_fill_outlives_its_client(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    fill = FakeSink("completes")
    s.add_sink(fill)
    (a,) = b.attempts
    a.answer(200)
    a.feed(b"one")
    s.leave()
    assert s.body == b"one" and not a.over
    a.feed(b"two", True)
    assert fill.body == b"onetwo" and fill.whole
    assert b.rig.records[0]["reason"] == "client_reset"


def test_a_fill_that_leaves_too_ends_the_exchange(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    fill = FakeSink("completes")
    s.add_sink(fill)
    b.attempts[0].answer(200)
    s.leave()
    assert not b.attempts[0].over
    s.remove_sink(fill)
    assert b.attempts[0].over and b.rig.records[0]["reason"] == "client_reset"


def test_only_dropping_readers_do_not_keep_an_answer_going(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    sink = FakeSink("drops", bound=10)
    s.add_sink(sink)
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"one")
    s.leave()
    assert b.attempts[0].over and sink.cut == "client_reset"


def test_a_client_that_leaves_before_the_head_of_a_fill(bed: MakeBed) -> None:
    fill = FakeSink("completes")
    policy = ScriptedPolicy("p", {"on_response": ("all", [("sink", fill), "suspend"])})
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    (a,) = b.attempts
    a.answer(200)
    a.feed(b"x", True)
    s.leave()
    assert not a.over
    policy.fire()
    assert fill.body == b"x" and a.over and s.status == 0


def test_the_readers_of_a_broken_answer_are_told(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    sink = FakeSink("holds")
    s.add_sink(sink)
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"half")
    b.attempts[0].fail("upstream_truncated", sent=True)
    assert sink.cut == "upstream_truncated" and s.ends == ["reset:upstream_truncated"]


def test_an_internal_exchange_outlives_the_one_that_began_it(bed: MakeBed) -> None:
    b = bed()
    inner = []

    def begin(seen: object) -> str:
        inner.append(begin_inner(b.rig.dispatcher, "POST", "/mirror", last=False))
        return "continue"

    policy = ScriptedPolicy("p", {"on_request": begin})
    snapshot = HandSnapshot()
    snapshot.add_route("/", b.target, [(policy, "enforce")])
    snapshot.add_route("/mirror", b.target)
    b.rig.dispatcher.snapshot = snapshot.seal()
    s = b.request("GET", "/")
    mirror, main = b.attempts
    (r,) = inner
    main.answer(200, last=True)
    assert s.ends == ["finish"] and r.ends == []
    b.rig.turn()
    assert r.push(b"one") and r.push(b"two", True)
    assert mirror.wire.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    mirror.answer(200)
    mirror.feed(b"answer")
    mirror.feed_trailers([("a", "b")])
    assert (r.status, r.trailers, r.ends) == (200, [("a", "b")], ["none"])
    assert r.body == b"answer"


def test_an_internal_exchange_brakes_ends_broken_and_is_abandoned(bed: MakeBed) -> None:
    b = bed()
    r = begin_inner(b.rig.dispatcher, window=3)
    (a,) = b.attempts
    a.answer(200)
    for piece in (b"aaa", b"bbb", b"ccc"):
        a.feed(piece)
    assert r.body == b"aaa"
    r.grant(100)
    assert r.body == b"aaabbbccc"
    a.fail("upstream_truncated", sent=True)
    assert r.ends == ["upstream_truncated"]
    r = begin_inner(b.rig.dispatcher)
    r.abandon()
    assert r.ends == ["cancelled"] and b.attempts[1].over and not r.push(b"x")
    r = begin_inner(b.rig.dispatcher, "PUT", last=False)
    assert r.push(b"never sent")
    b.attempts[2].fail("no_endpoint")
    assert r.status == 503 and r.ends == ["none"]


def test_a_client_that_leaves_at_the_last_byte_does_not_harm_a_reader_of_trailers(
    bed: MakeBed,
) -> None:
    policy = ScriptedPolicy("p", {"on_response_chunk": ("more", [b"one", b"two"])})
    b = bed([(policy, "enforce")])
    s = b.request("GET", "/")
    sink = FakeSink("drops", bound=100)
    s.add_sink(sink)
    s.on_event = lambda stream, kind: stream.leave() if kind == "data" else None
    b.attempts[0].answer(200)
    b.attempts[0].feed_trailers([("t", "1")])
    assert s.ends == ["gone"] and sink.cut == "client_reset"


def test_a_fill_does_not_wait_for_a_request_that_will_never_be_whole(bed: MakeBed) -> None:
    b = bed()
    s = b.request("POST", "/", last=False)
    fill = FakeSink("completes")
    s.add_sink(fill)
    b.attempts[0].answer(200)
    b.attempts[0].feed(b"half")
    s.leave()
    assert b.attempts[0].over and fill.cut == "client_reset"


# -- bytes that nobody looks at ---------------------------------------------------------------


def test_bytes_pass_the_exchange_by_where_only_the_client_reads(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/", window=5)
    (a,) = b.attempts
    assert not a.may_relay(), "before the head"
    a.answer(200)
    assert a.may_relay()
    a.feed(b"12345")
    assert not a.may_relay(), "the client takes no more"
    s.grant(100)
    assert a.may_relay()
    a.feed(b"", True)
    assert not a.may_relay(), "after the end"


def test_nothing_passes_a_policy_by_that_reads_bodies(bed: MakeBed) -> None:
    b = bed([(ScriptedPolicy("p", {"on_response_chunk": "continue"}), "enforce")])
    b.request("GET", "/")
    (a,) = b.attempts
    a.answer(200)
    assert not a.may_relay()
    a.feed(b"piece")
    assert not a.may_relay()
    a.feed(b"", True)


def test_nothing_passes_a_second_reader_by(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/")
    sink = FakeSink("holds")
    s.add_sink(sink)
    (a,) = b.attempts
    a.answer(200)
    a.feed(b"piece")
    assert not a.may_relay()
    a.feed(b"", True)
    assert sink.body == b"piece"
