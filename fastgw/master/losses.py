"""Losses: what was taken from clients by workers that hung and were ended (`worker_hung`).

A worker counts its connections in its own column of the statistics, which is settled when it is
dead; what stood there then is what ended with it.
"""

from __future__ import annotations

from fastgw.ext.record.catalogue import kind_named
from fastgw.ext.shm.statistics import Statistics
from fastgw.master.process import WorkerProcess


class Losses:
    """Counters of one master, by the short names of their metrics."""

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        self.workers = 0
        self.connections = 0

    def add(self, worker: WorkerProcess) -> None:
        """A worker that hung is dead; its column is as it left it, counted once a second."""
        self.workers += 1
        (cell,) = (m.at for m in kind_named("worker").metrics if m.name == "fastgw_connections")
        for row in self.statistics.labels():
            if (row.kind, row.name) == ("worker", str(worker.slot)):
                self.connections += self.statistics.column_row(worker.column, row.row)[cell]

    def totals(self) -> dict[str, int]:
        """As the control process is told them."""
        return {"workers_hung": self.workers, "workers_hung_connections": self.connections}
