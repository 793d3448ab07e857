"""The write queue of a stream: pieces of memory, oldest first, each with its owner.

A ring that needs no memory of its own while it is short, and gives back what it took when
it is empty: idle streams hold nothing.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from fastgw.ext.base.buffers cimport Buffer
from fastgw.ext.io.syscalls cimport iovec


cdef enum:
    INLINE_PIECES = 4           # queued pieces that need no memory besides the queue


cdef struct Piece:
    const char* p
    size_t n
    Buffer* owner               # NULL: bytes that outlive the stream (constants)


cdef struct Pieces:
    Piece* ring                 # `own`, or allocated
    uint32_t first              # index of the oldest
    uint32_t count
    uint32_t slots              # a power of two
    Piece own[4]                # the ring while it is short (INLINE_PIECES)


cdef void pieces_init(Pieces* q) noexcept
cdef bint pieces_push(Pieces* q, const char* p, size_t n, Buffer* owner) noexcept
cdef int pieces_gather(const Pieces* q, iovec* iov, int most, size_t bytes, size_t* total) noexcept
cdef void pieces_taken(Pieces* q, size_t n) noexcept
cdef void pieces_drop(Pieces* q) noexcept


cdef inline Piece* pieces_at(const Pieces* q, uint32_t i) noexcept:
    """The i-th oldest."""
    return &q.ring[(q.first + i) & (q.slots - 1)]
