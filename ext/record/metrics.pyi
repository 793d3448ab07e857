from fastgw.ext.exchange.shared import Recorder
from fastgw.ext.record.rows import Rows
from fastgw.ext.route.snapshot import Snapshot

class Metrics(Recorder):
    """Counts exchanges in rows; told after it: `following`."""

    rows: Rows
    def __init__(self, rows: Rows, following: Recorder | None = None) -> None: ...
    def bind(self, snapshot: Snapshot, first: int = 0, count: int = ...) -> int:
        """Give the routes from `first` on, at most `count`, their rows, and with the last of
        them the targets and endpoints theirs; the next route's index, 0 when all is done.
        Before that the snapshot must not be used."""
    def totals(self) -> dict[str, int]:
        """What this process has counted; what is 0 is left out."""
