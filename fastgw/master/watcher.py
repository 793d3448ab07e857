"""--watch: whether a file that the configuration was read from has changed, and is at rest.

Those are the files that the compiler opened: what is included, what `${file:...}` names,
bodies, certificates, keys, the code of plugins; those that were missing, too. Of a pattern it
is looked which files fit it. Editors write in several steps and by renaming, so a change
counts once nothing has changed for a quarter of a second.

Certificates that are in use are left to certificates.py, which takes up without a reload what may
be; those of a configuration that could not be used are looked at here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

from fastgw.named_files import NO_FILE, Facts, Read, facts_of, find

#: Nothing must change for so long.
DEBOUNCE_S = 0.25
#: Looking takes at most this share of the time.
SHARE = 0.02


class Watcher:
    """Looks at the files that a configuration was read from."""

    def __init__(self, main: str | None, read: Read) -> None:
        self.main = main
        #: What the files and patterns were when they were read, and when they were looked at.
        self._running = Read()
        self._seen = Read()
        self._since_s = self._look_s = 0.0
        self.read(read)

    def read(self, read: Read) -> None:
        """The configuration was read, from these files; none: the compiler did not get so far."""
        if self._running.files and not read.files:
            return
        found = {path: tuple_of(about) for path, about in read.files.items()}
        if self.main and self.main not in found:
            # Another one runs for now, that was put.
            found[self.main] = facts(self.main)
        self._running = Read(found, {one: list(fits) for one, fits in read.patterns.items()})
        self._seen = self._running

    def leave(self, files: Iterable[str], patterns: Iterable[str]) -> None:
        """What was read last runs now, and somebody else looks at these files of it."""
        self._running = without(self._running, set(files), set(patterns))
        self._seen = without(self._seen, set(files), set(patterns))

    def _look(self) -> Read:
        running = self._running
        return Read({f: facts(f) for f in running.files}, {p: find(p) for p in running.patterns})

    def changed(self, now_s: float) -> bool:
        """Whether there was a change since the last time that it said so, and it is over."""
        if now_s < self._look_s:
            return False
        begin_s = time.monotonic()
        now = self._look()
        self._look_s = now_s + (time.monotonic() - begin_s) / SHARE
        if now != self._seen:
            self._seen, self._since_s = now, now_s
        elif now != self._running and now_s - self._since_s >= DEBOUNCE_S:
            self._running = now
            return True
        return False


def without(read: Read, files: set[str], patterns: set[str]) -> Read:
    """The rest."""
    return Read(
        {path: about for path, about in read.files.items() if path not in files},
        {one: fits for one, fits in read.patterns.items() if one not in patterns},
    )


def tuple_of(about: Sequence[int]) -> Facts:
    """Facts that have come from another process."""
    inode, size, time_ns = about
    return inode, size, time_ns


def facts(path: str) -> Facts:
    """A file as it is now."""
    try:
        return facts_of(os.stat(path))
    except OSError:
        return NO_FILE
