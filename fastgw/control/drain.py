"""From the workers' rings to the log's sink, whole lines in each ring's order.

Asked often while lines come (or the doorbell rings), and left alone while none do. A ring
whose line was taken by half is gone on with before any other, so that lines never mix.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from fastgw.control.sinks import Sink, SinkError
from fastgw.ext.record.ring import RingReader

Say = Callable[[str, str], None]

#: Between two looks while lines come.
BUSY_S = 0.05
#: Without a line for so long, only the doorbell wakes us ...
IDLE_AFTER_S = 1.0
#: ... or this, since a ring of the bell may be lost.
IDLE_S = 1.0
#: Bytes that may wait in a ring before the bell rings while we look often anyway.
BUSY_BYTES = 262_144
#: Bytes written in one go, so that the loop serves others in between.
TURN_BYTES = 4 << 20


class Drain:
    """All rings of a gateway and the one sink; None: nobody wants lines."""

    def __init__(self, sink: Sink | None, say: Say, doorbell: int = -1) -> None:
        self.sink, self.say, self.doorbell = sink, say, doorbell
        self.rings: list[RingReader] = []
        #: Bytes that sinks took, and writes that failed, of all sinks so far.
        self.bytes = self.errors = 0
        #: The ring whose line is half written, or None.
        self._begun: RingReader | None = None
        self._complained = ""
        self._handle: asyncio.TimerHandle | None = None
        self._quiet_s = 0.0

    # -- when ------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look, in the running loop."""
        if self.doorbell >= 0:
            asyncio.get_running_loop().add_reader(self.doorbell, self._rung)
        self.look()

    def stop(self) -> None:
        """Write what is there once more, then stop looking."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self.doorbell >= 0:
            asyncio.get_running_loop().remove_reader(self.doorbell)
        self.use(None)

    def use(self, sink: Sink | None) -> None:
        """Write to another sink from now on; what is there goes to the one before."""
        if self.sink is not None:
            self.drain(1 << 40)
            self.sink.close()
            self.errors += self.sink.errors
        self.sink, self._begun, self._complained = sink, None, ""

    @property
    def target(self) -> str:
        """Where lines go; empty: nowhere."""
        return "" if self.sink is None else self.sink.target

    def add(self, fd: int) -> None:
        """One more ring; the descriptor is done with when this returns."""
        self.rings.append(RingReader(fd))

    def reopen(self) -> None:
        """Open the log's file again; SinkError if that fails, then the old one is kept."""
        if self.sink is not None:
            self.sink.reopen()
        if self._begun is not None:
            self._begun.skip_line()
            self._begun = None

    def _rung(self) -> None:
        try:
            os.eventfd_read(self.doorbell)
        except BlockingIOError:
            return
        self.look()

    def look(self) -> None:
        """Write what is there, and settle when to look again."""
        moved = self.drain(TURN_BYTES)
        waiting = any(ring.waiting for ring in self.rings)
        self._quiet_s = 0.0 if moved or waiting else self._quiet_s + BUSY_S
        idle = self._quiet_s >= IDLE_AFTER_S
        for ring in self.rings:
            ring.wake_above(0 if idle else BUSY_BYTES)
        if self._handle is not None:
            self._handle.cancel()
        after_s = 0.0 if moved >= TURN_BYTES else IDLE_S if idle else BUSY_S
        self._handle = asyncio.get_running_loop().call_later(after_s, self.look)

    # -- what ------------------------------------------------------------------------------

    def drain(self, most: int) -> int:
        """Write up to about `most` bytes; how many it were."""
        if not self._ready():
            return 0
        assert self.sink is not None
        total = 0
        try:
            while total < most:
                moved = self._round(self.sink)
                if not moved:
                    break
                total += moved
        except BlockingIOError:
            pass
        except OSError as e:
            self._complain(self.sink.failed(e))
            self._resume_line()
        else:
            self._complained = ""
        self.bytes += total
        return total

    def _ready(self) -> bool:
        """Whether the sink can be written to, opening it if it is time."""
        if self.sink is None or not any(ring.waiting for ring in self.rings):
            return False
        if not self.sink.may_try():
            return False
        try:
            self.sink.open()
        except SinkError as e:
            self._complain(str(e))
            return False
        return True

    def _round(self, sink: Sink) -> int:
        """One write from each ring that has something."""
        total = 0
        for ring in [self._begun] if self._begun is not None else self.rings:
            assert ring is not None
            moved = ring.write_to(sink.fd, sink.is_socket)
            total += moved
            if moved:
                self._begun = None if ring.at_line() else ring
                if self._begun is not None:
                    break
        return total

    def _resume_line(self) -> None:
        """After a sink that broke, the rest of a half-written line means nothing in the next
        one."""
        if self._begun is not None and (self.sink is None or not self.sink.is_open):
            self._begun.skip_line()
            self._begun = None

    def _complain(self, text: str) -> None:
        """Say it once, not for every line."""
        if text != self._complained:
            self._complained = text
            self.say("error", text)
