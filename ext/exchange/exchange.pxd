"""What a worker's exchanges share, and where they come from."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.exchange.contract cimport Downstream, Exchange
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.route.snapshot cimport Snapshot


cdef class Recorder:
    """Told of every exchange that ended; record/ implements it."""
    cdef void record(self, Exchange x) noexcept


cdef class Dispatcher:
    """The worker's shared state: the running snapshot, the recorder, the counters."""
    cdef Engine engine
    cdef Snapshot snapshot            # swapped at a switch, pinned by each exchange
    cdef Recorder recorder
    cdef readonly uint32_t live       # exchanges under way
    cdef readonly uint64_t begun
    cdef readonly uint64_t tickets_stale
    cdef readonly bint draining       # answers carry Connection: close
    cdef object on_idle               # called when draining and the last exchange ended

    cdef Exchange new_exchange(self, Downstream downstream)
