"""Counted buffers from a bounded pool, and chunks: how bytes change hands.

A **Chunk** is {pointer, length, owner}. Owner NULL means *lent*: valid until the call
that passes it returns; whoever can't finish in that call copies the rest into a counted
buffer. Owner set means *counted*: the reference is transferred with the call and
released once by whoever holds it last.

Memory given to a write must not change until the kernel has it or its counted buffer is
dropped. Debug builds poison freed buffers (0xDB) and count the live ones.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef struct Buffer:
    uint32_t refs               # holders; the pool takes it back at 0
    uint8_t size_class          # index into the pool's free lists
    size_t cap                  # bytes at `data`
    size_t used                 # bytes written so far, for those who append
    void* pool                  # the BufferPool it belongs to (borrowed)
    Buffer* next                # chain of the holder (arena blocks) or the free list
    char* data                  # first byte


cdef struct Chunk:
    const char* p               # first byte
    size_t n                    # length
    Buffer* owner               # NULL: lent; else one reference travels with the chunk


cdef enum:
    SIZE_CLASSES = 4            # 4 KiB, 16 KiB, 64 KiB, 256 KiB
    SMALLEST = 4096             # bytes of the first class


cdef class BufferPool:
    """Every byte a worker buffers comes from here, so that the sum is bounded.

    Three marks, each above the one before. `near_bytes`: bodies move in small pieces, one
    at a time, so that whoever takes none holds little more (`pool_tight`). `full_bytes`:
    bodies pause (`pool_full`), `take` refuses, and new requests are answered 503 `memory`.
    `bound_bytes`: nothing goes past it; what lies between is a reserve for what must be
    said even so, such as that very answer (`take_reserved`).
    """
    cdef Buffer* free[4]        # one LIFO list a size class: the hottest buffer first
    cdef uint32_t spare[4]      # how many wait in each list; trimmed to a small number
    cdef readonly size_t in_use       # bytes handed out
    cdef readonly size_t bound_bytes
    cdef readonly size_t full_bytes
    cdef readonly size_t near_bytes
    cdef readonly uint64_t refused    # how often somebody got nothing
    cdef readonly uint32_t live       # buffers handed out and not yet back
    cdef public bint relief           # set when `in_use` falls below `near_bytes` again

    cdef Buffer* take(self, size_t want) noexcept
    cdef Buffer* take_reserved(self, size_t want) noexcept
    cdef Buffer* take_below(self, size_t want, size_t most) noexcept
    cdef void give_back(self, Buffer* b) noexcept


cdef inline bint pool_tight(BufferPool pool) noexcept:
    """Whether bodies should move in small pieces only."""
    return pool.in_use >= pool.near_bytes


cdef inline bint pool_full(BufferPool pool) noexcept:
    """Whether too little is left for one small piece of a body, which may be copied twice
    and framed: bodies pause."""
    return pool.in_use + 4 * SMALLEST > pool.full_bytes


cdef inline void buffer_hold(Buffer* b) noexcept:
    """One more holder."""
    b.refs += 1


cdef void buffer_release(Buffer* b) noexcept
cdef void chunk_release(Chunk* c) noexcept
cdef bint chunk_keep(Chunk* c, BufferPool pool, Chunk* out) noexcept
