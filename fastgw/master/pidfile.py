"""--pidfile: the master's pid for those who want it in a file."""

from __future__ import annotations

import os
from pathlib import Path

from fastgw.log import Log


class PidFile:
    """A file with our pid; an empty path: none. Never stands in the way of the gateway."""

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self, log: Log) -> None:
        """Put our pid in the place of whatever stood there; what can't be done is said."""
        if not self.path:
            return
        new = Path(f"{self.path}.{os.getpid()}")
        try:
            new.write_text(f"{os.getpid()}\n")
            new.replace(self.path)
        except OSError as e:
            log.error(f"pid file {self.path}: {e.strerror}")

    def remove(self) -> None:
        """Take it away if it is still ours."""
        if not self.path:
            return
        try:
            if Path(self.path).read_text() == f"{os.getpid()}\n":
                os.unlink(self.path)
        except OSError:
            pass
