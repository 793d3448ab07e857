"""Arena; see arena.pxd."""

from libc.string cimport memcpy
from fastgw.ext.base.buffers cimport buffer_release
from fastgw.ext.base.span cimport span


cdef void arena_init(Arena* a, BufferPool pool) noexcept:
    """An empty arena; takes no memory before the first allocation."""
    a.blocks = NULL
    a.at = a.end = NULL
    a.pool = <void*>pool


cdef void* arena_grow(Arena* a, size_t n) noexcept:
    """`n` bytes from a new block. A large block does not replace a roomy current one."""
    cdef Buffer* b = (<BufferPool>a.pool).take(n)
    if b == NULL:
        return NULL
    b.next = a.blocks
    a.blocks = b
    if a.at == NULL or b.cap - n > <size_t>(a.end - a.at):
        a.at = b.data + n
        a.end = b.data + b.cap
    return b.data


cdef void arena_free(Arena* a) noexcept:
    """Give every block back."""
    cdef Buffer* b = a.blocks
    cdef Buffer* following
    a.blocks = NULL
    a.at = a.end = NULL
    while b != NULL:
        following = b.next
        b.next = NULL
        buffer_release(b)
        b = following


cdef Span arena_copy(Arena* a, const char* p, size_t n) noexcept:
    """A copy of `n` bytes; a span with p == NULL when there is no memory."""
    cdef char* copy = <char*>arena_alloc(a, n if n else 1)
    if copy == NULL:
        return span(NULL, 0)
    memcpy(copy, p, n)
    return span(copy, n)
