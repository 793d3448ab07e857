"""The control process in the master's loop: who tells it what, and who does what it asks."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastgw.ext.shm.segment import SegmentError
from fastgw.log import LEVELS
from fastgw.master.connections import ConnectionQuestions
from fastgw.master.control import Answer, ControlProcess
from fastgw.master.generation import Generation
from fastgw.master.master import Master
from fastgw.master.process import WorkerProcess
from fastgw.master.published import Published
from fastgw.master.rehearsal import Rehearsal

#: Where a configuration that was put stands, in the run directory.
PUT_NAME = "put-config.yaml"
#: The same for one that is checked.
CHECK_NAME = "check-config.yaml"
#: How long a reload waits for addresses of host names that are new.
RESOLVE_S = 2.0


class ControlLink:
    """Ties a control process to a master; `look` is called every round."""

    def __init__(
        self, control: ControlProcess, master: Master, published: Published, folder: Path
    ) -> None:
        self.control, self.master, self.published = control, master, published
        self.force, self.reload = master.workforce, master.reload
        self.put_path, self.check_path = folder / PUT_NAME, folder / CHECK_NAME
        self.rehearsal = Rehearsal(
            self.reload.compile_source, self.force.forget, master.readers, master.log
        )
        self._fd = -1
        self._told: tuple[Any, ...] = ()
        self._drained = self._left = False
        self._restarts = self._switches = 0
        #: Of a configuration that was put; None = the one that the gateway was started with.
        self._source: dict[str, Any] | None = None
        #: When each process was started, in seconds since the epoch.
        self._started: dict[int, float] = {}
        self.questions = ConnectionQuestions(self.force)
        control.statistics_fd = self.force.statistics.segment.fd
        control.on_request = {
            "reload": self.asked_reload,
            "put_config": self.asked_config,
            "check_config": self.asked_check,
            "log_level": self.asked_log_level,
            "publish": self.asked_publish,
            "resolved": self.told_resolved,
            "connections": self.questions.ask,
        }
        for name, fd in published.fds.items():
            control.remember("segment", {"segment": fd}, name=name)
        self.force.rings = control
        self.force.forget_more.append(control.forget)
        self.reload.on_switched.append(self.switched)
        self.reload.on_compiled = self.compiled
        #: A reload that waits for addresses of new host names, and until when.
        self._waiting: Callable[[], None] | None = None
        self._waiting_s = 0.0
        master.rounds.append(self.look)
        master.on_reopen.append(lambda: control.tell_once("reopen"))
        master.more_pids += [lambda: control.pid, lambda: self.rehearsal.pid]
        master.on_end.append(self.rehearsal.cancel)
        self.tell_generation(self.force.generation)

    # -- every round -----------------------------------------------------------------------

    def look(self) -> None:
        """Keep it alive, listen to it, tell it what has changed."""
        self.control.reap()
        self.control.fill()
        fd = self.control.fileno()
        if fd != self._fd:
            self.master.readers.pop(self._fd, None)
            if fd >= 0:
                self.master.readers[fd] = self.control.hear
            self._fd = fd
        if self.master.draining and not self._drained:
            self._drained = True
            self.control.tell("drain")
        if self.master.announced:
            self.control.listen()
        if self.master.left and not self._left:
            self._left = True
            self.control.tell("unlisten")
        if self._waiting is not None and time.monotonic() > self._waiting_s:
            self.master.log.warning("host names: not all were looked up in time; switching")
            self.go_on()
        self.questions.look_at_clock()
        self.tell_workers()

    def tell_workers(self) -> None:
        """How the workers are, if that is news."""
        rows = [self.row(w) for w in self.force.everyone()]
        self._restarts = max(self._restarts, sum(s.restarts for s in self.force.slots))
        totals = {
            "worker_restarts": self._restarts,
            "reloads": self._switches,
            "reload_failures": self.reload.failures,
            "statistics_rows": self.force.statistics.row_count,
            "control_restarts": self.control.restarts,
            **self.force.losses.totals(),
        }
        news = (rows, totals)
        if news != self._told:
            self._told = news
            self.control.tell_workers(rows, totals)

    def row(self, worker: WorkerProcess) -> dict[str, Any]:
        """A worker as the admin API shows it."""
        if worker.pid not in self._started:
            ago_s = time.monotonic() - worker.started_s
            self._started[worker.pid] = round(time.time() - ago_s, 3)
        slots = self.force.slots
        return {
            "slot": worker.slot,
            "pid": worker.pid,
            "state": worker.state.value,
            "generation": worker.generation,
            "started_s": self._started[worker.pid],
            "restarts": slots[worker.slot].restarts if worker.slot < len(slots) else 0,
        }

    # -- generations -----------------------------------------------------------------------

    def switched(self, generation: Generation) -> None:
        """Another generation runs."""
        self._switches += 1
        self.tell_generation(generation)

    def tell_generation(self, generation: Generation) -> None:
        """Which configuration runs, and its plan."""
        plan = os.pread(generation.plan_fd, generation.plan_size, 0)
        self.control.tell(
            "generation",
            {"plan": generation.plan_fd},
            number=generation.number,
            hash=hashlib.sha256(plan).hexdigest(),
            source=self._source or self.master.settings.source,
            loaded_s=time.time(),
        )

    def compiled(self, generation: Generation, go: Callable[[], None]) -> None:
        """Have the control process look up names that are new, so that requests find their
        addresses after the switch; not for long, and not if it is away."""
        new = sorted(set(generation.hosts) - set(self.force.generation.hosts))
        if not new or not self.control.is_ready:
            go()
            return
        self._waiting, self._waiting_s = go, time.monotonic() + RESOLVE_S
        self.control.tell_once("resolve", hosts=new)

    def told_resolved(self, message: dict[str, Any], answer: Answer) -> None:
        """It has asked for each of them once."""
        self.go_on()

    def go_on(self) -> None:
        """Let a reload that waited go on."""
        go, self._waiting = self._waiting, None
        if go is not None:
            go()

    # -- what it asks for ------------------------------------------------------------------

    def asked_reload(self, message: dict[str, Any], answer: Answer) -> None:
        """Read the configuration again."""
        self._change(None, answer)

    def asked_config(self, message: dict[str, Any], answer: Answer) -> None:
        """Switch to the configuration in the message. Its text is kept in the run directory;
        what it names is looked for beside the file that it takes the place of."""
        self._change(self._put(message, self.put_path), answer)

    def asked_check(self, message: dict[str, Any], answer: Answer) -> None:
        """Say what is wrong with the configuration in the message; nothing changes."""
        if self.rehearsal.busy or self.master.draining:
            answer(ok=False, busy=True)
            return
        source = self._put(message, self.check_path)
        number = self.force.generation.number

        def judged(lines: list[str]) -> None:
            self.check_path.unlink(missing_ok=True)
            answer(ok=not lines, errors=lines, generation=number)

        self.rehearsal.begin(source, number + 1, judged)

    def _put(self, message: dict[str, Any], path: Path) -> dict[str, Any]:
        """Keep the text of a configuration that was put; a source that is made of it."""
        fd = message["fds"]["config"]
        fresh = path.with_suffix(".new")
        fresh.write_bytes(os.pread(fd, os.fstat(fd).st_size, 0))
        fresh.replace(path)
        source = self.reload.source
        options = {k: v for k, v in source["options"].items() if k != "to"}
        options["text_from"] = str(path)
        beside = Path(source["file"] or path).absolute().with_name(PUT_NAME)
        return {"file": str(beside), "options": options}

    def _change(self, source: dict[str, Any] | None, answer: Answer) -> None:
        if self.reload.busy or self.master.draining:
            answer(ok=False, busy=True)
            return
        before, self._source = self._source, source

        def done(lines: list[str]) -> None:
            if lines:
                self._source = before
            answer(ok=not lines, errors=lines, generation=self.force.generation.number)

        self.reload.begin("admin API", done, source)

    def asked_publish(self, message: dict[str, Any], answer: Answer) -> None:
        """Hand a segment to everyone who reads it, and keep it for those who come later."""
        name = message["name"]
        try:
            self.published.take(name, message["fds"]["segment"])
        except SegmentError as e:
            self.master.log.error(f"segment {name}: {e}")
            answer(ok=False, errors=[str(e)])
            return
        self.control.remember("segment", {"segment": self.published.fds[name]}, name=name)
        answer(ok=True)

    def asked_log_level(self, message: dict[str, Any], answer: Answer) -> None:
        """Set the level of every process's log."""
        level = message.get("level")
        if level not in LEVELS:
            answer(ok=False, errors=[f"log level {level!r}"])
            return
        self.master.log.set_level(level)
        for worker in self.force.everyone():
            worker.send("log_level", level=level)
        self.control.set_log_level(level)
        answer(ok=True)
