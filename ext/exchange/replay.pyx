"""Replay; see replay.pxd."""

from libc.string cimport memcpy
from fastgw.ext.base.buffers cimport buffer_hold, buffer_release
from fastgw.ext.exchange.held cimport queue_free, queue_put


cdef class Replay:
    """See replay.pxd."""

    def __dealloc__(self):
        self.drop()

    cdef bint keep(self, Chunk* c, bint last, BufferPool pool) noexcept:
        """Remember a chunk without taking its reference over; False without memory."""
        cdef Chunk mine = c[0]
        if mine.owner != NULL:
            buffer_hold(mine.owner)
        elif mine.n and not self.copy(c, pool, &mine):
            return False
        self.n += c.n
        self.whole = self.whole or last
        return queue_put(&self.rows, &mine, last)

    cdef bint copy(self, Chunk* c, BufferPool pool, Chunk* out) noexcept:
        """Copy lent bytes behind those of the chunk before, where they fit: what is there
        already never changes."""
        cdef Buffer* b = self.tail
        if b == NULL or b.cap - b.used < c.n:
            b = pool.take(c.n)
            if b == NULL:
                return False
            if self.tail != NULL:
                buffer_release(self.tail)
            self.tail = b
        buffer_hold(b)
        memcpy(b.data + b.used, c.p, c.n)
        out.p, out.n, out.owner = b.data + b.used, c.n, b
        b.used += c.n
        return True

    cdef bint left(self) noexcept:
        """Whether the current attempt has not been sent all of it."""
        return self.at < self.rows.n or (self.trailers != NULL and not self.trailers_sent)

    cdef void rewind(self) noexcept:
        """Another attempt begins."""
        self.at = 0
        self.trailers_sent = False

    cdef void sent_now(self) noexcept:
        """What was kept last went to the current attempt when it came."""
        self.at = self.rows.n
        self.trailers_sent = self.trailers != NULL

    cdef void drop(self) noexcept:
        """Let everything go."""
        queue_free(&self.rows)
        self.at = 0
        self.n = 0
        if self.tail != NULL:
            buffer_release(self.tail)
            self.tail = NULL
