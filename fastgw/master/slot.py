"""A slot: the place of one worker, which outlives the processes that fill it.

    EMPTY -> STARTING -> READY -> (its process ends) -> EMPTY

Its listening sockets stay open in the master, so connections that wait in them are
served by the next worker. A worker that keeps dying is started again ever later.
"""

from __future__ import annotations

import enum
import os
import signal
import socket
import time

from fastgw.master.messages import Inbox, Message, pack

#: A worker that lived this long is no longer held against its slot, in seconds.
SETTLED_S = 10.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 10.0


class SlotState(enum.Enum):
    """How far the slot's worker is."""

    EMPTY = "empty"
    STARTING = "starting"
    READY = "ready"


class Slot:
    """One worker's place: its process, its control socket and its record of deaths."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.state = SlotState.EMPTY
        self.pid = 0
        self.control: socket.socket | None = None
        self.inbox = Inbox()
        #: When the worker was started, on the monotonic clock.
        self.started_s = 0.0
        #: When the next one is due; 0 = now.
        self.due_s = 0.0
        #: Deaths in a row, none of which had lived SETTLED_S.
        self.deaths = 0
        #: What the worker said before it failed.
        self.complaint = ""
        #: Workers of this slot that ended without being told to.
        self.restarts = 0
        #: Where its worker writes log lines; -1 = nowhere.
        self.ring = -1
        #: When the worker was started, in seconds since the epoch.
        self.started_unix_s = 0.0
        #: It has been ready at least once, so its death is no error of the start.
        self.was_ready = False

    def started(self, pid: int, control: socket.socket, now_s: float) -> None:
        """A worker was forked into the slot."""
        self.pid, self.control, self.started_s = pid, control, now_s
        self.started_unix_s = time.time()
        self.inbox, self.complaint = Inbox(), ""
        self.state = SlotState.STARTING

    def ready(self) -> None:
        """The worker accepts connections."""
        self.state, self.was_ready = SlotState.READY, True

    def emptied(self, now_s: float) -> float:
        """The worker is gone; the seconds until the next one is due."""
        lived_s = now_s - self.started_s
        self.deaths = 1 if lived_s >= SETTLED_S else self.deaths + 1
        wait_s = backoff_s(self.deaths)
        self.due_s = now_s + wait_s
        self.pid, self.state = 0, SlotState.EMPTY
        self.close_control()
        return wait_s

    def close_control(self) -> None:
        """Close the master's end of the control socket."""
        if self.control is not None:
            self.control.close()
            self.control = None

    def send(self, kind: str, **fields: object) -> bool:
        """Tell the worker; False if it can't be told (any more)."""
        if self.control is None:
            return False
        try:
            self.control.sendall(pack(kind, **fields))
        except OSError:
            return False
        return True

    def receive(self) -> list[Message] | None:
        """What the worker said; None at the end of its messages."""
        assert self.control is not None
        try:
            data = self.control.recv(65536)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self.inbox.feed(data) if data else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the worker, if there is one."""
        if self.pid:
            try:
                # Not reaped yet, so the pid can't have gone to somebody else.
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass


def backoff_s(deaths: int) -> float:
    """At once after the first death, then 100 ms, doubled for each, 10 s at the most."""
    if deaths <= 1:
        return 0.0
    return min(BACKOFF_FIRST_S * 2.0 ** min(deaths - 2, 20), BACKOFF_MOST_S)


def describe_end(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            return f"killed by signal {number}"
    return f"exit code {os.waitstatus_to_exitcode(status)}"
