"""Heartbeats: which worker makes no turns any more.

Each writes the monotonic clock into a word of shared memory five times a second. The
master counts only time in which it ran on schedule itself: after a pause of the whole
machine, or under a throttled cgroup, nobody is to blame.
"""

from __future__ import annotations

#: Without a heartbeat for so long a worker gets no new connections.
SUSPECT_S = 1.0
#: How often the master looks.
LOOK_S = 0.25
#: The master itself was late by more than this: such time does not count.
LATE_S = 0.15


class Watch:
    """How long each worker has been silent, in time that counts."""

    def __init__(self, now_s: float) -> None:
        self._looked_s = now_s
        #: Time that counts: stands still while the master does not run on schedule.
        self._time_s = 0.0
        #: By column: (last beat seen, `_time_s` when it was seen).
        self._seen: dict[int, tuple[int, float]] = {}

    def advance(self, now_s: float) -> None:
        """The master has looked at the clock again."""
        passed_s = now_s - self._looked_s
        self._looked_s = now_s
        self._time_s += min(passed_s, LOOK_S + LATE_S)

    def silent_s(self, column: int, beat_ms: int) -> float:
        """How long the worker of a column has not beaten; `beat_ms` is its word now."""
        seen = self._seen.get(column)
        if seen is None or seen[0] != beat_ms:
            seen = self._seen[column] = (beat_ms, self._time_s)
        return self._time_s - seen[1]

    def forget(self, column: int) -> None:
        """The worker is gone."""
        self._seen.pop(column, None)
