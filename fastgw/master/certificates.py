"""Certificate files that change are taken up without being asked to.

Looked at are the files that the running plan names, a share of them each time, and the folders
that they are in: a file that is replaced changes its folder, whose files are then all looked
at. As with --watch, a change counts once nothing has changed for a quarter of a second.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable

from fastgw.master.compiler import CompileError, tls_options
from fastgw.master.generation import Generation
from fastgw.master.settings import Compiled
from fastgw.plan import PlanReader
from fastgw.tls.renewal import NotRenewable, renewed

#: Nothing must change for so long.
DEBOUNCE_S = 0.25
#: Between two looks, and the files that are looked at in one.
LOOK_S = 0.25
SHARE = 256

Facts = tuple[int, int, int]
_GONE: Facts = (0, 0, 0)


class CertificateFiles:
    """Looks at the files of a generation."""

    def __init__(self, generation: Generation) -> None:
        self.files = generation.files
        self.patterns = generation.patterns
        self._folders = {os.path.dirname(f): _facts(os.path.dirname(f)) for f in self._places()}
        self._fits = self._fitting()
        self._seen = {f: _facts(f) for f in self.files}
        #: What has changed, and when it did so last.
        since_ns = int(generation.begun_s * 1e9)
        # What was written after reading began may not be what was read.
        self._changed = {f for f, facts in self._seen.items() if facts[2] >= since_ns}
        self._changed_s = self._looked_s = 0.0
        self._at = 0

    def _places(self) -> Iterable[str]:
        return (*self.files, *self.patterns)

    def _fitting(self) -> set[str]:
        return {found for pattern in self.patterns for found in glob.glob(pattern)}

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
            facts = _facts(folder)
            if facts != was:
                self._folders[folder] = facts
                due |= {f for f in self.files if os.path.dirname(f) == folder}
                found |= self._look_for_others()
        for file in due:
            facts = _facts(file)
            if facts != self._seen[file]:
                self._seen[file] = facts
                found.add(file)
        return found

    def _look_for_others(self) -> set[str]:
        """Files that fit a pattern and did not before, or the reverse."""
        fits = self._fitting()
        news, self._fits = fits ^ self._fits, fits
        return news


def _facts(path: str) -> Facts:
    try:
        found = os.stat(path)
    except OSError:
        return _GONE
    return found.st_ino, found.st_size, found.st_mtime_ns


def renew(generation: Generation, files: set[str]) -> Compiled:
    """The running generation with files renewed in place; CompileError: it takes a reload."""
    plan = os.pread(generation.plan_fd, generation.plan_size, 0)
    bundle = os.pread(generation.bundle_fd, os.fstat(generation.bundle_fd).st_size, 0)
    try:
        made, digests = renewed(bundle, tls_options(PlanReader(plan)), files)
    except NotRenewable as e:
        raise CompileError([str(e)]) from None
    return Compiled(
        plan=plan,
        listen=generation.listen,
        memory=generation.memory,
        bundle=made,
        files=generation.files,
        patterns=generation.patterns,
        renewed=digests,
        labels=generation.labels,
        code=generation.code,
    )
