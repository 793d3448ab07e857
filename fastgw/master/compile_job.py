"""A compilation beside the running gateway: the master goes on meanwhile.

A forked child has the source compiled (which is a child of its own, see compiler.py), seals
the plan and writes the facts of it, or the errors, into memory of the master's. Whatever
happens to it, there is a generation or there are lines that say why not.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import msgpack

from fastgw.master.compiler import CompileError
from fastgw.master.generation import (
    CERTIFICATES,
    PLAN,
    Generation,
    facts_of,
    from_facts,
    new_memory,
    seal,
)
from fastgw.master.process import describe_end
from fastgw.master.settings import Compiled
from fastgw.master.signals import HANDLED
from fastgw.named_files import Read

Compile = Callable[[dict[str, Any]], Compiled]
#: Requests come first: a worker that wakes up takes the processor from the compiler, which they
#: share a control group with. It gets a quarter of one that workers never leave.
NICE = 5


class CompileJob:
    """One compilation. `alive` is readable when it has ended."""

    def __init__(
        self,
        compile_source: Compile,
        source: dict[str, Any],
        number: int,
        leave: Callable[[], None],
    ) -> None:
        self.number = number
        self.plan_fd, self.bundle_fd = new_memory(PLAN), new_memory(CERTIFICATES)
        self.answer_fd = os.memfd_create("fastgw-compiled", os.MFD_CLOEXEC)
        self.alive, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                self._work(compile_source, source, leave)
        finally:
            os.close(theirs)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def _work(
        self, compile_source: Compile, source: dict[str, Any], leave: Callable[[], None]
    ) -> None:
        """In the child; never returns."""
        code = 1
        try:
            gc.disable()  # we end before it could pay
            with suppress(OSError):  # a sandbox may refuse it
                os.nice(NICE)
            leave()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            compiled = compile_source(source)
            seal(self.plan_fd, compiled.plan)
            seal(self.bundle_fd, compiled.bundle)
            os.write(self.answer_fd, facts_of(compiled))
            code = 0
        except CompileError as e:
            self._say(e.lines, e.read)
            code = 2
        except BaseException:
            self._say(traceback.format_exc().splitlines(), Read())
        finally:
            os._exit(code)

    def _say(self, lines: list[str], read: Read) -> None:
        """Leave word of what is wrong, and what it was found in."""
        os.write(self.answer_fd, msgpack.packb([lines, asdict(read)]))

    def result(self) -> Generation:
        """The generation, once the child has ended; CompileError says why there is none."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        os.close(self.alive)
        answer = os.pread(self.answer_fd, os.fstat(self.answer_fd).st_size, 0)
        os.close(self.answer_fd)
        if status == 0:
            return from_facts(self.number, self.plan_fd, self.bundle_fd, answer)
        os.close(self.plan_fd)
        os.close(self.bundle_fd)
        if not answer:
            raise CompileError([f"the compiler: {describe_end(status)}"])
        lines, read = msgpack.unpackb(answer)
        raise CompileError(lines, Read(**read))

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
            for fd in (self.alive, self.answer_fd, self.plan_fd, self.bundle_fd):
                os.close(fd)
