"""Workers that are killed under load: gauges end at 0, counters never fall, nobody else notices."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from fastgw.ext.record.catalogue import kind_named
from fastgw.ext.shm.statistics import ROW_CELLS, ROW_COUNTERS, Statistics, map_statistics
from tests.process.gateway import Gateway
from tests.process.service import Load, configuration, upstream_origin

KILLS = 100


def statistics_of(pid: int) -> Statistics:
    """The segment of a running gateway."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        if "fastgw-statistics" in os.readlink(fd):
            ours = os.open(fd, os.O_RDWR)
            try:
                return map_statistics(ours)
            finally:
                os.close(ours)
    raise AssertionError("the master has no statistics")


def level_of(statistics: Statistics, metric: str) -> int:
    """A gauge of the workers, added up."""
    (cell,) = (m.at for m in kind_named("worker").metrics if m.name == metric)
    totals = statistics.totals()
    rows = (row.row for row in statistics.labels() if row.kind == "worker")
    return sum(totals[row * ROW_CELLS + cell] for row in rows)


def kill_one(gateway: Gateway, turn: int) -> int:
    """Kill a worker and wait until it is buried and there are two again; its pid."""
    pid = gateway.workers()[turn % 2]
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 15
    while pid in (workers := gateway.workers()) or len(workers) < 2:
        assert time.monotonic() < end
        time.sleep(0.002)
    return pid


#: Deaths are not held against a slot, so that a hundred fit into a test.
FORGIVING = """
import sys
from fastgw.master import slot
slot.SETTLED_S = 0.0
from fastgw.cli.main import main
sys.exit(main())
"""


def run(run_dir: Path, file: Path) -> Gateway:
    """`fastgw run` with two workers that are replaced at once, however often they die."""
    return Gateway(
        [sys.executable, "-c", FORGIVING, "run", str(file), "--workers", "2"]
        + ["--run-dir", str(run_dir)]
    )


def test_a_hundred_kills_under_load(tmp_path: Path) -> None:
    with upstream_origin() as origin:
        file = tmp_path / "gateway.yaml"
        file.write_text(configuration(origin))
        with run(tmp_path, file) as gateway:
            address = gateway.address()
            gateway.ready()
            statistics = statistics_of(gateway.process.pid)
            before = statistics.totals().tolist()
            with Load(address, fresh=True):
                for turn in range(KILLS):
                    kill_one(gateway, turn)
                    now = statistics.totals().tolist()
                    fallen = [
                        i
                        for i, (a, b) in enumerate(zip(before, now, strict=False))
                        if b < a and i % ROW_CELLS < ROW_COUNTERS
                    ]
                    assert not fallen
                    before = now
            gateway.signal(signal.SIGTERM)
            assert gateway.wait() == 0
            totals = statistics.totals().tolist()
            assert not any(v for i, v in enumerate(totals) if i % ROW_CELLS >= ROW_COUNTERS)
            assert statistics.processes() == []
            assert gateway.log.count("killed by SIGKILL") == KILLS


def test_columns_are_used_again(tmp_path: Path) -> None:
    """Two workers have 24 columns; 40 deaths need more, one after the other."""
    with upstream_origin() as origin:
        file = tmp_path / "gateway.yaml"
        file.write_text(configuration(origin))
        with run(tmp_path, file) as gateway:
            gateway.ready()
            statistics = statistics_of(gateway.process.pid)
            for turn in range(40):
                pid = kill_one(gateway, turn)
                end = time.monotonic() + 15
                while any(p.pid == pid for p in statistics.processes()):
                    assert time.monotonic() < end
                    time.sleep(0.002)
            assert len(statistics.processes()) <= 2
