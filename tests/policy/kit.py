"""The policy conformance kit: what every policy must stand, checked for each sample.

Each `check_*` is a coroutine that is given a sample; `test_kit.py` runs all of them with
all samples. A policy gets them by its entry in `samples.py`, nothing else.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from fastgw.ext.testing.client import FakeStream
from fastgw.ext.testing.origin import FakeAttempt
from fastgw.ext.testing.policies import ScriptedPolicy
from tests.policy import plugins
from tests.policy.door import Door
from tests.policy.samples import Sample

REQUEST_BODY = b"request body"
RESPONSE_BODY = b"response body"
#: Hooks at which a neighbour can answer or wait.
HOOKS = (
    "on_request",
    "on_request_chunk",
    "on_request_body",
    "on_attempt",
    "on_response",
    "on_response_chunk",
    "on_response_body",
)
MAX = 1 << 16
REQUEST_ID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def settle() -> None:
    """Let the loop do what it has."""
    for _ in range(6):
        await asyncio.sleep(0)


@contextmanager
def opened(sample: Sample, *chain: Any) -> Iterator[Door]:
    """A door that is clean in the end."""
    plugins.gates.update((hook, asyncio.Event()) for hook in sample.waits)
    door = Door(*chain, client=sample.client)
    yield door
    door.close()


class Passage:
    """One exchange with bodies both ways, step by step."""

    def __init__(self, door: Door, sample: Sample, size: int = MAX) -> None:
        self.door = door
        self.sample = sample
        self.size = size
        self.stream: FakeStream | None = None
        self.answered: list[FakeAttempt] = []
        self.fed: list[FakeAttempt] = []
        self.steps: list[Callable[[], None]] = [
            self.head,
            self.body,
            self.open_gates,
            self.answer,
            self.open_gates,
            self.feed,
        ]

    def head(self) -> None:
        """The request's head."""
        self.stream = self.door.send(
            self.sample.target, self.sample.fields, method="POST", last=False
        )

    def body(self) -> None:
        """The request's body, in chunks of `size`."""
        assert self.stream is not None
        for i in range(0, len(REQUEST_BODY), self.size):
            self.stream.push(REQUEST_BODY[i : i + self.size])
        self.stream.push(b"", True)

    def open_gates(self) -> None:
        """Let those go on that wait."""
        for gate in plugins.gates.values():
            gate.set()

    def answer(self) -> None:
        """The head of the upstream's answer, from every attempt that has not answered."""
        for attempt in self.door.target.attempts:
            if attempt not in self.answered and "begin" in attempt.events and attempt.wire:
                self.answered.append(attempt)
                attempt.answer(200, [("Server", "up"), ("X-Up", "1")])

    def feed(self) -> None:
        """The body of it, in chunks of `size`."""
        for attempt in self.answered:
            if attempt not in self.fed:
                self.fed.append(attempt)
                for i in range(0, len(RESPONSE_BODY), self.size):
                    attempt.feed(RESPONSE_BODY[i : i + self.size])
                attempt.feed(b"", True)

    async def run(self, upto: int | None = None) -> FakeStream:
        """The steps, all or the first few."""
        for step in self.steps[:upto]:
            await self.go(step)
        assert self.stream is not None
        return self.stream

    async def go(self, step: Callable[[], object]) -> None:
        """One step and what follows from it."""
        step()
        await settle()
        self.door.rig.turn()

    async def finish(self) -> None:
        """Whatever was missed while something waited."""
        for step in (self.open_gates, self.answer, self.open_gates, self.feed):
            await self.go(step)


def wires(door: Door) -> Any:
    """What went over both wires; chunks put together."""
    up = [
        (bytes(a.wire).split(b"\r\n\r\n")[0], b"".join(e[1] for e in a.events if e[0] == "chunk"))
        for a in door.target.attempts
    ]
    heads = [f[1:] for f in door.connection.frames if f[1] not in ("data",)]
    body = b"".join(f[2][0] for f in door.connection.frames if f[1] == "data")
    return up, heads, REQUEST_ID.sub(b"ID", body)


def assert_answered(stream: FakeStream, sample: Sample, door: Door) -> None:
    """The client got a whole answer of the right maker."""
    assert stream.ends == ["finish"]
    assert stream.status == (sample.answers or 200)
    if sample.answers:
        assert door.target.attempts == []
    else:
        assert bytes(stream.body) == RESPONSE_BODY


async def check_chunk_sizes(sample: Sample) -> None:
    """Bodies cut into single bytes, or not at all, come out the same."""
    seen = []
    for size in (1, 5, MAX):
        with opened(sample, sample.make()) as door:
            assert_answered(await Passage(door, sample, size).run(), sample, door)
            seen.append(wires(door))
    assert seen[0] == seen[1] == seen[2]


async def check_shadow_is_off(sample: Sample) -> None:
    """In shadow, both wires carry byte for byte what they carry without the policy."""
    seen = []
    for mode in ("off", "shadow"):
        for size in (1, MAX):
            with opened(sample, (sample.make(), mode)) as door:
                stream = await Passage(door, sample, size).run()
                assert (stream.status, stream.ends) == (200, ["finish"])
                seen.append(wires(door))
                would = (door.rig.records[0]["shadow"] or {}).get("would_respond", [])
                assert [w["status"] for w in would] == (
                    [sample.answers] if mode == "shadow" and sample.answers else []
                )
    assert all(one == seen[0] for one in seen)


async def check_shadow_of_a_neighbour(sample: Sample) -> None:
    """A shadow beside it changes nothing for it, whatever the shadow does."""
    seen = []
    for mode in ("off", "shadow"):
        for hook in HOOKS:
            for act in (("respond", 499, b"shadow"), "suspend", ("set", "x-in", "shadow")):
                if act[0] == "set" and hook.endswith(("chunk", "body")):
                    continue
                shadow = ScriptedPolicy("shadow", {hook: act})
                with opened(sample, (shadow, mode), sample.make(), (shadow, mode)) as door:
                    assert_answered(await Passage(door, sample).run(), sample, door)
                    seen.append(wires(door))
    assert all(one == seen[0] for one in seen)


async def check_reply_at_each_hook(sample: Sample) -> None:
    """A neighbour's answer at any hook goes out whole, or the client's side is reset."""
    for hook in HOOKS:
        for before in (True, False):
            other = ScriptedPolicy("other", {hook: ("respond", 499, b"other")})
            chain = [other, sample.make()] if before else [sample.make(), other]
            with opened(sample, *chain) as door:
                stream = await Passage(door, sample).run()
                assert len(stream.ends) == 1
                if not sample.answers:
                    assert stream.status in (499, 200)
                    assert (stream.status == 499) == (hook != "on_response_chunk")
                    if stream.status == 499:
                        assert bytes(stream.body) == b"other"


async def check_wait_at_each_hook(sample: Sample) -> None:
    """A neighbour waits at any hook: let go, timed out, or the client leaves meanwhile."""
    for hook in HOOKS:
        for event in ("done", "timeout", "gone"):
            script = {hook: "suspend", "on_resume": {"timeout": ("reason", "policy_timeout")}}
            other = ScriptedPolicy("other", script, timeout_ms=100, changes_length=(False, False))
            with opened(sample, other, sample.make()) as door:
                passage = Passage(door, sample)
                stream = await passage.run()
                await end_waits(passage, other, event)
                if event == "done" or not waited(other):
                    assert_answered(stream, sample, door)
                elif event == "timeout":
                    assert (stream.ends, stream.status) in (
                        (["finish"], 504),
                        (["reset:policy_timeout"], sample.answers or 200),
                    )
                else:
                    assert stream.ends == ["gone"]


def waited(other: ScriptedPolicy) -> bool:
    """Whether it was called in a hook in which it waits."""
    return bool(other.tickets)


async def end_waits(passage: Passage, other: ScriptedPolicy, event: str) -> None:
    """End every wait of `other`, each once; then let the exchange come to its end."""
    stream = passage.stream
    assert stream is not None
    ended = 0
    while stream.live and ended < len(other.tickets):
        ended = len(other.tickets)
        if event == "gone":
            await passage.go(stream.leave)
        elif event == "timeout":
            await passage.go(lambda: passage.door.rig.pass_ms(200))
        else:
            assert other.fire(ended - 1)
            assert not other.fire(ended - 1)
        await settle()
        await passage.finish()
    assert not any(other.fire(i) for i in range(len(other.tickets)))
    assert len(stream.ends) == 1


async def check_client_gone_at_each_point(sample: Sample) -> None:
    """The client leaves after any step: nothing is left, the attempt is cancelled."""
    for upto in range(1, 7):
        with opened(sample, sample.make()) as door:
            stream = await Passage(door, sample).run(upto)
            stream.leave()
            await settle()
            door.rig.turn()
            assert len(stream.ends) == 1
            assert door.rig.records[0]["reason"] in (
                "client_reset",
                "none",
                "fixed_reply",
                "policy_reply",
                "ip_denied",
            )
            assert all(attempt.over for attempt in door.target.attempts)


async def check_upstream_fails_at_each_point(sample: Sample) -> None:
    """The upstream breaks after any step: the client is answered or reset, once."""
    for upto in range(1, 7):
        with opened(sample, sample.make()) as door:
            passage = Passage(door, sample)
            stream = await passage.run(upto)
            if door.target.attempts:
                attempt = door.attempt
                await passage.go(partial(attempt.fail, "upstream_reset", sent=True))
            await passage.finish()
            if stream.live:
                assert upto == 1
                await passage.go(passage.body)
                await passage.finish()
            assert len(stream.ends) == 1


async def check_reload_while_waiting(sample: Sample) -> None:
    """A new generation comes while the old one waits: it ends with the old policy, which is
    then let go."""
    other = ScriptedPolicy("other", {"on_request": "suspend"})
    with opened(sample, other) as door:
        mine = sample.make()
        held = sys.getrefcount(mine)
        door.reload(mine, other)
        passage = Passage(door, sample)
        stream = await passage.run(1)
        door.reload(other)
        assert sample.answers or sys.getrefcount(mine) > held
        for step in passage.steps[1:3]:
            await passage.go(step)
        if waited(other):
            await passage.go(other.fire)
        await passage.finish()
        assert_answered(stream, sample, door)
        assert sys.getrefcount(mine) == held


async def check_own_waits(sample: Sample) -> None:
    """Where it waits itself: let go, timed out, client gone, upstream broken, reloaded."""
    for event in ("go", "timeout", "gone", "fail", "reload") if sample.waits else ():
        mine = sample.make()
        with opened(sample, mine) as door:
            passage = Passage(door, sample)
            await passage.go(passage.head)
            await passage.go(passage.body)
            if "on_response" in sample.waits:
                await passage.go(passage.answer)
            stream = passage.stream
            assert stream is not None
            assert (stream.live, stream.status) == (True, 0)
            held = sys.getrefcount(mine)
            failed = event == "fail" and bool(passage.answered)
            await passage.go(partial(happen, event, passage))
            await passage.finish()
            assert len(stream.ends) == 1
            assert stream.status == {"timeout": 504, "gone": 0}.get(event, 502 if failed else 200)
            assert event != "reload" or sys.getrefcount(mine) < held


def happen(event: str, passage: Passage) -> None:
    """What happens while the policy waits."""
    assert passage.stream is not None
    if event == "timeout":
        passage.door.rig.pass_ms(60000)
    elif event == "gone":
        passage.stream.leave()
    elif event == "fail" and passage.answered:
        passage.answered[0].fail("upstream_reset", sent=True)
    elif event == "reload":
        passage.door.reload(ScriptedPolicy("other", {}))


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]
