"""Rehearsal: a configuration compiled and thrown away, to say what is wrong with it.

It is judged by what would judge it in a reload: the master's own compiler, with the same user,
the same rights to read keys and the same plugins. One is under way at a time; reloads need not
wait for it. Whether new addresses can be bound is the one thing that only the change itself
finds out: nothing is bound for a rehearsal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastgw.log import Log
from fastgw.master.compile_job import Compile, CompileJob
from fastgw.master.compiler import CompileError

#: Told the lines of what is wrong; none: it could run.
Judged = Callable[[list[str]], None]


class Rehearsal:
    """Compiles beside the running gateway; `readers` are the descriptors the master polls."""

    def __init__(
        self,
        compile_source: Compile,
        leave: Callable[[], None],
        readers: dict[int, Callable[[], None]],
        log: Log,
    ) -> None:
        self.compile_source, self.leave, self.readers, self.log = (
            compile_source,
            leave,
            readers,
            log,
        )
        self._job: CompileJob | None = None

    @property
    def busy(self) -> bool:
        """Whether one is under way."""
        return self._job is not None

    @property
    def pid(self) -> int:
        """The process that compiles; 0 = there is none."""
        return self._job.pid if self._job is not None else 0

    def begin(self, source: dict[str, Any], number: int, judged: Judged) -> None:
        """Compile a source as the generation of a number would be; called when not busy."""
        self.log.info("admin API: a configuration is checked")
        try:
            job = CompileJob(self.compile_source, source, number, self.leave)
        except OSError as e:
            judged([f"fork: {e.strerror}"])
            return
        self._job = job
        self.readers[job.alive] = lambda: self._end(job, judged)

    def _end(self, job: CompileJob, judged: Judged) -> None:
        self._job = None
        del self.readers[job.alive]
        try:
            job.result().close()
        except CompileError as e:
            judged(e.lines)
        else:
            judged([])

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        job, self._job = self._job, None
        if job is not None:
            del self.readers[job.alive]
            job.cancel()
