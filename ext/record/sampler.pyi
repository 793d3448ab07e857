from typing import Any

from fastgw.ext.record.rows import Rows

class Sampler:
    """Copies a worker's levels and sums to its row once a second."""

    def __init__(
        self,
        rows: Rows,
        slot: int,
        dispatcher: Any,
        server: Any,
        limit: Any,
        lines: Any,
        doors: Any,
    ) -> None: ...
    def start(self, loop: Any) -> None:
        """Begin, on a loop that runs or is about to."""
    def stop(self) -> None:
        """Copy once more, then end."""
    def sample(self) -> None:
        """Copy now."""
