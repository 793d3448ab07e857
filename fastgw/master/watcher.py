"""--watch: whether a file that the configuration was read from has changed, and is at rest.

Those are the files that the compiler opened: what is included, what `${file:...}` names,
bodies, certificates, keys, the code of plugins; those that were missing, too. Of a pattern it
is looked which files fit it. Editors write in several steps and by renaming, so a change
counts once nothing has changed for a quarter of a second.
"""

from __future__ import annotations

import os
import time

from fastgw.named_files import NO_FILE, Facts, Read, facts_of, find

#: Nothing must change for so long.
DEBOUNCE_S = 0.25
#: Looking takes at most this share of the time.
SHARE = 0.02


class Watcher:
    """Looks at the files that a configuration was read from."""

    def __init__(self, main: str | None, read: Read) -> None:
        self.main = main
        self.files: list[str] = []
        #: What the files and patterns were when they were read, and when they were looked at.
        self._running: tuple[object, ...] = ()
        self._seen: tuple[object, ...] = ()
        self._since_s = self._look_s = 0.0
        self.read(read)

    def read(self, read: Read) -> None:
        """The configuration was read, from these files; none: the compiler did not get so far."""
        if self.files and not read.files:
            return
        found = dict(read.files)
        if self.main and self.main not in found:
            # Another one runs for now, that was put.
            found[self.main] = facts(self.main)
        self.files = sorted(found)
        self.patterns = sorted(read.patterns)
        self._running = (
            *(tuple(found[path]) for path in self.files),
            *(list(read.patterns[pattern]) for pattern in self.patterns),
        )
        self._seen = self._running

    def _look(self) -> tuple[object, ...]:
        return (*map(facts, self.files), *map(find, self.patterns))

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


def facts(path: str) -> Facts:
    """A file as it is now."""
    try:
        return facts_of(os.stat(path))
    except OSError:
        return NO_FILE
