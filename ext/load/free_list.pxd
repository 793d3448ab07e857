"""FreeList: connections that can take a request, longest free first."""

from fastgw.ext.load.connection cimport Conn


cdef struct FreeList:
    Conn* first
    Conn* last


cdef inline void put_free(FreeList* f, Conn* c) noexcept nogil:
    if c.is_free:
        return
    c.is_free = True
    c.before = f.last
    c.after = NULL
    if f.last != NULL:
        f.last.after = c
    else:
        f.first = c
    f.last = c


cdef inline void remove_free(FreeList* f, Conn* c) noexcept nogil:
    if not c.is_free:
        return
    c.is_free = False
    if c.before != NULL:
        c.before.after = c.after
    else:
        f.first = c.after
    if c.after != NULL:
        c.after.before = c.before
    else:
        f.last = c.before
