"""Files of the run directory that others read.

state      what a restarted master can't learn from its orphans: the order of each address's
           sockets in the kernel's group, without which new connections can't be steered
upgrade    how the last upgrade went, for `fastgw upgrade`: {"pid", "failed", "time_s"}

Losing them loses no more than that.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from fastgw.master.addresses import Listening

NAME = "state"
UPGRADE = "upgrade"


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
    _put(folder, NAME, {"orders": orders})


def write_outcome(folder: Path, pid: int, failed: str) -> None:
    """How an upgrade went; OSError."""
    _put(folder, UPGRADE, {"pid": pid, "failed": failed, "time_s": time.time()})


def _put(folder: Path, name: str, content: dict[str, object]) -> None:
    new = folder / f"{name}.new"
    new.write_text(json.dumps(content))
    os.replace(new, folder / name)
