"""Snapshot; see snapshot.pxd."""

from cpython.mem cimport PyMem_Free


cdef class Snapshot:
    """See snapshot.pxd."""

    def __dealloc__(self):
        PyMem_Free(self.cells)

    cdef int32_t match(self, const RequestHead* head, uint32_t* methods) noexcept:
        """The route of a head, NO_ROUTE or NO_METHOD; `methods` gets the bits of those that
        other routes of the same host and path take."""
        return NO_ROUTE
