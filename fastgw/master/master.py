"""The master's loop: it waits, takes signals and messages, and keeps every slot filled.

signals  -> handle_<name>     term, int: drain; quit: at once; chld: reap, refill
messages -> told_<type>       hello, ready, failed, draining, stats
time     -> due slots are filled, a drain that takes too long is ended
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable

from fastgw.log import Log
from fastgw.master.addresses import Listening
from fastgw.master.control import ControlProcess
from fastgw.master.messages import BrokenMessage, Message
from fastgw.master.settings import Settings
from fastgw.master.signals import HANDLED, SignalQueue
from fastgw.master.slot import Slot, SlotState, describe_end

#: Between asking a worker to end at once and killing it, in seconds.
KILL_AFTER_S = 1.0

EXIT_OK = 0
EXIT_FAILED = 1

#: What a forked worker does; it never returns.
Work = Callable[[Slot, socket.socket], None]


class Master:
    """Supervises the workers of one gateway."""

    def __init__(
        self,
        settings: Settings,
        listening: Listening,
        work: Work,
        signals: SignalQueue,
        log: Log,
        control: ControlProcess | None = None,
    ) -> None:
        self.settings = settings
        self.listening = listening
        self.work = work
        self.signals = signals
        self.log = log
        self.control = control
        self.slots = [Slot(i) for i in range(settings.workers)]
        self.exit_code = EXIT_OK
        self.draining = False
        self.stopping = False
        #: When what is left is ended, then killed; on the monotonic clock, 0 = never.
        self.end_s = 0.0
        self.announced = False

    # -- the loop --------------------------------------------------------------------------

    def run(self) -> int:
        """Keep the workers until told to end; the process's exit code."""
        while True:
            # An error in one round must not end the gateway: say it, go on.
            try:
                self.fill()
                if self.ended():
                    return self.exit_code
                self.wait()
                self.look_at_clock()
            except Exception:
                self.log.error("master: " + traceback.format_exc())
                time.sleep(0.1)

    def ended(self) -> bool:
        """Whether we were told to end and no worker is left."""
        return (self.draining or self.stopping) and not any(s.pid for s in self.slots)

    def wait(self) -> None:
        """Sleep until something happens, and deal with it."""
        poll = select.poll()
        by_fd = {s.control.fileno(): s for s in self.slots if s.control is not None}
        control_fd = self.control.fileno() if self.control is not None else -1
        for fd in (self.signals.reader.fileno(), *by_fd, *([control_fd] * (control_fd >= 0))):
            poll.register(fd, select.POLLIN)
        happened = [fd for fd, _ in poll.poll(self.timeout_ms())]
        for fd in happened:
            # A worker's last words are read before its death is dealt with.
            if fd in by_fd:
                self.hear(by_fd[fd])
            elif self.control is not None and fd == control_fd:
                self.control.hear()
        for name in self.signals.taken():
            getattr(self, "handle_" + name)()

    def timeout_ms(self) -> int | None:
        """Until the next slot is due or the drain's end; None = nothing is."""
        due = [s.due_s for s in self.slots if not s.pid and not self.draining]
        if self.end_s:
            due.append(self.end_s)
        if self.control is not None and self.control.due_s is not None:
            due.append(self.control.due_s)
        if not due:
            return None
        return max(0, int((min(due) - time.monotonic()) * 1000) + 1)

    def look_at_clock(self) -> None:
        """End what is left when the drain's time is over; kill what does not end."""
        if not self.end_s or time.monotonic() < self.end_s:
            return
        if self.stopping:
            self.tell_all(signal.SIGKILL)
            self.end_s = time.monotonic() + KILL_AFTER_S
            return
        self.log.warning(f"drain took {self.settings.drain_s:g} s; ending what is left")
        self.stop()

    # -- workers ---------------------------------------------------------------------------

    def fill(self) -> None:
        """Start a worker in each empty slot that is due, and the control process."""
        if self.control is not None:
            self.control.fill()
        if self.draining or self.stopping:
            return
        for slot in self.slots:
            if not slot.pid and slot.due_s <= time.monotonic():
                self.start(slot)

    def start(self, slot: Slot) -> None:
        """Fork a worker into the slot."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        if self.control is not None and slot.ring < 0:
            slot.ring = self.control.take_ring()
        # A signal between fork and reset would be put into the master's queue by the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                self.become_worker(slot, ours, theirs)
        except OSError as e:
            ours.close()
            slot.due_s = time.monotonic() + 1.0
            self.log.error(f"worker {slot.index}: fork: {e.strerror}; trying again in 1 s")
            return
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        slot.started(pid, ours, time.monotonic())
        self.tell_workers()

    def become_worker(self, slot: Slot, ours: socket.socket, theirs: socket.socket) -> None:
        """In the child: drop all that is the master's and work; never returns."""
        code = 1
        try:
            ours.close()
            self.signals.forget()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            for other in self.slots:
                other.close_control()
            self.listening.close_others(slot.index)
            if self.control is not None:
                self.control.forget(slot.ring)
            self.work(slot, theirs)
            code = 0
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        except BaseException:
            self.log.sibling("worker").error(traceback.format_exc())
        finally:
            # Never back into the master's frames, whatever happened.
            os._exit(code)

    def hear(self, slot: Slot) -> None:
        """Take the messages of a worker."""
        try:
            messages = slot.receive()
        except BrokenMessage as e:
            self.log.error(f"worker {slot.index}: broken message: {e}")
            messages = None
        if messages is None:
            slot.close_control()
            return
        for message in messages:
            told = getattr(self, "told_" + message["type"], None)
            if told is None:
                self.log.warning(f"worker {slot.index}: unknown message {message['type']!r}")
            else:
                told(slot, message)

    def told_hello(self, slot: Slot, message: Message) -> None:
        """The worker has begun."""
        self.log.debug(f"worker {slot.index} (pid {slot.pid}) begins")

    def told_ready(self, slot: Slot, message: Message) -> None:
        """The worker accepts connections."""
        slot.ready()
        self.tell_workers()
        took_ms = (time.monotonic() - slot.started_s) * 1000
        self.log.info(f"worker {slot.index} (pid {slot.pid}) ready after {took_ms:.0f} ms")
        if not self.announced and all(s.was_ready for s in self.slots):
            self.announced = True
            self.log.info(f"ready with {len(self.slots)} worker(s)")

    def told_failed(self, slot: Slot, message: Message) -> None:
        """The worker can't go on; its text is the reason for the death that follows."""
        slot.complaint = str(message.get("text", ""))

    def told_draining(self, slot: Slot, message: Message) -> None:
        """The worker has stopped accepting."""
        self.log.debug(f"worker {slot.index} (pid {slot.pid}) drains")

    def told_stats(self, slot: Slot, message: Message) -> None:
        """Counters that were asked for."""
        self.log.info(f"worker {slot.index} (pid {slot.pid}) counters {message.get('counters')}")

    def buried(self, slot: Slot, status: int) -> None:
        """A worker has ended: say it, and when the next one comes."""
        if slot.control is not None:
            self.hear(slot)
        how, pid, complaint = describe_end(status), slot.pid, slot.complaint
        wait_s = slot.emptied(time.monotonic())
        slot.restarts += not (self.draining or self.stopping)
        self.tell_workers()
        text = f"worker {slot.index} (pid {pid}) ended: {how}" + (complaint and f"; {complaint}")
        if self.draining or self.stopping:
            self.log.info(text)
        elif not slot.was_ready and not self.announced:
            self.log.error(f"could not start: {text}")
            self.exit_code = EXIT_FAILED
            self.stop()
        else:
            self.log.error(f"{text}; next one {f'in {wait_s:g} s' if wait_s else 'at once'}")

    def tell_workers(self) -> None:
        """Tell the control process how the workers are."""
        if self.control is not None:
            workers = [
                {
                    "slot": s.index,
                    "pid": s.pid,
                    "state": s.state.value,
                    "started_s": s.started_unix_s,
                    "restarts": s.restarts,
                }
                for s in self.slots
            ]
            totals = {"worker_restarts": sum(s.restarts for s in self.slots)}
            self.control.tell_workers(workers, totals)

    # -- ending ----------------------------------------------------------------------------

    def drain(self) -> None:
        """Accept no more, finish what is under way, end the rest after a while."""
        self.draining = True
        if self.control is not None:
            self.control.tell("drain")
        self.end_s = time.monotonic() + self.settings.drain_s
        self.log.info(f"draining, for {self.settings.drain_s:g} s at the most")
        # Ours first: a worker that closes the last copy of a socket refuses new connections.
        self.listening.close()
        for slot in self.slots:
            if slot.pid and not slot.send("drain"):
                slot.signal(signal.SIGTERM)

    def stop(self) -> None:
        """End at once; whoever does not is killed."""
        self.stopping = True
        self.end_s = time.monotonic() + KILL_AFTER_S
        self.listening.close()
        self.tell_all(signal.SIGQUIT)

    def tell_all(self, number: signal.Signals) -> None:
        """Send a signal to every worker."""
        for slot in self.slots:
            slot.signal(number)

    # -- signals ---------------------------------------------------------------------------

    def handle_term(self) -> None:
        """Drain; at the second time end at once."""
        if self.draining or self.stopping:
            self.handle_quit()
        else:
            self.drain()

    def handle_int(self) -> None:
        """As TERM: Ctrl-C, and again for at once."""
        self.handle_term()

    def handle_quit(self) -> None:
        """End at once."""
        if not self.stopping:
            self.log.info("ending at once")
            self.stop()

    def handle_chld(self) -> None:
        """Bury everyone that has ended; one signal may stand for several."""
        if self.control is not None:
            self.control.reap()
        for slot in self.slots:
            if not slot.pid:
                continue
            pid, status = os.waitpid(slot.pid, os.WNOHANG)
            if pid:
                self.buried(slot, status)

    def handle_hup(self) -> None:
        """Reload: a later version's."""
        self.not_in_this_version("HUP")

    def handle_usr1(self) -> None:
        """Open the access log's file again."""
        self.log.info("opening the access log again")
        if self.control is not None:
            self.control.tell_once("reopen")

    def handle_usr2(self) -> None:
        """Hand over to a new binary: a later version's."""
        self.not_in_this_version("USR2")

    def handle_ttin(self) -> None:
        """One worker more: a later version's."""
        self.not_in_this_version("TTIN")

    def handle_ttou(self) -> None:
        """One worker less: a later version's."""
        self.not_in_this_version("TTOU")

    def not_in_this_version(self, name: str) -> None:
        """A signal with a meaning that this version lacks must not end the gateway."""
        self.log.warning(f"signal {name}: not in this version")


def filled(slots: list[Slot]) -> bool:
    """Whether every slot has a worker that accepts."""
    return all(s.state is SlotState.READY for s in slots)
