"""Replay: what was sent of a request's body, kept while it may have to be sent again.

A sink behind the request's filters: they run once, attempts replay their output. Past
its bound the exchange is not replayable any more and everything is let go.
"""

from libc.stddef cimport size_t
from fastgw.ext.base.buffers cimport BufferPool, Chunk
from fastgw.ext.exchange.contract cimport Attempt
from fastgw.ext.exchange.pipe cimport HeldQueue
from fastgw.ext.http.head cimport Fields

cdef enum:
    REPLAY_BOUND = 65536        # bytes


cdef class Replay:
    cdef HeldQueue rows
    cdef size_t n                     # bytes kept
    cdef bint whole                   # the last chunk or the trailers are here
    cdef Fields* trailers

    cdef bint keep(self, Chunk* c, bint last, BufferPool pool) noexcept
    cdef bint send(self, Attempt a) noexcept
    cdef void drop(self) noexcept
