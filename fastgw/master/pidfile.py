"""--pidfile: the master's pid for those who want it in a file."""

from __future__ import annotations

import os
from pathlib import Path


class PidFile:
    """A file with our pid; an empty path: none. Never stands in the way of the gateway."""

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self) -> None:
        """Put our pid in the place of whatever stood there; OSError."""
        if self.path:
            new = Path(f"{self.path}.{os.getpid()}")
            new.write_text(f"{os.getpid()}\n")
            new.replace(self.path)

    def remove(self) -> None:
        """Take it away if it is still ours."""
        if not self.path:
            return
        try:
            if Path(self.path).read_text() == f"{os.getpid()}\n":
                os.unlink(self.path)
        except OSError:
            pass
