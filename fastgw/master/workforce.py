"""The workers of a gateway: started, heard, watched, replaced, buried.

Every slot is kept filled. Who accepts from which socket is decided here, too: new
connections are steered to workers that serve, the queue of one that hangs is given to a
sibling, and sockets are closed only when nobody can be waiting in them.
"""

from __future__ import annotations

import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from fastgw.ext.shm.addresses import Addresses
from fastgw.ext.shm.statistics import Statistics
from fastgw.log import Log
from fastgw.master.addresses import Bound, Change, Given, Listening
from fastgw.master.generation import Generation
from fastgw.master.heartbeat import SUSPECT_S, Watch
from fastgw.master.losses import Losses
from fastgw.master.messages import BrokenMessage, Message
from fastgw.master.process import WorkerProcess, WorkerState, describe_end
from fastgw.master.settings import Settings
from fastgw.master.signals import HANDLED, SignalQueue
from fastgw.master.slot import Slot

#: Between asking a worker to end at once and killing it, in seconds.
KILL_AFTER_S = 1.0
#: A socket gets no new connections for so long before it is closed.
UNSTEERED_S = 5.0
#: Between asking a hung worker for its traceback and killing it.
ABORT_S = 1.0

#: What a forked worker does with all that it is given; never returns.
Work = Callable[["Birth"], NoReturn]
Told = Callable[[WorkerProcess, Message], None]


@dataclass(frozen=True)
class Birth:
    """What a worker is given by the master."""

    slot: int
    control: socket.socket
    generation: Generation
    listeners: list[Given]
    #: Of the statistics.
    column: int
    #: Accept at once, or wait for `begin`.
    listen: bool
    #: Where it writes log lines; -1 = nowhere.
    ring: int = -1


class RingSource(Protocol):
    """Where rings of log lines come from: the control process, see control.py."""

    def take_ring(self) -> int:
        """A ring that nobody writes to; -1 where there is no log."""

    def give_ring_back(self, ring: int) -> None:
        """Its writer is dead."""


class Workforce:
    """Slots, the workers in them, and those that leave."""

    def __init__(
        self,
        settings: Settings,
        listening: Listening,
        statistics: Statistics,
        generation: Generation,
        work: Work,
        signals: SignalQueue,
        log: Log,
    ) -> None:
        self.settings, self.listening, self.statistics = settings, listening, statistics
        self.generation = generation
        #: Connections by client address, counted in the columns of the statistics; or None.
        self.addresses: Addresses | None = None
        self.work, self.signals, self.log = work, signals, log
        self.slots = [Slot(i) for i in range(settings.workers)]
        #: Replaced ones, and those of slots that are gone.
        self.leaving: list[WorkerProcess] = []
        #: Told of messages that are not the workforce's own, by type, and of losses.
        self.told: dict[str, Told] = {}
        self.on_ready: Callable[[WorkerProcess], None] = lambda worker: None
        self.on_loss: Callable[[WorkerProcess, str], None] = lambda worker, text: None
        #: Called when the groups of sockets may have changed.
        self.on_steer: Callable[[], None] = lambda: None
        self.filling = True
        self.losses = Losses(statistics)
        #: Where rings of log lines come from; None = there is no log.
        self.rings: RingSource | None = None
        #: Closed in the children of ours that are no workers.
        self.forget_more: list[Callable[[], None]] = []
        self._orders: list[list[int]] = []
        self._watch = Watch(time.monotonic())
        #: (when, what): sockets that are closed later.
        self._later: list[tuple[float, Callable[[], None]]] = []
        #: By the pid of a worker that leaves: what is done once it has closed its sockets.
        self._when_closed: dict[int, Callable[[], None]] = {}

    # -- who is there ----------------------------------------------------------------------

    def workers(self) -> list[WorkerProcess]:
        """Those in slots, successors included."""
        found = [w for s in self.slots for w in (s.worker, s.successor) if w is not None]
        return found

    def everyone(self) -> list[WorkerProcess]:
        """Every worker process of ours that lives."""
        return [*self.workers(), *self.leaving]

    def next_due_s(self) -> float | None:
        """When something is to be done, on the monotonic clock; None = nothing is."""
        due = [s.due_s for s in self.slots if s.worker is None and self.filling]
        due += [w.end_s for w in self.everyone() if w.end_s]
        due += [when for when, _ in self._later]
        return min(due, default=None)

    # -- starting --------------------------------------------------------------------------

    def fill(self) -> None:
        """Start a worker in each empty slot that is due."""
        if not self.filling:
            return
        for slot in self.slots:
            if slot.worker is None and slot.due_s <= time.monotonic():
                slot.worker = self.start(slot, self.generation)

    def start(
        self,
        slot: Slot,
        generation: Generation,
        change: Change | None = None,
        listen: bool = True,
    ) -> WorkerProcess | None:
        """Fork a worker for the slot; None: it can't be done now."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        column = 0
        ring = self.rings.take_ring() if self.rings is not None else -1
        # A signal between fork and reset would be put into the master's queue by the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            column = self.statistics.open_column("worker", slot.index)
            listeners = self.listening.of_slot(slot.index, change)
            birth = Birth(slot.index, theirs, generation, listeners, column, listen, ring)
            pid = os.fork()
            if pid == 0:
                self._become_worker(birth, ours, change)
        except (OSError, RuntimeError) as e:
            ours.close()
            if column:
                self.settle(column)
            self._give_ring_back(ring)
            slot.due_s = time.monotonic() + 1.0
            self.log.error(f"worker {slot.index}: can't be started: {e}; trying again in 1 s")
            return None
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        self.statistics.set_pid(column, pid)
        now_s = time.monotonic()
        return WorkerProcess(slot.index, pid, ours, column, generation.number, now_s, ring)

    def _give_ring_back(self, ring: int) -> None:
        if self.rings is not None:
            self.rings.give_ring_back(ring)

    def assign_rows(self, generation: Generation) -> None:
        """Give the labels of a generation, and of the slots, their rows of the statistics."""
        slots = [("worker", str(s.index)) for s in self.slots]
        now_s = int(time.clock_gettime(time.CLOCK_BOOTTIME))
        self.statistics.assign([*generation.labels, *slots], now_s)

    def _become_worker(self, birth: Birth, ours: socket.socket, change: Change | None) -> NoReturn:
        """In the child: drop all that is the master's and work."""
        code = 1
        try:
            ours.close()
            self.forget(keep_listening=True)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            self.listening.close_others(birth.listeners, change)
            self.work(birth)
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        except BaseException:
            self.log.sibling("worker").error(traceback.format_exc())
        finally:
            # Never back into the master's frames, whatever happened.
            os._exit(code)

    def forget(self, keep_listening: bool = False) -> None:
        """In a child: close what is the master's."""
        self.signals.forget()
        for worker in self.everyone():
            worker.close_control()
        if not keep_listening:
            self.listening.forget()
        for forget in self.forget_more:
            forget()

    # -- hearing ---------------------------------------------------------------------------

    def hear(self, worker: WorkerProcess) -> None:
        """Take the messages of a worker."""
        try:
            messages = worker.receive()
        except BrokenMessage as e:
            self.log.error(f"worker {worker.slot}: broken message: {e}")
            messages = None
        if messages is None:
            worker.close_control()
            if worker.adopted:
                self._bury(worker, 0)
            return
        for message in messages:
            name = message["type"]
            told = self.told.get(name) or getattr(self, "told_" + name, None)
            if told is None:
                self.log.warning(f"worker {worker.slot}: unknown message {name!r}")
            else:
                told(worker, message)

    def told_hello(self, worker: WorkerProcess, message: Message) -> None:
        """The worker has begun."""
        self.log.debug(f"worker {worker.slot} (pid {worker.pid}) begins")

    def told_ready(self, worker: WorkerProcess, message: Message) -> None:
        """The worker accepts connections, or could."""
        worker.state = WorkerState.READY
        slot = self.slots[worker.slot] if worker.slot < len(self.slots) else None
        took_ms = (time.monotonic() - worker.started_s) * 1000
        self.log.info(f"worker {worker.slot} (pid {worker.pid}) ready after {took_ms:.0f} ms")
        if slot is not None and slot.worker is worker:
            slot.was_ready = True
            self._end_help(slot)
            self.steer()
        self.on_ready(worker)

    def told_failed(self, worker: WorkerProcess, message: Message) -> None:
        """The worker can't go on; its text is the reason for the death that follows."""
        worker.complaint = str(message.get("text", ""))

    def told_draining(self, worker: WorkerProcess, message: Message) -> None:
        """The worker has stopped accepting."""
        self.log.debug(f"worker {worker.slot} (pid {worker.pid}) drains")
        self._closed(worker)

    def told_stats(self, worker: WorkerProcess, message: Message) -> None:
        """Counters that were asked for."""
        self.log.info(f"worker {worker.slot} (pid {worker.pid}) counters {message.get('counters')}")

    # -- dying -----------------------------------------------------------------------------

    def reap(self) -> None:
        """Bury every worker that has ended; one signal may stand for several."""
        for worker in [w for w in self.everyone() if not w.adopted]:
            try:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status = worker.pid, 0
            if pid:
                self._bury(worker, status)

    def settle(self, column: int) -> None:
        """The process of a column is dead: what it counted stays, what it held does not."""
        if self.addresses is not None:
            self.addresses.clear(column)
        self.statistics.fold(column)

    def _bury(self, worker: WorkerProcess, status: int) -> None:
        """A worker has ended: settle its accounts; a slot gets another one."""
        if worker.control is not None:
            self.hear(worker)
        worker.close_control()
        self._closed(worker)
        if worker.hung:
            self.losses.add(worker)
        self.settle(worker.column)
        self._give_ring_back(worker.ring)
        self._watch.forget(worker.column)
        how = "worker_hung" if worker.hung else describe_end(status)
        text = f"worker {worker.slot} (pid {worker.pid}) ended: {how}"
        text += worker.complaint and f"; {worker.complaint}"
        slot = self.slots[worker.slot] if worker.slot < len(self.slots) else None
        if worker in self.leaving:
            self.leaving.remove(worker)
            self.log.info(text)
        elif slot is not None and slot.successor is worker:
            slot.successor = None
        elif slot is not None and slot.worker is worker:
            self._emptied(slot, text)
        self.on_loss(worker, text)

    def _emptied(self, slot: Slot, text: str) -> None:
        wait_s = slot.emptied(time.monotonic())
        if not self.filling:
            self.log.info(text)
        elif slot.was_ready:
            self.log.error(f"{text}; next one {f'in {wait_s:g} s' if wait_s else 'at once'}")
        if slot.was_ready and self.filling:
            self.steer()
            if wait_s >= SUSPECT_S:
                self._find_help(slot)

    # -- replacing -------------------------------------------------------------------------

    def promote(self) -> None:
        """Successors take over from all workers at once; those leave."""
        for slot in self.slots:
            old, slot.worker, slot.successor = slot.worker, slot.successor, None
            slot.suspected = False
            if slot.worker is not None:
                slot.worker.send("begin")
            if old is not None:
                self.retire(old)
        self.steer()

    def retire(self, worker: WorkerProcess) -> None:
        """A worker leaves: it ends when its connections have. Nobody waits for that, so that
        requests have as long as tunnels."""
        worker.state = WorkerState.LEAVING
        worker.end_s = time.monotonic() + self.settings.streams_s
        self.leaving.append(worker)
        if not worker.send("retire", requests_s=self.settings.streams_s):
            worker.signal(signal.SIGTERM)

    def hand_over(self) -> None:
        """Another master has taken the sockets over: all workers leave, none is started."""
        self.filling = False
        self.listening.forget()
        for b in self.listening.bound:
            b.path = ""
        for slot in self.slots:
            if slot.worker is not None:
                self.retire(slot.worker)
                slot.worker = None

    def reclaim(self) -> None:
        """Another master might have steered connections elsewhere: do it again ourselves."""
        for b in self.listening.bound:
            if b.steering is not None:
                b.steering.moved()
        self.steer()

    def add_slot(self) -> None:
        """One worker more."""
        for b in self.listening.bound:
            b.add_slot()
        self.slots.append(Slot(len(self.slots)))
        self.assign_rows(self.generation)
        self.fill()

    def drop_slot(self) -> None:
        """One worker less: it accepts until nobody can be waiting any more, then leaves."""
        slot = self.slots.pop()
        self.steer()
        sockets = [
            (b, s, b.steering.leaves(slot.index) if b.steering is not None else 0)
            for b in self.listening.bound
            if (s := b.drop_slot()) is not None
        ]
        self.listening.leaving += [s for _, s, _ in sockets]
        worker = slot.worker
        if worker is not None:
            worker.state = WorkerState.LEAVING
            self.leaving.append(worker)
        if slot.successor is not None:
            slot.successor.signal(signal.SIGKILL)
            self.leaving.append(slot.successor)

        def leave() -> None:
            if worker is None or worker not in self.leaving:
                close()
                return
            # Ours is the last copy that is closed, so that we know when indexes move.
            self._when_closed[worker.pid] = close
            self.leaving.remove(worker)
            self.retire(worker)

        def close() -> None:
            for b, s, leaving in sockets:
                self.listening.leaving.remove(s)
                s.close()
                if b.steering is not None:
                    b.steering.removed(leaving)
                    b.steering.moved()
            self.steer()

        self.later(UNSTEERED_S, leave)

    def _closed(self, worker: WorkerProcess) -> None:
        """A worker accepts from nothing any more."""
        self._when_closed.pop(worker.pid, lambda: None)()

    def close_later(self, removed: list[Bound]) -> None:
        """Addresses are not listened on any more: no new connections, but those whose
        handshake has begun are still accepted by the workers, which close them first."""
        at_s = time.monotonic() + UNSTEERED_S + 1.0
        for b in removed:
            b.begin_closing(at_s)
        self.listening.closing += removed
        self.later(UNSTEERED_S + 1.0, lambda: self.listening.end_closing(time.monotonic()))

    def later(self, after_s: float, what: Callable[[], None]) -> None:
        """Have something done after a while."""
        self._later.append((time.monotonic() + after_s, what))

    # -- steering --------------------------------------------------------------------------

    def steer(self) -> None:
        """Send new connections to those who serve."""
        serving = {s.index for s in self.slots if s.serving}
        for b in self.listening.bound:
            if b.steering is None:
                continue
            why = b.steering.steer(b.sockets[0], serving)
            if why:
                self.log.warning(
                    f"{b.name}: new connections can't be steered ({why}); the kernel spreads "
                    "them over all workers"
                )

        orders = [b.steering.order for b in self.listening.bound if b.steering is not None]
        if orders != self._orders:
            self._orders = [[*order] for order in orders]
            self.on_steer()

    def _find_help(self, slot: Slot) -> None:
        """A sibling serves the queue of a slot whose worker does not."""
        helper = next((s for s in self.slots if s is not slot and s.serving), None)
        if helper is None or helper.worker is None or slot.helper is helper.worker:
            return
        slot.helper = helper.worker
        for i, b in enumerate(self.listening.bound):
            if not b.shared:
                helper.worker.send(
                    "accept",
                    {"listener": b.of_slot(slot.index).fileno()},
                    key=f"{slot.index}.{i}",
                    index=b.index,
                )

    def _end_help(self, slot: Slot) -> None:
        helper, slot.helper = slot.helper, None
        if helper is not None:
            helper.send("unaccept", prefix=f"{slot.index}.")

    # -- the clock -------------------------------------------------------------------------

    def look_at_clock(self) -> None:
        """Do what is due: end what has had its time, close what can be closed."""
        now_s = time.monotonic()
        for worker in self.everyone():
            if worker.end_s and worker.end_s <= now_s:
                self._end_of_time(worker, now_s)
            if worker.has_more:
                worker.flush()
        due = [what for when, what in self._later if when <= now_s]
        self._later = [(when, what) for when, what in self._later if when > now_s]
        for what in due:
            what()

    def _end_of_time(self, worker: WorkerProcess, now_s: float) -> None:
        worker.end_s = now_s + KILL_AFTER_S
        if worker.hung or worker.told_to_end:
            self.log.error(f"worker {worker.slot} (pid {worker.pid}) does not end: SIGKILL")
            worker.signal(signal.SIGKILL)
        else:
            self.end(worker)

    def end(self, worker: WorkerProcess) -> None:
        """Have a worker end at once; whoever does not is killed."""
        worker.told_to_end = True
        worker.end_s = time.monotonic() + KILL_AFTER_S
        worker.signal(signal.SIGQUIT)

    def look_at_hearts(self) -> None:
        """Suspect who is silent, end who is silent for too long, trust who beats again."""
        self._watch.advance(time.monotonic())
        beats = {p.column: p.beat_ms for p in self.statistics.processes()}
        for slot in self.slots:
            worker = slot.worker
            # One that never beat has none of our hearts (the data plane of a test).
            if worker is None or not worker.ready or not beats.get(worker.column):
                continue
            silent_s = self._watch.silent_s(worker.column, beats[worker.column])
            if silent_s < SUSPECT_S:
                self._trust(slot)
            else:
                self._suspect(slot, worker, silent_s)

    def _trust(self, slot: Slot) -> None:
        if slot.suspected:
            slot.suspected = False
            self.log.info(f"worker {slot.index} goes on; it gets new connections again")
            self._end_help(slot)
            self.steer()

    def _suspect(self, slot: Slot, worker: WorkerProcess, silent_s: float) -> None:
        if not slot.suspected:
            slot.suspected = True
            self.log.warning(
                f"worker {slot.index} (pid {worker.pid}) makes no turns for {silent_s:.1f} s; it "
                "gets no new connections"
            )
            self.steer()
        if slot.helper is None or not slot.helper.ready:
            self._find_help(slot)
        if silent_s >= self.settings.hung_s and not any(w.hung for w in self.everyone()):
            worker.hung = True
            worker.end_s = time.monotonic() + ABORT_S
            self.log.error(
                f"worker {slot.index} (pid {worker.pid}) hangs for {silent_s:.1f} s: its "
                "traceback follows, then it is ended"
            )
            worker.signal(signal.SIGABRT)
