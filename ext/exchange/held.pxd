"""Queues of chunks that wait for their turn: counted, or bytes of the exchange's arena."""

from libc.stdint cimport uint32_t
from fastgw.ext.base.buffers cimport Chunk


cdef struct Held:
    Chunk chunk                 # counted, or memory that lives as long as the exchange
    bint last


cdef struct HeldQueue:
    Held* rows                  # ring
    uint32_t first, n, cap


cdef bint queue_put(HeldQueue* q, Chunk* c, bint last) noexcept
cdef Held queue_take(HeldQueue* q) noexcept
cdef void queue_free(HeldQueue* q) noexcept


cdef inline Held* queue_at(HeldQueue* q, uint32_t i) noexcept:
    """The `i`th oldest; there must be so many."""
    return &q.rows[(q.first + i) % q.cap]
