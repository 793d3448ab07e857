"""Statistics: exact sums over processes that come, go and die."""

from __future__ import annotations

import os
import signal
import time

import pytest

from fastgw.ext.shm.segment import SegmentError, create_segment
from fastgw.ext.shm.statistics import (
    MAGIC,
    ROW_CELLS,
    ROW_COUNTERS,
    ROW_OVERFLOW,
    Column,
    Crossing,
    Statistics,
    create_statistics,
    map_statistics,
)

GAUGE = ROW_COUNTERS


def cell(statistics: Statistics, row: int, index: int) -> int:
    return statistics.totals()[row * ROW_CELLS + index]


def test_columns_are_summed() -> None:
    s = create_statistics(4, rows=10, sparse=64)
    a, b = (Column(s, s.open_column("worker", slot)) for slot in (0, 1))
    (row,) = s.assign([("route", "api")], 0)
    a.add(row, 0, 5)
    b.add(row, 0, 7)
    a.add(row, GAUGE, 3)
    b.add(row, GAUGE, -1)
    assert cell(s, row, 0) == 12
    assert cell(s, row, GAUGE) == 2
    assert s.column_row(b.index, row)[GAUGE] == -1


def test_dead_process_keeps_counters_and_loses_gauges() -> None:
    s = create_statistics(1, rows=10, sparse=64)
    (row,) = s.assign([("route", "api")], 0)
    for _ in range(3):
        column = Column(s, s.open_column("worker", 0))
        column.add(row, 1, 10)
        column.add(row, GAUGE, 1)
        column.add_sparse(1, row, 9, 2)
        s.fold(column.index)
    assert cell(s, row, 1) == 30
    assert cell(s, row, GAUGE) == 0
    assert s.crossings() == [Crossing(1, row, 9, 6)]
    assert s.processes() == []


def test_fold_that_was_cut_short_goes_on() -> None:
    """A second fold of the same column adds nothing twice."""
    s = create_statistics(1, rows=10, sparse=64)
    column = Column(s, s.open_column("worker", 0))
    column.add(0, 1, 10)
    s.fold(column.index)
    s.fold(column.index)
    assert cell(s, 0, 1) == 10


def test_columns_run_out() -> None:
    s = create_statistics(2, rows=10, sparse=64)
    first = s.open_column("worker", 0)
    s.open_column("control")
    with pytest.raises(RuntimeError, match="all 2 columns"):
        s.open_column("worker", 1)
    s.fold(first)
    assert s.open_column("worker", 1) == first


def test_processes_are_listed() -> None:
    s = create_statistics(2, rows=10, sparse=64)
    worker = s.open_column("worker", 3)
    s.set_pid(worker, 4711)
    control = s.open_column("control")
    column = Column(s, worker)
    column.beat(123_456)
    column.set_generation(9)
    one, two = s.processes()
    assert (one.pid, one.slot, one.role, one.beat_ms, one.generation) == (
        4711,
        3,
        "worker",
        123_456,
        9,
    )
    assert (two.column, two.slot, two.role) == (control, -1, "control")
    assert two.incarnation > one.incarnation


def test_labels_keep_their_rows() -> None:
    s = create_statistics(1, rows=10, sparse=64)
    before = s.assign([("route", "a"), ("route", "b"), ("endpoint", "a")], 0)
    assert len(set(before)) == 3
    after = s.assign([("endpoint", "a"), ("route", "new"), ("route", "a")], 1)
    assert (after[0], after[2]) == (before[2], before[0])
    assert after[1] not in before
    assert {(r.kind, r.name): r.used for r in s.labels()} == {
        ("process", ""): True,
        ("overflow", ""): True,
        ("route", "a"): True,
        ("route", "b"): False,
        ("endpoint", "a"): True,
        ("route", "new"): True,
    }


def test_rows_are_reused_ten_minutes_after_their_labels_vanished() -> None:
    s = create_statistics(1, rows=2, sparse=64)
    column = Column(s, s.open_column("worker", 0))
    a, b = s.assign([("route", "a"), ("route", "b")], 1000)
    column.add(b, 0, 99)
    column.add_sparse(2, b, 1, 5)
    assert s.assign([("route", "a"), ("route", "c")], 1000) == [a, ROW_OVERFLOW]
    assert s.expire(1599) == 0
    assert s.expire(1600) == 1
    assert s.assign([("route", "a"), ("route", "c")], 1600) == [a, b]
    assert cell(s, b, 0) == 0
    assert s.crossings() == []
    (entry,) = (r for r in s.labels() if r.row == b)
    assert (entry.name, entry.serial) == ("c", 2)


def test_label_that_comes_back_finds_its_row() -> None:
    s = create_statistics(1, rows=10, sparse=64)
    column = Column(s, s.open_column("worker", 0))
    (row,) = s.assign([("route", "a")], 0)
    column.add(row, 0, 3)
    s.assign([], 10)
    assert s.assign([("route", "a")], 500) == [row]
    s.expire(10_000)
    assert cell(s, row, 0) == 3


def test_row_in_use_is_not_given_away() -> None:
    """A tunnel of a route that is gone still counts."""
    s = create_statistics(1, rows=10, sparse=64)
    column = Column(s, s.open_column("worker", 0))
    (row,) = s.assign([("route", "a")], 0)
    column.add(row, GAUGE, 1)
    s.assign([], 0)
    assert s.expire(100_000) == 0
    column.add(row, GAUGE, -1)
    assert s.expire(100_000) == 1


def test_labels_past_the_cap_share_a_row() -> None:
    s = create_statistics(1, rows=2, sparse=64)
    rows = s.assign([("route", str(i)) for i in range(5)], 0)
    assert rows == [2, 3, ROW_OVERFLOW, ROW_OVERFLOW, ROW_OVERFLOW]


def test_long_labels_are_cut_but_not_mixed_up() -> None:
    s = create_statistics(1, rows=10, sparse=64)
    one, two = s.assign([("endpoint", "x" * 500 + "1"), ("endpoint", "x" * 500 + "2")], 0)
    assert one != two
    assert len(s.labels()[-1].name) < 217


def test_crossings_past_the_cap_share_a_cell() -> None:
    s = create_statistics(1, rows=10, sparse=64)
    column = Column(s, s.open_column("worker", 0))
    for other in range(200):
        column.add_sparse(1, 2, other, 1)
        column.add_sparse(1, 2, other, 1)
    found = s.crossings()
    assert sum(c.value for c in found) == 400
    assert len(found) == 64
    assert column.sparse_lost == 2 * (200 - 63)


def test_other_mapping_sees_the_same() -> None:
    s = create_statistics(1, rows=10, sparse=64)
    other = map_statistics(s.segment.fd)
    Column(s, s.open_column("worker", 0)).add(0, 0, 1)
    assert cell(other, 0, 0) == 1


def test_what_is_no_statistics_is_refused() -> None:
    segment = create_segment("statistics", MAGIC, 99, 4096)
    with pytest.raises(SegmentError, match="layout 99"):
        map_statistics(segment.fd)


def test_wrong_indexes_are_refused() -> None:
    s = create_statistics(1, rows=10, sparse=64)
    for wrong in (0, 2, -1):
        with pytest.raises((IndexError, OverflowError)):
            Column(s, wrong)
    column = Column(s, s.open_column("worker", 0))
    for row, index in ((12, 0), (0, ROW_CELLS), (-1, 0)):
        with pytest.raises(IndexError):
            column.add(row, index, 1)
    with pytest.raises(ValueError):
        column.add_sparse(0, 0, 0, 1)


def test_sums_never_fall_while_processes_are_killed() -> None:
    """Children count until they are killed; a reader never sees a sum fall."""
    s = create_statistics(2, rows=10, sparse=64)
    (row,) = s.assign([("route", "a")], 0)
    seen = 0
    for _ in range(20):
        index = s.open_column("worker", 0)
        pid = os.fork()
        if pid == 0:
            column = Column(s, index)
            while True:
                column.add(row, 0, 1)
                column.add(row, GAUGE, 1)
                column.add_sparse(1, row, 7, 1)
        while s.column_row(index, row)[0] < 100:
            time.sleep(0)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        before = cell(s, row, 0)
        assert before >= seen
        s.fold(index)
        seen = cell(s, row, 0)
        assert seen == before
        assert cell(s, row, GAUGE) == 0
    assert abs(s.crossings()[0].value - seen) <= 20


def test_ten_thousand_rows_are_summed_quickly() -> None:
    s = create_statistics(5)
    s.assign([("route", f"route-{i}") for i in range(9_998)], 0)
    for slot in range(4):
        s.open_column("worker", slot)
    s.totals()
    took = []
    for _ in range(3):
        begin = time.perf_counter()
        s.totals()
        took.append(time.perf_counter() - begin)
    assert min(took) < 0.050
