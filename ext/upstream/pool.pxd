"""Idle connections of one worker to one endpoint, newest first, and to all endpoints together."""

from libc.stdint cimport uint32_t
from fastgw.ext.upstream.contract cimport Pool
from fastgw.ext.upstream.h1_link cimport H1Link


cdef class IdleRoom:
    """Bounds the idle connections of all pools of a worker, so that however many endpoints there
    are a request finds a descriptor for a new connection."""
    cdef readonly uint32_t max
    cdef readonly uint32_t taken


cdef class IdlePool(Pool):
    cdef list waiting                 # H1Link, newest last
    cdef IdleRoom room                # shared with the worker's other pools

    cdef void leave(self, H1Link c) noexcept
