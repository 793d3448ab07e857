"""The benchmark of reloads, upgrades and deaths: what it counts, and that it runs."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.arrivals import Visit
from bench.upheaval import buckets_of, main, write


def test_failures_and_p99_by_when_they_began(tmp_path: Path) -> None:
    visits = [Visit(100.0 + i / 100, ended_s=100.01 + i / 100) for i in range(25)]
    visits += [Visit(100.3, ended_s=101.3), Visit(100.3, failure="closed", ended_s=100.4)]
    visits += [Visit(100.6)]  # never answered
    buckets = buckets_of(visits, 100.0)
    assert [(b.begins_s, len(b.took_ms), b.failures) for b in buckets] == [
        (0.0, 25, 0),
        (0.25, 1, 1),
        (0.5, 0, 1),
    ]
    assert [round(b.p99_ms) for b in buckets] == [10, 1000, 0]
    write(tmp_path, buckets, [(0.3, "reload <1>")])
    with (tmp_path / "upheaval.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert rows[1]["event"] == "reload <1>" and rows[1]["p99_ms"] == "1000.0"
    assert ET.parse(tmp_path / "upheaval.svg").getroot().tag.endswith("svg")


def test_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "2.5", "--rate", "30", "--out", str(tmp_path)]) == 0
    assert "1 events" in capsys.readouterr().out
    assert (tmp_path / "upheaval.svg").exists()
