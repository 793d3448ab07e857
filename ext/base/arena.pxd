"""Arena: memory that lives exactly as long as one exchange.

Blocks come from the worker's pool and never move, so pointers into them stay good until
`arena_free`. Small things are carved off the current block; large ones get their own.
"""

from libc.stddef cimport size_t
from fastgw.ext.base.buffers cimport Buffer, BufferPool
from fastgw.ext.base.span cimport Span


cdef struct Arena:
    Buffer* blocks              # newest first
    char* at                    # next free byte of the newest block
    char* end                   # past its last byte
    void* pool                  # BufferPool (borrowed)


cdef void arena_init(Arena* a, BufferPool pool) noexcept
cdef void* arena_grow(Arena* a, size_t n) noexcept
cdef void arena_free(Arena* a) noexcept
cdef Span arena_copy(Arena* a, const char* p, size_t n) noexcept


cdef inline void* arena_alloc(Arena* a, size_t n) noexcept:
    """`n` bytes aligned to 8, not zeroed; NULL when the worker's memory is used up."""
    cdef char* p = a.at
    n = (n + 7) & ~<size_t>7
    if p != NULL and <size_t>(a.end - p) >= n:
        a.at = p + n
        return p
    return arena_grow(a, n)
