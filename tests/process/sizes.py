"""How large the long runs are: small in the ordinary suite, `FASTGW_SOAK=full` by hand."""

from __future__ import annotations

import os

FULL = os.environ.get("FASTGW_SOAK") == "full"


def size(small: int, full: int) -> int:
    """A number of this run."""
    return full if FULL else small
