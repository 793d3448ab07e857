"""The run directory's `state`: what a restarted master can't learn from its orphans.

That is the order of each address's sockets in the kernel's group, without which new
connections can't be steered. Losing the file loses no more than that.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from fastgw.master.addresses import Listening

NAME = "state"


def read_orders(folder: Path) -> dict[str, list[int]]:
    """Slots in the order of each address's group, by the address's name."""
    try:
        orders = json.loads((folder / NAME).read_text())["orders"]
        return {str(name): [int(slot) for slot in order] for name, order in orders.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_orders(folder: Path, listening: Listening) -> None:
    """Put the file in the place of the old one; OSError if that can't be done."""
    orders = {b.name: b.steering.order for b in listening.bound if b.steering is not None}
    new = folder / f"{NAME}.new"
    new.write_text(json.dumps({"orders": orders}))
    os.replace(new, folder / NAME)
