"""A worker process as the master sees it: its pid, its control socket, how far it is.

    STARTING -> READY -> LEAVING -> (its process ends)

READY accepts connections. LEAVING has been replaced, or the gateway ends: it accepts no
more and ends when its last connection has.
"""

from __future__ import annotations

import enum
import os
import signal
import socket
from collections.abc import Mapping

from fastgw.master.messages import BrokenMessage, Inbox, Message, Outbox

#: Names of worker processes begin so; the slot's number follows.
WORKER_NAME = "fastgw-w"


class WorkerState(enum.Enum):
    """How far a worker is."""

    STARTING = "starting"
    READY = "ready"
    LEAVING = "leaving"


class WorkerProcess:
    """One incarnation of a worker."""

    def __init__(
        self,
        slot: int,
        pid: int,
        control: socket.socket,
        column: int,
        generation: int,
        now_s: float,
        ring: int = -1,
    ) -> None:
        self.slot = slot
        self.pid = pid
        self.control: socket.socket | None = control
        #: Of the statistics; cleared when the process is dead.
        self.column = column
        #: Where it writes log lines; -1 = nowhere.
        self.ring = ring
        #: Number of the plan that it serves, and of that which it has prepared; 0 = none.
        self.generation = generation
        self.prepared = 0
        self.preparing = 0
        self.state = WorkerState.STARTING
        self.started_s = now_s
        #: What it said before it failed.
        self.complaint = ""
        #: When a leaving one is told to end what is left, then killed; 0 = never.
        self.end_s = 0.0
        self.told_to_end = False
        #: An orphan of another master: no child of ours, its control socket tells its end.
        self.adopted = False
        #: It was killed because it hung.
        self.hung = False
        self._inbox = Inbox()
        self._outbox = Outbox()

    @property
    def ready(self) -> bool:
        """It accepts connections."""
        return self.state is WorkerState.READY

    def send(self, kind: str, fds: Mapping[str, int] | None = None, **fields: object) -> bool:
        """Tell the worker, without waiting for it; False if it can't be told (any more)."""
        if self.control is None:
            return False
        try:
            self._outbox.put(kind, fds, **fields)
            self._outbox.flush(self.control)
        except (OSError, BrokenMessage):
            return False
        return True

    def flush(self) -> None:
        """Send what it had no room for."""
        if self.control is not None:
            try:
                self._outbox.flush(self.control)
            except OSError:
                self.close_control()

    @property
    def has_more(self) -> bool:
        """Messages wait for room."""
        return self._outbox.waits

    def receive(self) -> list[Message] | None:
        """What the worker said; None at the end of its messages."""
        assert self.control is not None
        found = self._inbox.receive(self.control)
        if found is None and self._inbox.broken:
            raise BrokenMessage(self._inbox.broken)
        return found

    def close_control(self) -> None:
        """Close the master's end of the control socket."""
        self._inbox.close()
        self._outbox.close()
        if self.control is not None:
            self.control.close()
            self.control = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker, if there is one."""
        if self.pid:
            try:
                # Not reaped yet, so the pid can't have gone to somebody else.
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass


def describe_end(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"exit code {os.waitstatus_to_exitcode(status)}"
