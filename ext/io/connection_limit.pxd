"""ConnectionLimit: how many client connections a worker holds, and who stops at the bound.

At the bound every listener of the worker stops accepting, so that the kernel's queue, and
then the clients, wait; nobody is accepted only to be closed. When a connection ends they
go on.
"""

from libc.stdint cimport uint32_t, uint64_t
from fastgw.ext.io.engine cimport Handle


cdef class ConnectionLimit:
    cdef public uint32_t max          # connections at once
    cdef readonly uint32_t current    # open now
    cdef readonly uint64_t reached    # how often the bound stopped the listeners
    cdef readonly bint stopped        # the listeners wait
    cdef list listeners               # Handles told by on_relief that they may go on

    cdef bint enter(self) noexcept
    cdef void leave(self) noexcept
    cdef void stop(self) noexcept
    cdef void watch(self, Handle listener)
    cdef void forget(self, Handle listener) noexcept


cdef inline bint limit_full(ConnectionLimit limit) noexcept:
    """Whether another connection would be one too many."""
    return limit.current >= limit.max
