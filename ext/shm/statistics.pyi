from collections.abc import Iterable
from typing import NamedTuple

from fastgw.ext.shm.segment import Segment

MAGIC: bytes
STATISTICS_LAYOUT: int
ROW_COUNTERS: int
ROW_GAUGES: int
ROW_CELLS: int
ROW_PROCESS: int
ROW_OVERFLOW: int
ROW_FIRST: int
COLUMN_RETIRED: int
SPARSE_OVERFLOW: int
LABEL_BYTES: int

class Process(NamedTuple):
    """A live process as its column says."""

    column: int
    pid: int
    #: Of a worker; -1 of another role.
    slot: int
    #: worker, control or master
    role: str
    incarnation: int
    #: CLOCK_MONOTONIC of the last heartbeat; 0: none yet.
    beat_ms: int
    #: Of the plan that it serves.
    generation: int
    started_ms: int

class Row(NamedTuple):
    """A row with labels."""

    row: int
    kind: str
    name: str
    #: Whether the running generation names it.
    used: bool
    #: Another number = another use of the row: its counters began again at 0.
    serial: int

class Crossing(NamedTuple):
    """A sparse cell's sum."""

    metric: int
    row: int
    other: int
    value: int

class Statistics:
    """Counters and gauges of all processes; see statistics.pxd."""

    segment: Segment
    def __init__(self, segment: Segment) -> None: ...
    @property
    def row_count(self) -> int: ...
    @property
    def row_most(self) -> int: ...
    @property
    def column_most(self) -> int: ...
    # readers
    def totals(self) -> memoryview: ...
    def crossings(self) -> list[Crossing]: ...
    def column_row(self, column: int, row: int) -> list[int]: ...
    def processes(self) -> list[Process]: ...
    def labels(self) -> list[Row]: ...
    # the master
    def open_column(self, role: str, slot: int = ...) -> int: ...
    def set_pid(self, column: int, pid: int) -> None: ...
    def fold(self, column: int) -> None: ...
    def order_drain(self, on: bool = ...) -> None: ...
    def assign(self, labels: Iterable[tuple[str, str]], now_s: int) -> list[int]: ...
    def expire(self, now_s: int, after_s: int = ...) -> int: ...

class Column:
    """One process's own cells."""

    statistics: Statistics
    index: int
    sparse_lost: int
    def __init__(self, statistics: Statistics, index: int) -> None: ...
    @property
    def draining(self) -> bool: ...
    def beat(self, now_ms: int) -> None: ...
    def set_generation(self, number: int) -> None: ...
    def add(self, row: int, cell: int, n: int) -> None: ...
    def add_sparse(self, metric: int, row: int, other: int, n: int) -> None: ...

def create_statistics(
    columns: int, rows: int = ..., sparse: int = ..., generation: int = ...
) -> Statistics: ...
def map_statistics(fd: int) -> Statistics: ...
