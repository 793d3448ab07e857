"""Matcher: host, path and method to a route, reading the plan's tables in place.

Hosts: the exact one, then the wildcard with the longest suffix (`*.example.com` takes any
number of labels, but not example.com), then the default. Within a host the longest path
wins, and an exact path before a prefix of the same length; a prefix ends at a segment's
border, so /orders/* takes /orders and /orders/1 but not /orders-old. Where a path's routes
don't take the method, shorter prefixes and then less specific hosts are asked.

`match_route` follows indexes without checking: `plan_open` has checked them.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.head cimport MethodId
from fastgw.ext.route.plan cimport Candidate, HostRow, PathRow, Plan, Slot


cdef enum:
    MAX_SEGMENTS = 63           # of a path in the plan: a bit each in HostRow's masks

cdef enum:
    NO_ROUTE = -1               # nothing matches host and path
    NO_METHOD = -2              # routes match host and path, none the method


cdef struct Matcher:
    const char* strings         # what the Texts of the rows below refer to
    const HostRow* hosts        # the first is the default host
    const Slot* host_slots
    uint32_t host_mask          # slots - 1
    uint32_t host_count
    const PathRow* paths
    const Slot* path_slots
    uint32_t path_mask          # slots - 1
    const Candidate* candidates
    uint64_t wildcard_labels    # bit n: some wildcard has n labels after the star
    int max_depth               # segments of the deepest path: more need not be looked at


cdef void matcher_init(Matcher* m, const Plan* p) noexcept nogil
cdef uint64_t hash_bytes(uint64_t seed, const char* p, size_t n) noexcept nogil
cdef int32_t match_route(
    const Matcher* m, Span host, Span path, MethodId method, uint32_t* methods
) noexcept nogil
