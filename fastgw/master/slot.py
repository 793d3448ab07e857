"""A slot: the place of one worker, which outlives the processes that fill it.

Its listening sockets stay open in the master, so connections that wait in them are served
by the next worker. A worker that keeps dying is started again ever later.
"""

from __future__ import annotations

from fastgw.master.process import WorkerProcess, describe_end

__all__ = ["SETTLED_S", "Slot", "backoff_s", "describe_end"]

#: A worker that lived this long is no longer held against its slot, in seconds.
SETTLED_S = 10.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 10.0


class Slot:
    """One worker's place and its record of deaths."""

    def __init__(self, index: int) -> None:
        self.index = index
        #: Who fills the slot; None = nobody, the next one is due at `due_s`.
        self.worker: WorkerProcess | None = None
        #: Who will, once the whole new set is ready.
        self.successor: WorkerProcess | None = None
        #: When the next worker is due, on the monotonic clock; 0 = now.
        self.due_s = 0.0
        #: Deaths in a row, none of which had lived SETTLED_S.
        self.deaths = 0
        self.restarts = 0
        #: It has been filled at least once, so a death is no error of the start.
        self.was_ready = False
        #: No heartbeat for a while: no new connections, siblings serve its queue.
        self.suspected = False
        #: The sibling that serves the queue meanwhile.
        self.helper: WorkerProcess | None = None

    @property
    def serving(self) -> bool:
        """Whether new connections may be steered here."""
        return self.worker is not None and self.worker.ready and not self.suspected

    def emptied(self, now_s: float) -> float:
        """The worker is gone; the seconds until the next one is due."""
        assert self.worker is not None
        lived_s = now_s - self.worker.started_s
        self.deaths = 1 if lived_s >= SETTLED_S else self.deaths + 1
        self.restarts += 1
        wait_s = backoff_s(self.deaths)
        self.due_s = now_s + wait_s
        self.worker, self.suspected = None, False
        return wait_s


def backoff_s(deaths: int) -> float:
    """At once after the first death, then 100 ms, doubled for each, 10 s at the most."""
    if deaths <= 1:
        return 0.0
    return min(BACKOFF_FIRST_S * 2.0 ** min(deaths - 2, 20), BACKOFF_MOST_S)
