"""Instruction counts: a rise is seen, and only between like and like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import check
from bench.functions.inputs import drives


def baseline(**counts: float) -> dict[str, Any]:
    return check.taken(counts)


def test_a_rise_past_the_limit_is_reported() -> None:
    lines, rose = check.compared(
        baseline(a=100.0, b=100.0, gone=1.0), baseline(a=102.9, b=103.1, new=1.0)
    )
    assert rose == 1
    assert next(line for line in lines if "ROSE" in line).startswith("b ")
    assert any(line.startswith("gone") and "gone" in line[5:] for line in lines)


@pytest.mark.parametrize("key", ["compiler", "build", "machine"])
def test_other_ground_is_not_compared(key: str) -> None:
    assert check.same_ground(baseline(), baseline())
    assert not check.same_ground(baseline(), {**baseline(), key: "another"})


def test_dumps_are_read_from_begin_to_begin(tmp_path: Path) -> None:
    trigger = "desc: Trigger: --dump-before=__pyx_pw_7drivers_1drive_%s\n"
    texts = [
        trigger % "chunks" + "summary: 999999\n",
        trigger % "paths" + "summary: 100\n",
        trigger % "requests" + "summary: 30\n",
    ]
    for number, text in enumerate(texts, 9):
        (tmp_path / f"out.{number}").write_text(text)
    (tmp_path / "out").write_text("desc: Trigger: Program termination\nsummary: 7\n")
    assert check.read_dumps(tmp_path) == {"chunks": 100, "paths": 30}


def test_every_driver_runs() -> None:
    for name, (drive, arguments) in drives().items():
        assert drive(*arguments, 3) >= 3, name


def test_committed_baseline_has_every_driver() -> None:
    import json

    known = json.loads(check.BASELINE.read_text())
    assert known["build"] == "release"
    assert set(known["instructions_a_call"]) == {n.removeprefix("drive_") for n in drives()}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(check.needed() is not None, reason="valgrind is not here")
def test_counts_do_not_swing(tmp_path: Path) -> None:
    few, calls = check.one_run(5)
    again, _ = check.one_run(5)
    assert set(few) == set(calls)
    for name, count in few.items():
        assert again[name] == pytest.approx(count, rel=0.002), name
