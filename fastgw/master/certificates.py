"""Certificate files that change are taken up without being asked to.

Looked at are the files that the running plan names, a share of them each time, and the folders
that they are in: a file that is replaced changes its folder, whose files are then all looked
at. As with --watch, a change counts once nothing has changed for a quarter of a second. What may
be taken up without a reload is found by renewal_job.py.
"""

from __future__ import annotations

import os

from fastgw.master.generation import Generation
from fastgw.master.watcher import facts
from fastgw.named_files import NO_FILE, Facts, find

#: Nothing must change for so long.
DEBOUNCE_S = 0.25
#: Between two looks, and the files that are looked at in one.
LOOK_S = 0.25
SHARE = 256


class CertificateFiles:
    """Looks at the files of a generation."""

    def __init__(self, generation: Generation) -> None:
        self.files = generation.files
        self.patterns = generation.patterns
        read = generation.read
        folders = {os.path.dirname(place) for place in (*self.files, *self.patterns)}
        #: Nothing is known of what they were when the files were read: look at once.
        self._folders: dict[str, Facts] = dict.fromkeys(folders, NO_FILE)
        self._fits = {path for one in self.patterns for path in read.patterns.get(one, ())}
        self._seen = {f: read.files.get(f, NO_FILE) for f in self.files}
        self._changed: set[str] = set()
        self._changed_s = self._looked_s = 0.0
        self._at = 0

    def changed(self, now_s: float) -> set[str]:
        """The files that have changed, once that is over; files that were never named are new
        certificates, or gone ones."""
        if now_s - self._looked_s < LOOK_S:
            return set()
        self._looked_s = now_s
        found = self._look()
        if found:
            self._changed |= found
            self._changed_s = now_s
        elif self._changed and now_s - self._changed_s >= DEBOUNCE_S:
            told, self._changed = self._changed, set()
            return told
        return set()

    def _look(self) -> set[str]:
        """What has changed since the last look."""
        due = {*self._changed, *self.files[self._at : self._at + SHARE]} & self._seen.keys()
        self._at = self._at + SHARE if self._at + SHARE < len(self.files) else 0
        found: set[str] = set()
        for folder, was in self._folders.items():
            now = facts(folder)
            if now != was:
                self._folders[folder] = now
                due |= {f for f in self.files if os.path.dirname(f) == folder}
                found |= self._look_for_others()
        for file in due:
            now = facts(file)
            if now != tuple(self._seen[file]):
                self._seen[file] = now
                found.add(file)
        return found

    def _look_for_others(self) -> set[str]:
        """Files that fit a pattern and did not before, or the reverse."""
        fits = {path for pattern in self.patterns for path in find(pattern)}
        news, self._fits = fits ^ self._fits, fits
        return news
