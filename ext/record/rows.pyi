from fastgw.ext.shm.statistics import Column

class Rows:
    """Where rows come from."""

class LocalRows(Rows):
    """Memory of this process."""

    def rows(self) -> dict[str, list[tuple[tuple[str, ...], list[int]]]]:
        """Every row by the name of its kind: [(labels, cells)]."""

class SharedRows(Rows):
    """This process's column of the statistics segment."""

    column: Column
    def __init__(self, column: Column) -> None: ...
    def refresh(self) -> None:
        """Learn which rows the master has given since the last time."""
    def find(self, kind: str, name: str) -> int | None:
        """The index of a row, as it was known at the last `refresh`."""
