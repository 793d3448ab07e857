"""Published: segments that one process makes and all others read.

The master checks header and seals, keeps the newest segment of each name, fans it out and
never looks at what it says. A worker is born with the newest ones, and so is the next
control process; an upgrade or adoption hands them on, so that nothing has to be learnt anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from fastgw import names
from fastgw.ext.shm.segment import SegmentError, check_published
from fastgw.log import Log
from fastgw.master.process import WorkerProcess

#: What a segment of each name must begin with.
KINDS = {names.SEGMENT: (names.MAGIC, names.LAYOUT)}


class Published:
    """The newest segment of each name."""

    def __init__(self, log: Log, inherited: Mapping[str, int] | None = None) -> None:
        self.log = log
        self.fds: dict[str, int] = {}
        #: Who is told of a new one.
        self.readers: Callable[[], Iterable[WorkerProcess]] = lambda: ()
        for name, fd in (inherited or {}).items():
            try:
                self.take(name, fd)
            except SegmentError as e:
                log.warning(f"segment {name} was handed over and can't be used: {e}")
            finally:
                os.close(fd)

    def take(self, name: str, fd: int) -> None:
        """A publisher's segment; the descriptor stays the caller's. SegmentError: it is none
        that may be passed on, and the one before stays."""
        kind = KINDS.get(name)
        if kind is None:
            raise SegmentError(f"nobody reads a segment called {name!r}")
        check_published(fd, *kind)
        old, self.fds[name] = self.fds.get(name, -1), os.dup(fd)
        if old >= 0:
            os.close(old)
        for worker in self.readers():
            worker.send("segment", {"segment": self.fds[name]}, name=name)

    def close(self) -> None:
        """Let all of them go; who has mapped one keeps it."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds.clear()
