"""Replay: what was sent of a request's body, kept while it may have to be sent again.

A sink behind the request's filters: they run once, attempts replay their output. Past
its bound the exchange is not replayable any more and everything is let go.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from fastgw.ext.base.buffers cimport Buffer, BufferPool, Chunk
from fastgw.ext.exchange.held cimport HeldQueue
from fastgw.ext.http.head cimport Fields

cdef enum:
    REPLAY_BOUND = 65536        # bytes


cdef class Replay:
    cdef HeldQueue rows
    cdef size_t n                     # bytes kept
    cdef uint32_t at                  # rows the current attempt was sent
    cdef bint whole                   # the last chunk or the trailers are here
    cdef bint trailers_sent           # the current attempt was sent them
    cdef Fields* trailers             # arena memory, or NULL
    cdef Buffer* tail                 # where small lent chunks are put together

    cdef bint keep(self, Chunk* c, bint last, BufferPool pool) noexcept
    cdef bint left(self) noexcept
    cdef void rewind(self) noexcept
    cdef void sent_now(self) noexcept
    cdef void drop(self) noexcept
    cdef bint copy(self, Chunk* c, BufferPool pool, Chunk* out) noexcept
