"""What is measured of a contender, in which order, and what is made of the figures."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from bench import statistics, suite
from bench.outcome import Outcome
from fastgw.bench import process
from fastgw.bench.contender import Contender
from fastgw.bench.scenario import scenarios
from tests.meta.tree import ROOT

BURNT_MS = 100
#: A child of its own and a second thread, each of which is on a CPU for so long.
BURNS = f"""
import os, sys, threading, time
def burn():
    begin = time.thread_time()
    while time.thread_time() - begin < {BURNT_MS / 1000}:
        pass
def both():
    begun = threading.Event()
    thread = threading.Thread(target=lambda: (burn(), begun.set(), over.wait()), daemon=True)
    thread.start()
    begun.wait()
over = threading.Event()
ready, told = os.pipe()
if os.fork() == 0:
    both()
    os.write(told, b"x")
    sys.stdin.read()
    os._exit(0)
both()
os.read(ready, 1)
print("burnt", flush=True)
sys.stdin.read()
"""


def test_time_is_that_of_all_threads_of_all_processes() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BURNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin is not None and running.stdout is not None
        assert running.stdout.readline() == b"burnt\n"
        pids = process.family(running.pid)
        assert len(pids) == 2
        spent_ms = process.cpu_ns(pids) / 1e6
        alone_ms = process.cpu_ns(pids[:1]) / 1e6
        running.stdin.close()
    assert spent_ms >= 2 * BURNT_MS
    assert alone_ms <= spent_ms - BURNT_MS


def test_time_of_a_process_that_has_gone_is_an_error() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait(20)
    with pytest.raises(OSError):
        process.cpu_ns([done.pid])


def test_gateway_has_its_own_core_where_there_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6})
    assert process.cores() == ({3}, {5, 6})
    assert process.cores(2) == ({3, 5}, {6})
    assert process.cores(3) == (None, None)


def test_children_are_pinned() -> None:
    (cpu, *_) = sorted(os.sched_getaffinity(0))
    said = subprocess.run(
        [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"],
        preexec_fn=process.pinned({cpu}), capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert said.stdout.split() == [str(cpu)]


def test_rounds_are_interleaved_and_begin_with_another_one_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded: list[str] = []

    def noted(each: Contender, *_: Any, **__: Any) -> dict[str, Any]:
        loaded.append(each.label)
        return {"cpu_us": 1.0, "rps": 1.0, "errors": 0}

    monkeypatch.setattr(suite, "measure", noted)
    monkeypatch.setattr(Contender, "start", lambda *_: None)
    monkeypatch.setattr(Contender, "settle", lambda _: None)
    monkeypatch.setattr(Contender, "stop", lambda _: None)
    field = [Contender(name, "1", lambda *_: []) for name in "abc"]
    scenario = dataclasses.replace(scenarios()["plain-64"], subject="a", bars=())
    outcome = suite.run_field(field, scenario, suite.Options(rounds=3, seconds=0))
    assert "".join(loaded) == "abcbcacab"
    assert {k: len(rounds) for k, rounds in outcome.samples.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_full_run_has_seven_rounds() -> None:
    assert suite.Options().rounds == 7


# -- statistics ----------------------------------------------------------------------------


def test_interval_holds_the_median_nine_times_in_ten() -> None:
    """Of samples of a population whose median is known, as rounds would be."""
    rng = random.Random(7)
    held = 0
    for _ in range(200):
        found = statistics.spread([rng.lognormvariate(0, 0.1) for _ in range(15)], draws=300)
        assert found.low <= found.median <= found.high
        held += found.low <= 1.0 <= found.high
    assert 0.82 <= held / 200 <= 0.98


def test_ratios_are_taken_round_by_round() -> None:
    """What a round does to both cancels out."""
    moods = [1.0, 1.7, 0.6, 1.2, 0.9]
    ours, theirs = [8 * mood for mood in moods], [10 * mood for mood in moods]
    found = statistics.ratios(ours, theirs)
    assert found.low == pytest.approx(0.8) and found.high == pytest.approx(0.8)
    apart = statistics.ratio_of_medians(ours, theirs)
    assert apart.median == pytest.approx(median(ours) / median(theirs))
    assert apart.high - apart.low > 0.1


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        statistics.spread([])
    assert Outcome("a", "b", "c", "fastgw").column("fastgw", "cpu_us") == []


# -- functions -----------------------------------------------------------------------------


def test_functions_are_timed(tmp_path: Path) -> None:
    """`python -m bench functions`, a few of them, as it is typed."""
    done = subprocess.run(
        [
            sys.executable, "-m", "bench", "functions", "-p", "no:cacheprovider",
            "-k", "drive_paths or bootstrap or corpus", "--benchmark-min-rounds=1",
            "--benchmark-max-time=0.01", "--benchmark-warmup=off",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("drive_paths", "fastgw", "llhttp", "h11", "bootstrap"):
        assert name in done.stdout
    assert "5 passed" in done.stdout
