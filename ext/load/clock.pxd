"""The clock of every measurement: monotonic nanoseconds."""

from libc.stdint cimport int64_t
from fastgw.ext.io.syscalls cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef enum:
    NS_PER_MS = 1000000
    NS_PER_S = 1000000000


cdef inline int64_t now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t>t.tv_sec * NS_PER_S + t.tv_nsec
