"""The exchange at work: where exchanges come from, and the last of its classes."""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.exchange.contract cimport Downstream, Exchange
from fastgw.ext.exchange.request_side cimport RequestSide
from fastgw.ext.exchange.shared cimport Recorder, Shared
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.route.snapshot cimport Snapshot


cdef class Dispatcher(Shared):
    """The worker's shared state, and the one who makes exchanges."""
    cdef Exchange new_exchange(self, Downstream downstream)


@cython.no_gc
@cython.final
cdef class LiveExchange(RequestSide):
    """What an exchange is told by others than its two sides, and what policies call."""
