"""Random orders of events: whatever happens, each exchange ends once and leaves nothing."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from fastgw.ext.base import debug
from fastgw.ext.testing.origin import EchoTarget, FakeTarget, StaticTarget
from fastgw.ext.testing.policies import ScriptedPolicy
from fastgw.ext.testing.sinks import FakeSink

from .conftest import Bed

ACTIONS = st.sampled_from(
    [
        "continue",
        "continue",
        "suspend",
        ("respond", 403, b"no"),
        "raise",
        ("early", "done"),
        ("set", "x-p", "1"),
        ("reason", "ip_denied"),
    ]
)
CHUNKS = st.sampled_from(
    [
        "continue",
        "suspend",
        ("emit", [b"e" * 10]),
        ("emit_counted", [b"e", b"f" * 99]),
        ("more", [b"m", b"n", b"o"]),
        ("respond", 403, b"no"),
        "raise",
    ]
)
BODIES = st.sampled_from(["continue", "suspend", ("replace", b"r" * 20), ("respond", 403, b"")])
HEADS = ("on_request", "on_attempt", "on_response", "on_log", "on_resume")


@st.composite
def scripts(draw: st.DrawFn) -> dict[str, Any]:
    """What a policy does at some of its hooks."""
    script: dict[str, Any] = {}
    for hook in HEADS:
        if draw(st.booleans()):
            script[hook] = draw(st.lists(ACTIONS, min_size=1, max_size=3))
    for side in ("request", "response"):
        kind = draw(st.sampled_from(["none", "chunk", "body"]))
        if kind == "chunk":
            script[f"on_{side}_chunk"] = draw(st.lists(CHUNKS, min_size=1, max_size=3))
        elif kind == "body":
            script[f"on_{side}_body"] = draw(st.lists(BODIES, min_size=1, max_size=3))
    return script


PIECES = st.sampled_from([b"", b"a", b"b" * 50, b"c" * 5000, b"d" * 70000])


class Exchanges(RuleBasedStateMachine):
    """One worker under random traffic."""

    @initialize(
        scripts=st.lists(
            st.tuples(
                scripts(),
                st.sampled_from(["enforce", "enforce", "shadow"]),
                st.sampled_from(["pass", "reject"]),
            ),
            max_size=3,
        ),
        kind=st.sampled_from(["fake", "slow", "whole", "echo", "static"]),
    )
    def begin(self, scripts: list[Any], kind: str) -> None:
        self.before = debug.live()
        makers: dict[str, Callable[[], Any]] = {
            "fake": FakeTarget,
            "slow": lambda: FakeTarget(auto_ready=False),
            "whole": lambda: FakeTarget(whole_limit=6000),
            "echo": EchoTarget,
            "static": lambda: StaticTarget(b"static"),
        }
        made = makers[kind]()
        self.policies = [
            ScriptedPolicy(f"p{i}", script, limit=6000) for i, (script, _, _) in enumerate(scripts)
        ]
        modes = [(mode, how) for _, mode, how in scripts]
        self.bed = Bed(
            [(p, *mode) for p, mode in zip(self.policies, modes, strict=True)],
            target=made,
            timeouts={"request": 3000},
        )
        self.streams: list[Any] = []
        self.sinks: list[Any] = []
        self.sent_last: set[int] = set()
        self.fed_last: set[int] = set()

    # -- the client ------------------------------------------------------------------------

    @rule(
        last=st.booleans(),
        expect=st.booleans(),
        small=st.booleans(),
        method=st.sampled_from(["GET", "PUT", "POST", "HEAD"]),
        tunnel=st.integers(0, 5),
    )
    def request(self, last: bool, expect: bool, small: bool, method: str, tunnel: int) -> None:
        if len(self.streams) < 6:
            self.streams.append(
                self.bed.request(
                    method,
                    "/",
                    last=last,
                    expect=expect,
                    window=10 if small else 1 << 30,
                    protocol=None if tunnel else "websocket",
                )
            )

    def pick(self, i: int) -> Any:
        """A stream that is live, or None."""
        live = [s for s in self.streams if s.live]
        return live[i % len(live)] if live else None

    @rule(i=st.integers(0, 9), data=PIECES, last=st.booleans(), counted=st.booleans())
    def push(self, i: int, data: bytes, last: bool, counted: bool) -> None:
        s = self.pick(i)
        if s is not None and s.id not in self.sent_last:
            if last:
                self.sent_last.add(s.id)
            s.push(data, last, counted)

    @rule(i=st.integers(0, 9))
    def push_trailers(self, i: int) -> None:
        s = self.pick(i)
        if s is not None and s.id not in self.sent_last and not s.tunnel:
            self.sent_last.add(s.id)
            s.push_trailers([("t", "1")])

    @rule(i=st.integers(0, 9), what=st.sampled_from(["grant", "leave", "waiting", "broken"]))
    def client(self, i: int, what: str) -> None:
        s = self.pick(i)
        if s is not None:
            {
                "grant": lambda: s.grant(60),
                "leave": s.leave,
                "waiting": s.body_waiting,
                "broken": s.break_body,
            }[what]()

    # -- the upstream ----------------------------------------------------------------------

    def attempt(self, i: int) -> Any:
        """An attempt that is not over, or None."""
        live = [a for a in getattr(self.bed.target, "attempts", []) if not a.over]
        return live[i % len(live)] if live else None

    @rule(
        i=st.integers(0, 9),
        last=st.booleans(),
        status=st.sampled_from([200, 204, 500]),
        tunnel=st.booleans(),
    )
    def answer(self, i: int, last: bool, status: int, tunnel: bool) -> None:
        a = self.attempt(i)
        if a is None or a.answered or not any(e in ("head", "head.") for e in a.events):
            return
        if tunnel and b"upgrade: websocket" in a.wire:
            a.answer(101, tunnel=True)
            return
        if last:
            self.fed_last.add(id(a))
        a.answer(status, [("ETag", "1")], last=last)

    @rule(i=st.integers(0, 9), data=PIECES, last=st.booleans(), counted=st.booleans())
    def feed(self, i: int, data: bytes, last: bool, counted: bool) -> None:
        a = self.attempt(i)
        if a is not None and a.answered and id(a) not in self.fed_last:
            if last:
                self.fed_last.add(id(a))
            a.feed(data, last, counted)

    @rule(i=st.integers(0, 9))
    def feed_trailers(self, i: int) -> None:
        a = self.attempt(i)
        if a is not None and a.answered and id(a) not in self.fed_last and not a.tunnel:
            self.fed_last.add(id(a))
            a.feed_trailers([("t", "2")])

    @rule(i=st.integers(0, 9), what=st.sampled_from(["ready", "grant", "narrow", "enough", "100"]))
    def upstream(self, i: int, what: str) -> None:
        a = self.attempt(i)
        if a is None:
            return
        if what == "ready" and a.events == ["begin"] and not self.bed.target.auto_ready:
            a.ready()
        elif what == "narrow":
            a.window = min(a.window, 1)
        elif what == "100" and not a.answered:
            a.inform(100)
        elif what == "grant":
            a.grant(60)
        elif what == "enough" and not a.tunnel:
            a.enough()

    @rule(
        i=st.integers(0, 9),
        sent=st.booleans(),
        reused=st.booleans(),
        reason=st.sampled_from(["upstream_reset", "connect_refused", "no_endpoint"]),
    )
    def fail(self, i: int, sent: bool, reused: bool, reason: str) -> None:
        a = self.attempt(i)
        if a is not None:
            a.fail(reason, sent=sent, reused=reused)

    # -- others ------------------------------------------------------------------------------

    @rule(i=st.integers(0, 9))
    def rival(self, i: int) -> None:
        s = self.pick(i)
        if s is not None:
            s.rival()

    @rule(
        i=st.integers(0, 9),
        kind=st.sampled_from(["holds", "drops", "completes"]),
        window=st.sampled_from([1, 100, 1 << 30]),
    )
    def add_sink(self, i: int, kind: str, window: int) -> None:
        s = self.pick(i)
        if s is not None and s.states[1] in (0, 1):
            sink = FakeSink(kind, 100, window)
            s.add_sink(sink)
            self.sinks.append((s, sink))

    @precondition(lambda self: self.sinks)
    @rule(i=st.integers(0, 9), leave=st.booleans())
    def sink(self, i: int, leave: bool) -> None:
        s, sink = self.sinks[i % len(self.sinks)]
        if leave:
            s.remove_sink(sink)
        else:
            sink.grant(60)

    @rule(i=st.integers(0, 2), k=st.integers(0, 5), event=st.sampled_from(["done", "timeout"]))
    def fire(self, i: int, k: int, event: str) -> None:
        if i < len(self.policies) and k < len(self.policies[i].tickets):
            self.policies[i].fire(k, event)

    @rule(ms=st.sampled_from([1, 600, 1500]))
    def pass_ms(self, ms: int) -> None:
        self.bed.rig.pass_ms(ms)

    @invariant()
    def nobody_broke_a_contract(self) -> None:
        if hasattr(self, "bed"):
            assert self.bed.conn.violations == []
            for a in getattr(self.bed.target, "attempts", []):
                assert a.violations == []
            for s in self.streams:
                assert len(s.ends) == (not s.live)

    def finish(self) -> None:
        """Everyone leaves."""
        for s in self.streams:
            s.leave()
        for _, sink in self.sinks:
            sink.grant(1 << 40)
        self.bed.rig.pass_ms(20_000)
        for a in list(getattr(self.bed.target, "attempts", [])):
            a.fail("upstream_reset", sent=True)
        for _ in range(20):  # a fill without its client may still wait for its policies
            self.bed.rig.pass_ms(1100)
        self.bed.check()

    def teardown(self) -> None:
        if hasattr(self, "bed"):
            before = self.before
            self.finish()
            self.__dict__.clear()
            gc.collect()
            assert debug.live() == before


Exchanges.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestExchanges = Exchanges.TestCase
