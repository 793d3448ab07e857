"""The master's loop: it waits, takes signals and messages, and keeps every slot filled.

signals  -> handle_<name>     term, int: drain; quit: at once; hup: reload; chld: reap,
                              refill; ttin, ttou: one worker more or less
messages -> workforce.py, reload.py
time     -> due slots are filled, hearts are listened to, what takes too long is ended
"""

from __future__ import annotations

import os
import select
import signal
import time
import traceback
from collections.abc import Callable

from fastgw.log import Log
from fastgw.master.certificates import CertificateFiles
from fastgw.master.compile_job import Compile
from fastgw.master.generation import Generation
from fastgw.master.heartbeat import LOOK_S
from fastgw.master.pidfile import PidFile
from fastgw.master.process import WorkerProcess
from fastgw.master.reload import Reload
from fastgw.master.settings import Settings
from fastgw.master.succession import Successor, Upgrade
from fastgw.master.systemd import Notifier
from fastgw.master.watcher import Watcher
from fastgw.master.workforce import KILL_AFTER_S, Workforce

EXIT_OK = 0
EXIT_FAILED = 1


class Master:
    """Supervises the processes of one gateway."""

    def __init__(
        self,
        settings: Settings,
        workforce: Workforce,
        compile_source: Compile,
        upgrade: Upgrade,
        successor: Successor,
        log: Log,
    ) -> None:
        self.settings = settings
        self.workforce = workforce
        self.signals = workforce.signals
        self.log = log
        self.reload = Reload(workforce, compile_source, settings.source)
        self.certificates = CertificateFiles(workforce.generation)
        self.reload.on_switched.append(self.switched)
        self.watcher: Watcher | None = None
        if settings.watch:
            self.watcher = Watcher(settings.source.get("file"), workforce.generation.read)
            self.watcher.leave(workforce.generation.files, workforce.generation.patterns)
            self.reload.on_read = self.watcher.read
        self.upgrade, self.successor = upgrade, successor
        upgrade.on_ready = self.superseded
        self.exit_code = EXIT_OK
        self.draining = False
        self.stopping = False
        #: Another master has taken over; we stay until our workers have left.
        self.left = False
        #: When a drain that was put off begins; 0 = none was.
        self.drain_at_s = 0.0
        self.pidfile = PidFile(settings.pidfile)
        self.notifier = Notifier()
        #: When what is left is ended, then killed; on the monotonic clock, 0 = never.
        self.end_s = 0.0
        self.announced = False
        #: More descriptors to wait for, and what is called when one is readable.
        self.readers: dict[int, Callable[[], None]] = {}
        #: Called every round, and when logs are to be opened again.
        self.rounds: list[Callable[[], None]] = []
        self.on_reopen: list[Callable[[], None]] = []
        #: Called once all workers serve, when the gateway begins to end, and when another
        #: master has taken it over.
        self.on_announced: list[Callable[[], None]] = []
        self.on_end: list[Callable[[], None]] = []
        self.on_left: list[Callable[[], None]] = []
        #: Pids of children that are no workers; 0 = there is none.
        self.more_pids: list[Callable[[], int]] = []
        workforce.on_ready = self.ready
        workforce.on_loss = self.lost

    # -- the loop --------------------------------------------------------------------------

    def run(self) -> int:
        """Keep the workers until told to end; the process's exit code."""
        while True:
            # An error in one round must not end the gateway: say it, go on.
            try:
                self.workforce.fill()
                if self.ended():
                    if not self.left:
                        self.pidfile.remove()
                    return self.exit_code
                self.wait()
                self.look_at_clock()
            except Exception:
                self.log.error("master: " + traceback.format_exc())
                time.sleep(0.1)

    def ended(self) -> bool:
        """Whether we were told to end and no worker is left."""
        return (self.draining or self.stopping or self.left) and not self.workforce.everyone()

    def wait(self) -> None:
        """Sleep until something happens, and deal with it."""
        poll = select.poll()
        by_fd = {w.control.fileno(): w for w in self.workforce.everyone() if w.control is not None}
        job = self.reload.job
        others = [job.alive] if job is not None else []
        if self.upgrade.fileno() >= 0:
            others.append(self.upgrade.fileno())
        for fd in (self.signals.reader.fileno(), *by_fd, *others, *self.readers):
            poll.register(fd, select.POLLIN)
        happened = [fd for fd, _ in poll.poll(self.timeout_ms())]
        for fd in happened:
            # A worker's last words are read before its death is dealt with.
            if fd in by_fd:
                self.workforce.hear(by_fd[fd])
            elif fd in self.readers:
                self.readers[fd]()
        if job is not None and job.alive in happened:
            self.reload.compiled()
        if self.upgrade.fileno() in happened:
            self.upgrade.hear()
        for name in self.signals.taken():
            getattr(self, "handle_" + name)()

    def timeout_ms(self) -> int:
        """Until something is due; hearts are listened to in any case."""
        due = [time.monotonic() + LOOK_S]
        due += [s for s in (self.workforce.next_due_s(), self.end_s) if s]
        return max(0, int((min(due) - time.monotonic()) * 1000) + 1)

    def look_at_clock(self) -> None:
        """Do what is due."""
        tell(self.rounds)
        self.workforce.look_at_clock()
        self.workforce.look_at_hearts()
        self.reload.look_at_clock()
        self.upgrade.look_at_clock()
        self.reap_strangers()
        self.notifier.alive(time.monotonic())
        if self.drain_at_s and time.monotonic() >= self.drain_at_s:
            self.drain()
        if self.watcher is not None and self.watcher.changed(time.monotonic()):
            self.reload.begin("a file has changed")
        self.look_at_certificates()
        if self.end_s and time.monotonic() >= self.end_s:
            self.end_of_time()

    def look_at_certificates(self) -> None:
        """Take up certificate files that have changed."""
        if self.reload.busy or not self.announced or self.draining or self.stopping or self.left:
            return
        files = self.certificates.changed(time.monotonic())
        if files:
            self.reload.renew(files)

    def switched(self, generation: Generation) -> None:
        """Another generation runs."""
        self.certificates = CertificateFiles(generation)
        if self.watcher is not None:
            self.watcher.leave(generation.files, generation.patterns)

    def end_of_time(self) -> None:
        """End what is left when the drain's time is over; kill what does not end."""
        if self.stopping:
            self.tell_all(signal.SIGKILL)
            self.end_s = time.monotonic() + KILL_AFTER_S
            return
        self.log.warning(f"drain took {self.settings.drain_s:g} s; ending what is left")
        more_s = self.settings.streams_s - self.settings.drain_s
        self.end_s = 0.0
        for worker in self.workforce.everyone():
            worker.send("end_requests")
            worker.end_s = time.monotonic() + max(more_s, KILL_AFTER_S)

    # -- workers ---------------------------------------------------------------------------

    def ready(self, worker: WorkerProcess) -> None:
        """A worker could accept."""
        self.reload.successor_ready(worker)
        self.reload.catch_up(worker)
        slots = self.workforce.slots
        if not self.announced and all(s.was_ready for s in slots):
            self.announced = True
            self.log.info(f"ready with {len(slots)} worker(s)")
            self.successor.ready()
            self.pidfile.write(self.log)
            tell(self.on_announced)
            self.notifier.tell(READY=1, MAINPID=os.getpid(), STATUS=f"{len(slots)} workers serve")

    def lost(self, worker: WorkerProcess, text: str) -> None:
        """A worker is dead and buried."""
        slots = self.workforce.slots
        if not self.announced and worker.slot < len(slots) and not slots[worker.slot].was_ready:
            if not (self.draining or self.stopping):
                self.log.error(f"could not start: {text}")
                self.exit_code = EXIT_FAILED
                self.stop()
        else:
            self.reload.lost(worker)

    # -- ending ----------------------------------------------------------------------------

    def drain(self) -> None:
        """Accept no more, finish what is under way, end the rest after a while."""
        self.draining = True
        self.drain_at_s = 0.0
        self.notifier.tell(STOPPING=1)
        self.workforce.filling = False
        self.reload.cancel()
        self.workforce.statistics.order_drain()
        self.end_s = time.monotonic() + self.settings.drain_s
        tell(self.on_end)
        self.log.info(f"draining, for {self.settings.drain_s:g} s at the most")
        # Ours first: a worker that closes the last copy of a socket refuses new connections.
        self.workforce.listening.close()
        for worker in self.workforce.workers():
            if not worker.send("drain"):
                worker.signal(signal.SIGTERM)

    def stop(self) -> None:
        """End at once; whoever does not is killed."""
        self.stopping = True
        self.workforce.filling = False
        self.reload.cancel()
        self.end_s = time.monotonic() + KILL_AFTER_S
        tell(self.on_end)
        self.workforce.listening.close()
        self.tell_all(signal.SIGQUIT)

    def tell_all(self, number: signal.Signals) -> None:
        """Send a signal to every worker."""
        for worker in self.workforce.everyone():
            if number is signal.SIGKILL:
                self.log.error(f"worker {worker.slot} (pid {worker.pid}) does not end: SIGKILL")
            worker.signal(number)

    # -- signals ---------------------------------------------------------------------------

    def handle_term(self) -> None:
        """Drain; at the second time end at once."""
        if self.draining or self.stopping or self.drain_at_s:
            self.handle_quit()
        elif self.settings.drain_delay_s > 0:
            self.put_drain_off()
        else:
            self.drain()

    def put_drain_off(self) -> None:
        """Say that we are not ready any more, and serve on until everybody has heard of it."""
        delay_s = self.settings.drain_delay_s
        self.drain_at_s = time.monotonic() + delay_s
        self.workforce.statistics.order_drain()
        self.notifier.tell(STOPPING=1)
        self.log.info(f"/readyz is red; draining in {delay_s:g} s")

    def handle_int(self) -> None:
        """As TERM: Ctrl-C, and again for at once."""
        self.handle_term()

    def handle_quit(self) -> None:
        """End at once."""
        if not self.stopping:
            self.log.info("ending at once")
            self.stop()

    def handle_chld(self) -> None:
        """Bury every child that has ended."""
        self.workforce.reap()
        self.upgrade.reap()

    def reap_strangers(self) -> None:
        """As process 1 of a container: orphans of others become our children."""
        if os.getpid() == 1:
            known = {w.pid for w in self.workforce.everyone()}
            known.add(self.upgrade.pid)
            known |= {pid() for pid in self.more_pids}
            if self.reload.job is not None:
                known.add(self.reload.job.pid)
            while (pid := next_ended()) and pid not in known:
                os.waitpid(pid, os.WNOHANG)

    def handle_hup(self) -> None:
        """Read the configuration again."""
        if not (self.draining or self.stopping or self.left):
            self.reload.begin("HUP")

    def handle_usr1(self) -> None:
        """Reopen logs."""
        self.log.info("USR1: logs are opened again")
        tell(self.on_reopen)

    def handle_usr2(self) -> None:
        """Start the program again; it takes over."""
        if os.getpid() == 1:
            self.upgrade.refuse("process 1 of a container can't be replaced by another one")
        elif self.draining or self.stopping or self.left:
            self.upgrade.refuse("the gateway ends")
        elif self.reload.busy:
            self.upgrade.refuse("a reload is under way; try again")
        else:
            self.upgrade.begin()

    def superseded(self) -> None:
        """The new program serves: our workers leave, and we with the last of them."""
        self.left = True
        tell(self.on_left)
        self.workforce.hand_over()
        self.notifier.tell(MAINPID=self.upgrade.pid)

    def handle_ttin(self) -> None:
        """One worker more."""
        if self.may_resize():
            self.workforce.add_slot()
            self.log.info(f"TTIN: {len(self.workforce.slots)} workers")

    def handle_ttou(self) -> None:
        """One worker less, but never none."""
        if not self.may_resize():
            return
        if len(self.workforce.slots) == 1:
            self.log.warning("TTOU: the last worker stays")
            return
        self.workforce.drop_slot()
        self.log.info(f"TTOU: {len(self.workforce.slots)} workers")

    def may_resize(self) -> bool:
        """Whether the number of workers can change now."""
        if self.draining or self.stopping or self.left:
            return False
        if self.reload.busy:
            self.log.warning("a reload is under way: the number of workers stays; try again")
            return False
        return True


def tell(told: list[Callable[[], None]]) -> None:
    """Call each of them."""
    for one in told:
        one()


def next_ended() -> int:
    """Pid of a child that has ended and was not waited for; 0 = there is none."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return ended.si_pid if ended is not None else 0
