"""--watch: whether a file of the configuration has changed, and has come to rest.

Editors write in several steps and by renaming, so a change counts once nothing has changed
for a quarter of a second. What is looked at is a file's identity, size and time.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

#: Nothing must change for so long.
DEBOUNCE_S = 0.25

Facts = tuple[str, int, int, int]


class Watcher:
    """Looks at the files of a source."""

    def __init__(self, source: dict[str, Any]) -> None:
        self.file = source.get("file")
        self._seen = self._running = self._look()
        self._since_s = 0.0

    def _look(self) -> list[Facts]:
        found: list[Facts] = []
        for path in self._files():
            try:
                facts = os.stat(path)
            except OSError:
                found.append((path, 0, 0, 0))
            else:
                found.append((path, facts.st_ino, facts.st_size, facts.st_mtime_ns))
        return found

    def _files(self) -> list[str]:
        """The file and its neighbours of the same kind, which it may include."""
        if not self.file:
            return []
        path = Path(self.file)
        near = glob.glob(f"{glob.escape(str(path.parent))}/**/*{path.suffix}", recursive=True)
        return sorted({str(path), *near})

    def changed(self, now_s: float) -> bool:
        """Whether there was a change since the last time that it said so, and it is over."""
        now = self._look()
        if now != self._seen:
            self._seen, self._since_s = now, now_s
        elif now != self._running and now_s - self._since_s >= DEBOUNCE_S:
            self._running = now
            return True
        return False
