"""Work beside the running gateway: the master goes on while a child that it forked is at it.

The child fills memory of the master's and leaves an answer, or the lines that say why there is
none; whatever happens to it, the master learns which of the two it is.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
from collections.abc import Callable

import msgpack

from fastgw.master.compiler import CompileError
from fastgw.master.process import describe_end
from fastgw.master.signals import HANDLED
from fastgw.named_files import Read


class Job:
    """A forked child. `alive` is readable when it has ended."""

    #: What the child is called where it died without a word.
    name = "the child"

    def __init__(self, leave: Callable[[], None], memory: list[int]) -> None:
        """`leave`: makes the child forget what only the master may hold; `memory`: descriptors
        that it fills, which are whoever's that takes the answer."""
        self.memory = memory
        self.answer_fd = os.memfd_create("fastgw-answer", os.MFD_CLOEXEC)
        self.alive, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            self.pid = os.fork()
            if self.pid == 0:
                self._run(leave)
        finally:
            os.close(theirs)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)

    def work(self) -> bytes:
        """In the child: fill the memory; what is answered. CompileError says why not."""
        raise NotImplementedError

    def _run(self, leave: Callable[[], None]) -> None:
        """In the child; never returns."""
        code = 1
        try:
            gc.disable()  # we end before it could pay
            leave()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            os.write(self.answer_fd, self.work())
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
        os.write(self.answer_fd, msgpack.packb([lines, read.as_map()]))

    def answer(self) -> bytes:
        """What the child has answered, once it has ended; CompileError says why nothing."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        os.close(self.alive)
        answer = os.pread(self.answer_fd, os.fstat(self.answer_fd).st_size, 0)
        os.close(self.answer_fd)
        if status == 0:
            return answer
        for fd in self.memory:
            os.close(fd)
        if not answer:
            raise CompileError([f"{self.name}: {describe_end(status)}"])
        lines, read = msgpack.unpackb(answer)
        raise CompileError(lines, Read(**read))

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
            for fd in (self.alive, self.answer_fd, *self.memory):
                os.close(fd)
