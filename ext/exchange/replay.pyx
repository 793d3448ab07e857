"""Replay; see replay.pxd."""

from libc.stdint cimport uint32_t
from fastgw.ext.base.buffers cimport buffer_hold, chunk_keep
from fastgw.ext.exchange.pipe cimport Held, queue_free, queue_put


cdef class Replay:
    """See replay.pxd."""

    def __dealloc__(self):
        queue_free(&self.rows)

    cdef bint keep(self, Chunk* c, bint last, BufferPool pool) noexcept:
        """Remember a chunk without taking its reference over; False past the bound."""
        cdef Chunk mine = c[0]
        if self.n + c.n > REPLAY_BOUND:
            return False
        if mine.owner != NULL:
            buffer_hold(mine.owner)
        elif not chunk_keep(c, pool, &mine):
            return False
        self.n += c.n
        self.whole = last
        return queue_put(&self.rows, &mine, last)

    cdef bint send(self, Attempt a) noexcept:
        """Send everything to another attempt; whether there is room for more."""
        cdef uint32_t i
        cdef Held* h
        cdef Chunk c
        cdef bint room = True
        for i in range(self.rows.n):
            h = &self.rows.rows[(self.rows.first + i) % self.rows.cap]
            c = h.chunk
            if c.owner != NULL:
                buffer_hold(c.owner)
            room = a.send_chunk(&c, h.last)
            if a.x is None:
                return False
        if self.trailers != NULL:
            a.send_trailers(self.trailers)
        return room

    cdef void drop(self) noexcept:
        """Let everything go."""
        queue_free(&self.rows)
        self.n = 0
