"""HandSnapshot: routes, chains and targets put together by hand."""

from fastgw.ext.exchange.contract cimport Chain
from fastgw.ext.http.head cimport RequestHead
from fastgw.ext.route.snapshot cimport Snapshot


cdef class HandSnapshot(Snapshot):
    cdef list prefixes                # bytes a route, matched by longest prefix
    cdef list held                    # what the arrays point to
    cdef readonly bint sealed         # no more routes are taken

    cdef void compile_chain(self, Chain* chain, list entries) except *
