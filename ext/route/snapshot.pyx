"""Snapshot; see snapshot.pxd."""

from cpython.mem cimport PyMem_Free
from fastgw.ext.base.span cimport span
from fastgw.ext.route.plan cimport NOTHING


cdef class Snapshot:
    """See snapshot.pxd."""

    def __dealloc__(self):
        PyMem_Free(self.cells)

    cdef void match(self, const RequestHead* head, const Facts* facts, Found* found) noexcept:
        """Find the route of a head. `facts` are of the client's connection, or NULL."""
        found.route = NO_ROUTE
        found.methods = 0
        found.extra = NOTHING

    cdef Span parameter(self, Exchange x, Span name) noexcept:
        """What a parameter of the matched path stands for; empty when there is none of this
        name. Lives as long as the request's head."""
        return span(NULL, 0)
