"""A compilation beside the running gateway.

A forked child has the source compiled (which is a child of its own, see compiler.py), seals
the plan and answers with the facts of it, or with the errors.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fastgw.master.generation import (
    CERTIFICATES,
    PLAN,
    Generation,
    facts_of,
    from_facts,
    new_memory,
    seal,
)
from fastgw.master.job import Job
from fastgw.master.settings import Compiled

Compile = Callable[[dict[str, Any]], Compiled]
#: Requests come first: a worker that wakes up takes the processor from the compiler, which they
#: share a control group with. It gets a quarter of one that workers never leave.
NICE = 5


class CompileJob(Job):
    """One compilation."""

    name = "the compiler"

    def __init__(
        self,
        compile_source: Compile,
        source: dict[str, Any],
        number: int,
        leave: Callable[[], None],
    ) -> None:
        self.compile_source, self.source, self.number = compile_source, source, number
        self.plan_fd, self.bundle_fd = new_memory(PLAN), new_memory(CERTIFICATES)
        super().__init__(leave, [self.plan_fd, self.bundle_fd])

    def work(self) -> bytes:
        """Compile, and seal what came of it."""
        with suppress(OSError):  # a sandbox may refuse it
            os.nice(NICE)
        compiled = self.compile_source(self.source)
        seal(self.plan_fd, compiled.plan)
        seal(self.bundle_fd, compiled.bundle)
        return facts_of(compiled)

    def result(self) -> Generation:
        """The generation, once the child has ended; CompileError says why there is none."""
        answer = self.answer()
        return from_facts(self.number, self.plan_fd, self.bundle_fd, answer)
