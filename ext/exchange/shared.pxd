"""What a worker's exchanges share, below the exchange itself."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.exchange.contract cimport Downstream, Exchange, Tally
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.route.snapshot cimport Snapshot
from fastgw.ext.shm.statistics cimport Column


cdef class Recorder:
    """Told of every exchange that ended; record/ implements it."""
    cdef void record(self, Exchange x) noexcept


cdef class Shared(Tally):
    """The running snapshot, the recorder, the counters; exchange.pxd makes exchanges of it."""
    cdef readonly Engine engine
    cdef public Snapshot snapshot     # swapped at a switch, pinned by each exchange
    cdef public Recorder recorder
    cdef Downstream nobody            # takes the place of a client that left
    cdef readonly uint32_t live       # exchanges under way
    cdef readonly uint64_t begun
    cdef readonly uint32_t tunnels    # exchanges that are tunnels now
    cdef readonly uint64_t tunnels_opened
    cdef public bint draining         # answers carry Connection: close
    cdef public bint ending           # this worker ends and nobody takes its place
    cdef public Column column         # its words in shared memory, or None
    cdef public object on_idle        # called when draining and the last exchange ended
    cdef public object log            # log(level, text), or None
    cdef int64_t unix_offset_ms       # wall clock minus the engine's

    cdef void exchange_ended(self, Exchange x) noexcept
    cdef int64_t unix_ms(self) noexcept
    cdef bint ends(self) noexcept
