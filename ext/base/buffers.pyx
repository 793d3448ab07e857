"""Counted buffers from a bounded pool; see buffers.pxd."""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from fastgw.ext.base.debug cimport BUFFERS, debug_assert, debug_born, debug_died, debug_poison
import fastgw.ext.base.debug  # no-cython-lint

cdef enum:
    SPARE_BYTES = 4194304       # what each free list may keep, in bytes
    EXACT = 255                 # size class of buffers larger than the classes
    TIGHT_SHARE = 8             # memory is tight when no more than this part is free
    RESERVE_SHARE = 16          # this part of the bound is the reserve,
    RESERVE_MOST = 4194304      # of so many bytes at the most

cdef size_t _CAPS[4]
_CAPS[0], _CAPS[1], _CAPS[2], _CAPS[3] = SMALLEST, 16384, 65536, 262144


cdef class BufferPool:
    """See buffers.pxd."""

    def __cinit__(self, size_t bound_bytes=256 << 20):
        self.bound_bytes = bound_bytes
        self.full_bytes = bound_bytes - min(bound_bytes // RESERVE_SHARE, <size_t>RESERVE_MOST)
        self.near_bytes = bound_bytes - bound_bytes // TIGHT_SHARE

    def __dealloc__(self):
        cdef int i
        cdef Buffer* b
        for i in range(SIZE_CLASSES):
            while self.free[i] != NULL:
                b = self.free[i]
                self.free[i] = b.next
                free(b)

    cdef Buffer* take(self, size_t want) noexcept:
        """A buffer of at least `want` bytes with one holder; NULL when memory is full."""
        return self.take_below(want, self.full_bytes)

    cdef Buffer* take_reserved(self, size_t want) noexcept:
        """The same out of the reserve, too. For small things that end something: heads and
        texts of the gateway's own, framing of what was sent already. Never for bodies."""
        return self.take_below(want, self.bound_bytes)

    cdef Buffer* take_below(self, size_t want, size_t most) noexcept:
        """A buffer, unless more than `most` bytes would be in use."""
        cdef int i = 0
        cdef size_t cap
        cdef Buffer* b
        while i < SIZE_CLASSES and _CAPS[i] < want:
            i += 1
        cap = _CAPS[i] if i < SIZE_CLASSES else want
        if self.in_use + cap > most:
            self.refused += 1
            return NULL
        if i < SIZE_CLASSES and self.free[i] != NULL:
            b = self.free[i]
            self.free[i] = b.next
            self.spare[i] -= 1
        else:
            b = <Buffer*>malloc(sizeof(Buffer) + cap)
            if b == NULL:
                return NULL
            b.data = <char*>b + sizeof(Buffer)
            b.cap = cap
            b.size_class = i if i < SIZE_CLASSES else EXACT
        b.pool = <void*>self
        b.refs = 1
        b.used = 0
        b.next = NULL
        self.in_use += cap
        self.live += 1
        debug_born(BUFFERS)
        return b

    cdef void give_back(self, Buffer* b) noexcept:
        """The last holder let go."""
        cdef int i = b.size_class
        debug_assert(b.refs == 0)
        debug_died(BUFFERS)
        debug_poison(b.data, b.cap)
        if self.in_use >= self.near_bytes and self.in_use - b.cap < self.near_bytes:
            self.relief = True
        self.in_use -= b.cap
        self.live -= 1
        if i == EXACT or (self.spare[i] + 1) * b.cap > SPARE_BYTES:
            free(b)
            return
        b.next = self.free[i]
        self.free[i] = b
        self.spare[i] += 1


cdef void buffer_release(Buffer* b) noexcept:
    """One holder less; the last one gives it back."""
    debug_assert(b.refs > 0)
    b.refs -= 1
    if b.refs == 0:
        (<BufferPool>b.pool).give_back(b)


cdef void chunk_release(Chunk* c) noexcept:
    """Drop the reference that travelled with a chunk, if there was one."""
    if c.owner != NULL:
        buffer_release(c.owner)
        c.owner = NULL


cdef bint chunk_keep(Chunk* c, BufferPool pool, Chunk* out) noexcept:
    """Make a chunk outlive the call: take a counted one over, copy a lent one.

    False when there is no memory for the copy; `c` is untouched then."""
    cdef Buffer* b
    if c.owner != NULL or c.n == 0:
        out[0] = c[0]
        return True
    b = pool.take(c.n)
    if b == NULL:
        return False
    memcpy(b.data, c.p, c.n)
    b.used = c.n
    out.p, out.n, out.owner = b.data, c.n, b
    return True
