"""Reading the statistics segment: rows with their labels, added up over all processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastgw.control.exposition import Row
from fastgw.ext.base.reasons import REASON_TABLE
from fastgw.ext.record.catalogue import CELLS, LABEL_BREAK, read_catalogue
from fastgw.ext.shm.statistics import map_statistics

#: What a crossing's other half is called when a later version counted it.
UNKNOWN = "unknown"
_REASONS = ["", *(row[0] for row in REASON_TABLE)]


class StatisticsReader:
    """The segment behind a descriptor, which stays the caller's."""

    def __init__(self, fd: int) -> None:
        self._statistics = map_statistics(fd)
        self._kinds = {kind.name: len(kind.labels) for kind in read_catalogue()}
        self._crossings = {k.crossing: k.name for k in read_catalogue() if k.crossing}
        #: Row's index -> (kind, labels).
        self._labels: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._count = -1

    def forget_labels(self) -> None:
        """Rows may have been given to others: another generation was published."""
        self._count = -1

    def rows(self) -> Mapping[str, Sequence[Row]]:
        """Every row and crossing that was counted in, by the name of its kind."""
        statistics = self._statistics
        if self._count != statistics.row_count:
            self._count = statistics.row_count
            self._read_labels()
        found: dict[str, list[Row]] = {name: [] for name in self._kinds}
        totals = statistics.totals().cast("B").cast("q")
        for index, (kind, labels) in self._labels.items():
            cells = totals[index * CELLS : (index + 1) * CELLS].tolist()
            if any(cells):
                found[kind].append((labels, cells))
        for metric, index, other, value in statistics.crossings():
            row = self._labels.get(index)
            if row is not None and metric in self._crossings:
                reason = _REASONS[other] if other < len(_REASONS) else UNKNOWN
                found[self._crossings[metric]].append(((*row[1], reason), [value]))
        return found

    def _read_labels(self) -> None:
        """The rows of kinds that this version knows; a name with too few parts (it was too
        long) is filled up."""
        self._labels = {}
        for index, kind, name, _, _ in self._statistics.labels():
            if kind in self._kinds:
                most = self._kinds[kind]
                parts = name.split(LABEL_BREAK, most - 1)
                self._labels[index] = (kind, (*parts, *[""] * (most - len(parts))))
