r"""Reload: another generation takes the place of the running one, or nothing changes.

    compile -> bind -> every worker prepares -> every worker switches
           \-> errors    \-> one refuses: all forget it

Workers build the new snapshot beside the old one, a little at a time, and switch between
two requests. Another code of plugins, or another number of processes' own settings, needs
new workers: a whole new set beside the old one, which leaves when all of the new are ready.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastgw.master.addresses import AddressError, Change
from fastgw.master.compile_job import Compile, CompileJob
from fastgw.master.compiler import CompileError
from fastgw.master.generation import Generation
from fastgw.master.job import Job
from fastgw.master.messages import Message
from fastgw.master.process import WorkerProcess
from fastgw.master.renewal_job import RenewalJob
from fastgw.master.workforce import Workforce
from fastgw.named_files import Read

#: A worker that has not prepared a plan by then is a reason to refuse it.
PREPARE_S = 60.0

#: Told how a reload ended: the lines of what is wrong, none if it runs.
Done = Callable[[list[str]], None]


class Reload:
    """Brings the workers from one generation to the next; one at a time."""

    def __init__(
        self, workforce: Workforce, compile_source: Compile, source: dict[str, Any]
    ) -> None:
        self.workforce, self.log = workforce, workforce.log
        self.compile_source, self.source = compile_source, source
        self.job: Job | None = None
        #: What is being prepared, and what it means for the addresses.
        self.next: Generation | None = None
        self.change = Change()
        self.number = workforce.generation.number
        #: Told of each generation that runs.
        self.on_switched: list[Callable[[Generation], None]] = []
        #: Given each generation that was compiled, and what goes on with it: now or later.
        self.on_compiled: Callable[[Generation, Callable[[], None]], None] = lambda _, go: go()
        self._holding = False
        #: Told of the files that each compilation has read, whether it worked or not.
        self.on_read: Callable[[Read], None] = lambda read: None
        #: Reloads that changed nothing.
        self.failures = 0
        self._new_set = False
        self._because = ""
        self._waiting: list[Done] = []
        #: Who asked while one was under way: another one follows.
        self._again: list[tuple[str, Done | None]] = []
        self._begun_s = self._compiled_s = 0.0
        self._switching = False
        self._awaited: set[int] = set()
        workforce.told |= {
            "prepared": self.told_prepared,
            "refused": self.told_refused,
            "switched": self.told_switched,
        }

    @property
    def busy(self) -> bool:
        """Whether one is under way."""
        return self.job is not None or self.next is not None or self._switching

    # -- compiling -------------------------------------------------------------------------

    def begin(self, because: str, done: Done | None = None, source: Any = None) -> None:
        """Compile the source (or another one) and switch to it."""
        if self.busy:
            self._again.append((because, done))
            return
        self._because = because
        self._waiting = [done] if done else []
        self._begun_s = time.monotonic()
        self.number += 1
        wanted = {**(source or self.source)}
        if "options" in wanted:
            wanted["options"] = {**wanted["options"], "number": self.number}
        self.log.info(f"reload ({because}): compiling generation {self.number}")
        try:
            self.job = CompileJob(self.compile_source, wanted, self.number, self.workforce.forget)
        except OSError as e:
            self._end([f"fork: {e.strerror}"])

    def renew(self, files: set[str]) -> None:
        """Take up certificate files that were renewed; called when nothing is under way."""
        self._begun_s = time.monotonic()
        try:
            self.job = RenewalJob(self.workforce.generation, files, self.workforce.forget)
        except OSError as e:
            self.log.error(f"certificate files: fork: {e.strerror}")

    def _renewed(self, job: RenewalJob) -> None:
        """Hand the new files to the workers, or reload if it takes that."""
        force = self.workforce
        try:
            digests = job.result()
        except CompileError as e:
            self.log.info(f"certificate files: {e}")
            self.begin("certificate files have changed")
            return
        if digests:
            for worker in force.workers():
                worker.send("renew", force.generation.certificates(), digests=digests)
            took_ms = (time.monotonic() - self._begun_s) * 1000
            self.log.info(f"certificate files: {len(digests)} renewed after {took_ms:.0f} ms")
        self._follow_up()

    def compiled(self) -> None:
        """The compiler has ended."""
        assert self.job is not None
        job, self.job = self.job, None
        if isinstance(job, RenewalJob):
            self._renewed(job)
            return
        assert isinstance(job, CompileJob)
        self._compiled_s = time.monotonic()
        try:
            self.next = job.result()
            self.on_read(self.next.read)
            self.change = self.workforce.listening.change_to(
                self.next.listen, len(self.workforce.slots)
            )
        except CompileError as e:
            self.on_read(e.read)
            self._refuse(e.lines)
            return
        except (AddressError, OSError) as e:
            self._refuse([str(e)])
            return
        self._holding = True
        self.on_compiled(self.next, self._go_on)

    def _go_on(self) -> None:
        """Nobody has to be waited for any more."""
        if self.next is not None and self._holding:
            self._holding = False
            self._publish(self.next)

    def _publish(self, generation: Generation) -> None:
        """Give labels their rows, then the plan to every worker."""
        force = self.workforce
        force.statistics.expire(int(time.clock_gettime(time.CLOCK_BOOTTIME)))
        self._assign(generation)
        if generation.code != force.generation.code:
            self._prepare_new_set()
            return
        self._awaited = set()
        for worker in force.workers():
            if worker.ready:
                self._prepare(worker, generation)
        self._look()

    def _assign(self, generation: Generation) -> None:
        self.workforce.assign_rows(generation)

    # -- preparing -------------------------------------------------------------------------

    def _prepare(self, worker: WorkerProcess, generation: Generation) -> None:
        worker.preparing = generation.number
        if worker.send("prepare", generation.fds(), generation=generation.number):
            self._awaited.add(worker.pid)

    def told_prepared(self, worker: WorkerProcess, message: Message) -> None:
        """A worker could switch."""
        worker.prepared = message["generation"]
        self._awaited.discard(worker.pid)
        if self.next is None:
            self.catch_up(worker)
        else:
            self._look()

    def told_refused(self, worker: WorkerProcess, message: Message) -> None:
        """A worker can't use the plan: nobody does."""
        text = f"worker {worker.slot} refuses generation {message['generation']}: {message['text']}"
        if self.next is not None and message["generation"] == self.next.number:
            self._refuse(text.splitlines())
        else:
            self.log.error(text)

    def lost(self, worker: WorkerProcess) -> None:
        """A worker died; the next one in its slot begins with what runs then."""
        self._awaited.discard(worker.pid)
        if self._new_set and self.next is not None:
            if not any(s.successor is worker for s in self.workforce.slots):
                self._successor_lost(worker)
        elif self.next is not None and self.job is None:
            self._look()
        elif self._switching:
            self._look_switched()

    def look_at_clock(self) -> None:
        """Give up what takes too long."""
        late = self._compiled_s and time.monotonic() > self._compiled_s + PREPARE_S
        if self.next is not None and late:
            self._refuse([f"not every worker was ready for it within {PREPARE_S:g} s"])

    def _look(self) -> None:
        """Switch when everyone is prepared."""
        if self.next is None or self._holding:
            return
        if not self._new_set and not self._awaited:
            self._switch(self.next)

    # -- switching -------------------------------------------------------------------------

    def _switch(self, generation: Generation) -> None:
        force, change = self.workforce, self.change
        old, force.generation, self.next = force.generation, generation, None
        removed = {b.index: -1 for b in change.removed}
        force.listening.commit(change)
        self._switching = True
        for worker in force.workers():
            if worker.ready and worker.prepared == generation.number:
                self._tell_switch(worker, {**change.indexes, **removed}, change)
        force.close_later(change.removed)
        force.steer()
        old.close()
        self._look_switched()

    def _tell_switch(self, worker: WorkerProcess, indexes: dict[int, int], change: Change) -> None:
        number = self.workforce.generation.number
        fds = {str(i): b.of_slot(worker.slot).fileno() for i, b in enumerate(change.added)}
        told = worker.send(
            "switch",
            fds,
            generation=number,
            indexes=list(indexes.items()),
            added=[b.facts() for b in change.added],
        )
        if told:
            self._awaited.add(worker.pid)

    def told_switched(self, worker: WorkerProcess, message: Message) -> None:
        """A worker serves from the new plan."""
        worker.generation = message["generation"]
        self._awaited.discard(worker.pid)
        if self._switching:
            self._look_switched()

    def _look_switched(self) -> None:
        if self._awaited:
            return
        self._switching = False
        self._end([])

    def catch_up(self, worker: WorkerProcess) -> None:
        """A worker that was started before the switch and got ready after it."""
        force = self.workforce
        number = force.generation.number
        if worker.generation == number or self.busy or not worker.ready:
            return
        if worker.prepared == number:
            # It was born with the sockets of its time; only rows may have moved since.
            self._tell_switch(worker, {}, Change())
        elif worker.preparing != number:
            self._prepare(worker, force.generation)

    # -- a whole new set -------------------------------------------------------------------

    def _prepare_new_set(self) -> None:
        """New workers beside the old ones; they begin when all are ready."""
        force = self.workforce
        assert self.next is not None
        self._new_set = True
        self.log.info("plugins have other code: a new set of workers is started")
        for slot in force.slots:
            slot.successor = force.start(slot, self.next, self.change, listen=False)
        if any(slot.successor is None for slot in force.slots):
            self._refuse(["a worker could not be started"])

    def successor_ready(self, worker: WorkerProcess) -> None:
        """One of the new set could begin; the last one makes all of them begin."""
        force = self.workforce
        if not self._new_set or self.next is None:
            return
        if all(s.successor is not None and s.successor.ready for s in force.slots):
            generation, self.next, self._new_set = self.next, None, False
            old, force.generation = force.generation, generation
            force.listening.commit(self.change)
            force.promote()
            force.close_later(self.change.removed)
            old.close()
            self._end([])

    def _successor_lost(self, worker: WorkerProcess) -> None:
        if worker.slot < len(self.workforce.slots) and (
            self.workforce.slots[worker.slot].successor is None
        ):
            self._refuse([worker.complaint or f"the new worker {worker.slot} died"])

    # -- the end ---------------------------------------------------------------------------

    def _refuse(self, lines: list[str]) -> None:
        """Nothing changes."""
        force = self.workforce
        if self.next is not None:
            for worker in force.workers():
                worker.send("forget", generation=self.next.number)
            self.next.close()
            self._assign(force.generation)
        self.next, self._new_set, self._holding = None, False, False
        for slot in force.slots:
            if slot.successor is not None:
                force.leaving.append(slot.successor)
                force.end(slot.successor)
                slot.successor = None
        self.change.undo()
        self._awaited = set()
        self._end(lines)

    def _end(self, lines: list[str]) -> None:
        self.change = Change()
        number = self.workforce.generation.number
        now_s = time.monotonic()
        for line in lines:
            self.log.error(line)
        if lines:
            self.failures += 1
            self.log.error(f"reload ({self._because}) failed: generation {number} goes on")
        else:
            self.log.info(
                f"reload ({self._because}): generation {number} serves after "
                f"{(now_s - self._begun_s) * 1000:.0f} ms, of which switching took "
                f"{(now_s - self._compiled_s) * 1000:.1f} ms"
            )
            for told in self.on_switched:
                told(self.workforce.generation)
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done(lines)
        for worker in self.workforce.workers():
            self.catch_up(worker)
        self._follow_up()

    def _follow_up(self) -> None:
        """All who asked meanwhile get one more."""
        if not self._again:
            return
        again, self._again = self._again, []
        self.begin(again[0][0])
        self._waiting += [done for _, done in again if done]

    def cancel(self) -> None:
        """The gateway ends."""
        if self.job is not None:
            self.job.cancel()
            self.job = None
