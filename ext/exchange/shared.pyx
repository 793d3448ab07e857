"""What a worker's exchanges share; see shared.pxd."""

from time import time
from fastgw.ext.base.atomics cimport load32
from fastgw.ext.base.debug cimport EXCHANGES, debug_died
from fastgw.ext.shm.statistics cimport ORDER_DRAIN


cdef class Recorder:
    """See shared.pxd."""

    cdef void record(self, Exchange x) noexcept:
        """Write down what is to be kept of `x`."""


cdef class Shared(Tally):
    """See shared.pxd."""

    def __cinit__(self, Engine engine not None, Snapshot snapshot, Recorder recorder=None):
        self.engine = engine
        self.snapshot = snapshot
        self.recorder = recorder
        self.nobody = Downstream()
        self.follow_clock()

    def follow_clock(self) -> None:
        """Look at the clock on the wall, which somebody may have set since."""
        self.engine.refresh_clock()
        self.unix_offset_ms = <int64_t>(time() * 1000) - self.engine.now_ms

    cdef void exchange_ended(self, Exchange x) noexcept:
        """Count an end; the last one while draining tells `on_idle`."""
        self.live -= 1
        debug_died(EXCHANGES)
        if self.draining and self.live == 0 and self.on_idle is not None:
            try:
                self.on_idle()
            except Exception as error:
                self.say("error", f"on_idle failed: {error!r}")

    cdef int64_t unix_ms(self) noexcept:
        """Wall clock of this turn."""
        return self.engine.now_ms + self.unix_offset_ms

    cdef bint ends(self) noexcept:
        """Whether the gateway is to end: the master has said so, or this worker ends alone."""
        if self.ending:
            return True
        return self.column is not None and load32(&self.column.entry.orders) & ORDER_DRAIN != 0

    def say(self, level: str, text: str) -> None:
        """Hand a line to the log, if there is one."""
        if self.log is not None:
            self.log(level, text)

    def report_failure(self, policy: str, hook: str, Exchange x) -> None:
        """Log the exception under way as a policy's failure."""
        import traceback

        request_id = x.request_id[:x.request_id_n].decode("latin-1")
        self.say("error", f"policy {policy}: {hook} failed (request {request_id})\n"
                          + traceback.format_exc())
