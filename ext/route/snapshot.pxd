"""Snapshot: a plan mapped by a worker, with the objects that had to be built from it.

One pointer (`Dispatcher.snapshot`) is swapped at a switch; each exchange pins the
snapshot that it began with.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t
from cpython.ref cimport PyObject
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Chain, Exchange
from fastgw.ext.http.head cimport RequestHead
from fastgw.ext.io.stream cimport Facts
from fastgw.ext.route.matcher cimport NO_METHOD, NO_ROUTE, Found
from fastgw.ext.route.plan cimport Limits, RewriteRow, RouteRow, Text, Timeouts


cdef class Snapshot:
    cdef readonly uint64_t number     # generation number of the plan
    cdef object mapping               # keeps the segment mapped
    cdef const char* strings          # strings section
    cdef const RouteRow* routes
    cdef readonly uint32_t route_count
    cdef uint64_t** cells             # of each route's row, the array owned; NULL: not counted
    cdef const RewriteRow* rewrites
    cdef Chain* chains                # compiled chains, owned
    cdef uint32_t chain_count
    cdef PyObject** targets           # Target objects, references owned
    cdef uint32_t target_count
    cdef readonly list policies       # every Policy object
    cdef Limits limits                # of the listeners
    cdef Timeouts timeouts            # of the listeners, until a route is known
    cdef readonly uint64_t memory     # bytes all buffers of a worker may take; 0 = not said
    cdef uint32_t allow_any           # union of PathAllow bits that some route opens
    cdef bint error_html              # text/html error pages for those who accept them
    cdef PyObject** things            # what was made of each ObjectRow, borrowed
    cdef uint32_t pages               # error pages without a route, or NOTHING
    cdef const uint16_t* statuses     # what routes replace of the upstream's answers
    cdef object trusted               # base/networks.Networks of trusted_proxies
    cdef list client_fields           # a listener each: client_address.ClientField; or None

    cdef void match(self, const RequestHead* head, const Facts* facts, Found* found) noexcept
    cdef Span parameter(self, Exchange x, Span name) noexcept


cdef inline Span plan_text(Snapshot s, Text t) noexcept:
    """The bytes of a text of the plan."""
    cdef Span out
    out.p = s.strings + t.at
    out.n = t.n
    return out
