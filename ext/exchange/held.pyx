"""Queues of chunks that wait for their turn; see held.pxd."""

from libc.stdlib cimport free, malloc
from libc.string cimport memset
from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.base.debug cimport debug_assert


cdef bint _grow(HeldQueue* q) noexcept:
    """Twice the room."""
    cdef uint32_t i, cap = q.cap * 2 if q.cap else 4
    cdef Held* rows = <Held*>malloc(cap * sizeof(Held))
    if rows == NULL:
        return False
    for i in range(q.n):
        rows[i] = queue_at(q, i)[0]
    free(q.rows)
    q.rows, q.first, q.cap = rows, 0, cap
    return True


cdef bint queue_put(HeldQueue* q, Chunk* c, bint last) noexcept:
    """Append, taking the reference over; False (and released) when there is no memory."""
    cdef Held* row
    if q.n == q.cap and not _grow(q):
        chunk_release(c)
        return False
    q.n += 1
    row = queue_at(q, q.n - 1)
    row.chunk = c[0]
    row.last = last
    return True


cdef Held queue_take(HeldQueue* q) noexcept:
    """Remove the oldest; the queue must not be empty."""
    cdef Held h
    debug_assert(q.n > 0)
    h = q.rows[q.first]
    q.first = (q.first + 1) % q.cap
    q.n -= 1
    return h


cdef void queue_free(HeldQueue* q) noexcept:
    """Release everything."""
    cdef Held h
    while q.n:
        h = queue_take(q)
        chunk_release(&h.chunk)
    free(q.rows)
    memset(q, 0, sizeof(HeldQueue))
