"""A tunnel: a mode of the exchange, not a socket handed over."""

from __future__ import annotations

import gc
import weakref

from fastgw.ext.testing.origin import FakeTarget
from fastgw.ext.testing.policies import ScriptedPolicy
from fastgw.ext.testing.snapshot import HandSnapshot

from .conftest import MakeBed


def test_each_direction_of_a_tunnel_ends_on_its_own(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/chat", protocol="websocket")
    (a,) = b.attempts
    assert b"upgrade: websocket\r\n" in a.wire
    s.push(b"too early")
    a.answer(101, tunnel=True)
    assert s.tunnel and a.tunnel and (1, "tunnel", "websocket") in b.conn.frames
    assert a.events[-1] == ("chunk", b"too early", False)
    a.feed(b"down")
    s.push(b"up")
    a.feed(b"", True)
    assert s.body == b"down" and s.whole and s.ends == []
    s.push(b"after the other end", True)
    assert a.wire.endswith(b"too earlyupafter the other end")
    assert s.ends == ["finish"] and a.over


def test_the_client_may_end_its_direction_first(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/", protocol="websocket")
    (a,) = b.attempts
    a.answer(101, tunnel=True)
    s.push(b"", True)
    assert s.ends == []
    a.feed(b"still talking")
    a.feed(b"", True)
    assert s.body == b"still talking" and s.ends == ["finish"]


def test_an_upgrade_that_is_refused_is_an_answer_like_any_other(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/", protocol="websocket")
    b.attempts[0].answer(403, length=2)
    b.attempts[0].feed(b"no", True)
    assert not s.tunnel and s.body == b"no" and s.ends == ["finish"]


def test_a_tunnel_holds_both_ways(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/", protocol="websocket", window=2)
    (a,) = b.attempts
    a.window = 2
    a.answer(101, tunnel=True)
    for _ in range(3):
        s.push(b"uu")
        a.feed(b"dd")
    assert s.body == b"dd" and a.wire.endswith(b"\r\n\r\nuu")
    s.grant(100)
    a.grant(100)
    assert s.body == b"dddddd" and a.wire.endswith(b"\r\n\r\nuuuuuu")
    s.leave()
    assert a.events[-1] == "cancel:cancelled"


def test_a_tunnel_lets_its_snapshot_go_but_not_its_policies(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_request": "continue", "on_log": "continue"})
    b = bed([(policy, "enforce")])
    gone = weakref.ref(policy)
    s = b.request("GET", "/", protocol="websocket")
    b.attempts[0].answer(101, tunnel=True)
    assert s.exchange_snapshot is None
    other = HandSnapshot(2)
    other.add_route("/", FakeTarget())
    b.rig.dispatcher.snapshot = other.seal()
    del policy
    gc.collect()
    kept = gone()
    assert kept is not None
    b.attempts[0].feed(b"x", True)
    s.push(b"y", True)
    assert kept.names() == ["on_request", "on_log", "on_release"]
    assert b.rig.records[0]["route"] == "/"


def test_an_upstream_that_breaks_resets_the_tunnel(bed: MakeBed) -> None:
    b = bed()
    s = b.request("GET", "/", protocol="websocket")
    b.attempts[0].answer(101, tunnel=True)
    b.attempts[0].fail("upstream_truncated", sent=True)
    assert s.ends == ["reset:upstream_truncated"]


def test_a_shadow_policy_may_still_wait_when_the_snapshot_is_gone(bed: MakeBed) -> None:
    policy = ScriptedPolicy("p", {"on_response": "suspend", "on_resume": ("respond", 403, b"")})
    b = bed([(policy, "shadow")])
    gone = weakref.ref(policy)
    s = b.request("GET", "/", protocol="websocket")
    b.attempts[0].answer(101, tunnel=True)
    other = HandSnapshot(2)
    other.add_route("/", FakeTarget())
    b.rig.dispatcher.snapshot = other.seal()
    del policy
    gc.collect()
    kept = gone()
    assert kept is not None and kept.fire()
    s.leave()
    assert b.rig.records[0]["shadow"]["would_respond"][0]["status"] == 403
