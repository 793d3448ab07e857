"""Buffer memory is refused at every allocation in turn: each exchange still ends once."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.ext.testing.policies import ScriptedPolicy, Seen

from .conftest import Bed, MakeBed

KIB = 1024
SCRIPTS: dict[str, dict[str, Any]] = {
    "none": {},
    "heads": {"on_request": ("set", "x", "y" * 3000), "on_response": ("set", "x", "y" * 3000)},
    "emits": {
        "on_request_chunk": lambda seen: ("emit", [b"e" * 5000]),
        "on_response_chunk": lambda seen: ("emit", [b"e" * 5000]),
    },
    "whole": {"on_request_body": ("replace", b"r" * 9000), "on_response_body": "continue"},
    "answers": {"on_request_body": ("respond", 403, b"n" * 9000)},
}


def drive(b: Bed, counted: bool) -> Any:
    """A request with bodies both ways; ends however it may."""
    try:
        s = b.request("PUT", "/p", [("X-A", "1")], last=False)
        s.push(b"a" * 3000)
        s.push(b"b" * 9000, counted=counted)
        if b.attempts:
            b.attempts[0].fail("upstream_reset", reused=True, sent=True)
        s.push(b"c" * 100, True)
        for a in list(b.attempts):
            if not a.over:
                a.answer(200, [("ETag", "1")])
                a.feed(b"d" * 9000, counted=counted)
                a.feed_trailers([("t", "1")])
    except MemoryError:
        s = b.conn.streams[1]  # the fake itself had no memory: its codec would give up
        s.leave("memory")
    return s


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("name", SCRIPTS)
def test_whatever_is_refused_every_exchange_ends_once(
    bed: MakeBed,
    name: str,
    counted: bool,
) -> None:
    whole = 0
    for left in range(0, 160 * KIB, 4 * KIB):
        b = bed([(ScriptedPolicy("p", SCRIPTS[name]), "enforce")])
        b.rig.limit(left)
        s = drive(b, counted)
        b.conn.violations[:] = [v for v in b.conn.violations if "MemoryError" not in v]
        for a in b.attempts:
            a.violations[:] = [v for v in a.violations if "MemoryError" not in v]
        if s.live:
            s.leave()
        whole += s.ends == ["finish"] and s.status == 200
    assert whole or name == "answers"


def test_without_any_memory_the_answer_is_503(bed: MakeBed) -> None:
    b = bed()
    b.rig.limit(0)
    s = b.conn.refused("memory")
    assert s.status == 503 and b'"reason":"memory"' in s.body and s.ends == ["finish"]
    assert s.fields == [("Content-Type", "application/problem+json")]
    assert b.rig.records[0]["reason"] == "memory"


def test_a_policy_can_not_write_into_the_constant_answer(bed: MakeBed) -> None:
    def remove(seen: Seen) -> tuple[str, str]:
        return ("remove", "content-type")

    b = bed([(ScriptedPolicy("p", {"on_request": "continue", "on_response": remove}), "enforce")])
    for _ in range(2):
        b.rig.limit(0)
        s = b.conn.refused("memory")
        assert s.fields == [("Content-Type", "application/problem+json")]
