"""Succession: the new program takes over from the old one, which leaves when it is ready.

`Upgrade` is the old master's side: it starts the program again, hands its heritage over
and goes on as before if the new one does not get ready. `Successor` is the new side: it
tells those who handed over when they may leave.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from fastgw.log import Log
from fastgw.master.addresses import Bound
from fastgw.master.heritage import Estate, Heritage, Peer, hand_over, take_from
from fastgw.master.messages import Inbox, Outbox, pack
from fastgw.master.process import WORKER_NAME, WorkerProcess, WorkerState, describe_end
from fastgw.master.signals import HANDLED
from fastgw.master.workforce import Workforce
from fastgw.run_dir import Lock

#: Where the new program finds its end of the socketpair.
HERITAGE_FD = "FASTGW_HERITAGE"
#: The new program must be ready by then.
READY_S = 60.0


def inherited(env: Mapping[str, str] = os.environ) -> Heritage | None:
    """What the old program hands over to this process; None: it was started by nobody such."""
    text = env.get(HERITAGE_FD)
    if not text:
        return None
    os.environ.pop(HERITAGE_FD, None)
    sock = socket.socket(fileno=int(text))
    sock.set_inheritable(False)
    heritage = Heritage()
    if not take_from(heritage, sock):
        raise OSError("the old program has not handed over its sockets")
    return heritage


class Upgrade:
    """An upgrade under way, in the old master."""

    def __init__(self, workforce: Workforce, lock_fd: int, estate: Estate, log: Log) -> None:
        self.workforce, self.lock_fd, self.estate, self.log = workforce, lock_fd, estate, log
        self.pid = 0
        self.sock: socket.socket | None = None
        self.end_s = 0.0
        #: Called when the new program is ready.
        self.on_ready: Callable[[], None] = lambda: None
        #: Told how it went: the new program's pid, or 0 and why there is none.
        self.on_outcome: Callable[[int, str], None] = lambda pid, why: None
        #: What the service manager's descriptor store means.
        self.manifest_fd = -1
        self._outbox = Outbox()
        self._inbox = Inbox()

    def fileno(self) -> int:
        """What the master polls; -1: nothing."""
        return self.sock.fileno() if self.sock is not None else -1

    def begin(self) -> None:
        """Start the program again and hand over."""
        if self.sock is not None:
            self.refuse("one is under way already")
            return
        self.sock, theirs = socket.socketpair()
        theirs.set_inheritable(True)
        env = {**os.environ, HERITAGE_FD: str(theirs.fileno())}
        # The watchdog wants to hear the new program, whatever its pid will be.
        env.pop("WATCHDOG_PID", None)
        command = [sys.executable, *sys.orig_argv[1:]]
        self.log.info(f"upgrade: starting {' '.join(command)}")
        try:
            self.pid = os.posix_spawn(
                sys.executable, command, env, setsigmask=[], setsigdef=HANDLED
            )
            self._hand_over(self.sock)
        except OSError as e:
            self._failed(str(e))
            return
        finally:
            theirs.close()
        self.end_s = time.monotonic() + READY_S

    def _hand_over(self, sock: socket.socket) -> None:
        """Never waits long: the new program reads before it does anything else."""
        force = self.workforce
        bound: list[tuple[Bound, dict[int, int]]] = [
            (b, {slot: s.fileno() for slot, s in enumerate(b.sockets)})
            for b in force.listening.bound
        ]
        fds = {**self.estate.fds(), "lock": self.lock_fd}
        fds |= {"manifest": self.manifest_fd} if self.manifest_fd >= 0 else {}
        hand_over(self._outbox, bound, fds, generation=force.generation.number, pid=os.getpid())
        sock.setblocking(False)
        self._outbox.flush(sock)

    def hear(self) -> None:
        """The new program says that it is ready, or is gone."""
        assert self.sock is not None
        messages = self._inbox.receive(self.sock)
        if any(m["type"] == "ready" for m in messages or ()):
            self.end_s = 0.0
            self.log.info(f"upgrade: the new program (pid {self.pid}) is ready; leaving to it")
            self._close()
            self.on_outcome(self.pid, "")
            self.on_ready()
        elif messages is None:
            self._failed("it ended before it was ready")

    def look_at_clock(self) -> None:
        """Go on sending; give up what takes too long."""
        if self.sock is not None and self._outbox.waits:
            try:
                self._outbox.flush(self.sock)
            except OSError:
                pass
        if self.end_s and time.monotonic() > self.end_s:
            self._failed(f"it was not ready within {READY_S:g} s")

    def reap(self) -> None:
        """Bury the new program if it has ended."""
        if self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                if self.sock is not None:
                    self._failed(describe_end(status))

    def refuse(self, why: str) -> None:
        """It can't be begun now."""
        self.log.error(f"upgrade: {why}")
        self.on_outcome(0, why)

    def _failed(self, why: str) -> None:
        self.log.error(f"upgrade failed: {why}; the old program goes on")
        self.on_outcome(0, why)
        self.end_s = 0.0
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self._close()
        self.workforce.reclaim()

    def _close(self) -> None:
        self._outbox.close()
        self._inbox.close()
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class Successor:
    """The new side: who handed over leaves when we are ready."""

    def __init__(self, heritage: Heritage, workforce: Workforce, lock: Lock, log: Log) -> None:
        self.lock = lock
        self.heritage, self.workforce, self.log = heritage, workforce, log
        self.orphans = [self._orphan(p) for p in heritage.peers if p.slot >= 0]
        workforce.leaving += self.orphans
        # An old master that lives settles the accounts of its own processes.
        if heritage.lock_fd < 0:
            self._settle({o.column for o in self.orphans})

    def _settle(self, living: set[int]) -> None:
        """Whoever died together with the last master is accounted for here. One that lives and
        was not adopted goes on counting: it had left before, and its master with it."""
        for process in self.workforce.statistics.processes():
            if process.column not in living and not is_worker(process.pid):
                self.workforce.settle(process.column)

    def _orphan(self, peer: Peer) -> WorkerProcess:
        orphan = WorkerProcess(
            peer.slot,
            peer.pid,
            peer.control,
            peer.column,
            self.heritage.generation,
            time.monotonic(),
        )
        orphan.adopted, orphan.state = True, WorkerState.LEAVING
        return orphan

    def ready(self) -> None:
        """Our workers accept: the others may leave."""
        self.lock.own()
        for orphan in self.orphans:
            if orphan in self.workforce.leaving:
                self.workforce.leaving.remove(orphan)
                self.workforce.retire(orphan)
        for peer in self.heritage.peers:
            if peer.slot < 0:
                try:
                    peer.control.send(pack("ready"))
                except OSError as e:
                    self.log.warning(f"the old program is gone: {e.strerror}")
                peer.control.close()


def is_worker(pid: int) -> bool:
    """Whether there is a process of that number, it is a worker, and it lives: one that was killed
    keeps its number until somebody has waited for it."""
    try:
        name, _, facts = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(") ")
    except OSError:
        return False
    return name.startswith(WORKER_NAME) and facts[0] not in "ZX"
