"""The processes' log: one line an event, and never a reason to end."""

from __future__ import annotations

import os
import re

import pytest

from fastgw.log import Log, stamp


def lines(level: str, *events: tuple[str, str]) -> list[str]:
    """What a log of that level writes."""
    r, w = os.pipe()
    log = Log("master", level, w)
    for event in events:
        log(*event)
    os.close(w)
    with os.fdopen(r) as f:
        return f.read().splitlines()


def test_line() -> None:
    (line,) = lines("info", ("info", "hello"))
    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z info master\[{os.getpid()}\] hello", line
    )


def test_stamp() -> None:
    assert stamp(1.9996) == "1970-01-01T00:00:01.999Z"


@pytest.mark.parametrize(("level", "n"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_levels(level: str, n: int) -> None:
    assert len(lines(level, *((lv, "x") for lv in ("debug", "info", "warning", "error")))) == n


def test_no_control_byte_gets_through() -> None:
    (line,) = lines("info", ("info", "a\nb\rc\x1b[31md\x00e\x7f\\n\x9b"))
    assert line.endswith("a\\nb\\rc\\x1b[31md\\x00e\\x7f\\\\n\\x9b")


def test_write_errors_are_dropped() -> None:
    r, w = os.pipe()
    os.close(r)
    Log("master", "info", w).error("nobody reads this")
    os.close(w)
    Log("master", "info", w).error("nor this")
