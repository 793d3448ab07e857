"""Matcher: a request to a route, reading the plan's tables in place.

Hosts: the exact one, then the wildcard with the longest suffix (`*.example.com` takes any
number of labels, but not example.com), then the default. Within a host paths are compared
segment by segment: static before parameter before regex before prefix, an end before
either of the last two; a prefix ends at a segment's border, so /orders/* takes /orders and
/orders/1 but not /orders-old. Routes of one path are asked in the order of the plan: more
matchers first, then the higher priority. Where none of a path's routes takes the request,
less specific paths and then less specific hosts are asked. docs/routing.md tells all this
with examples.

A path of a host is found by the hash of its segments, parameters left out, so a lookup is
tried for each *shape* that the host's paths have. Hosts without parameters and regexes have
no shapes; there two masks say which depths are worth a lookup. With many routes a match is
as long as its waits for memory: one for the host's slot, one for the path's, and two for the
texts, which nothing waits for. What can be fetched early is.

`match_route` follows indexes without checking: `plan_open` has checked them.
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.head cimport RequestHead
from fastgw.ext.io.stream cimport Facts
from fastgw.ext.route.plan cimport (
    Candidate, CaptureRow, ExtraRow, HostRow, HostSlot, LooksRow, PathRow, PathSlot, Plan,
    RangeRow, SetRow, ShapeRow, TestRow, Text,
)
from fastgw.ext.route.regex cimport re_new


cdef enum:
    MAX_SEGMENTS = 63           # of a path in the plan: a bit each in LooksRow's masks

cdef enum:
    NO_ROUTE = -1               # nothing matches but for the method
    NO_METHOD = -2              # routes match, none the method


# What a match tells.
cdef struct Found:
    int32_t route               # index of its RouteRow, NO_ROUTE or NO_METHOD
    uint32_t methods            # bits of the methods that routes would have taken
    uint32_t extra              # ExtraRow of the candidate that won, or NOTHING


cdef struct Matcher:
    const char* strings         # what the Texts of the rows below refer to
    const HostRow* hosts        # the first is the default host
    const HostSlot* host_slots
    uint32_t host_mask          # slots - 1
    uint32_t host_count
    const LooksRow* looks
    const PathRow* paths
    const PathSlot* path_slots
    uint32_t path_mask          # slots - 1
    const ShapeRow* shapes
    const Candidate* candidates
    const ExtraRow* extras
    const TestRow* tests
    const CaptureRow* captures
    const RangeRow* ranges
    const Text* names
    const Text* regexes
    const SetRow* sets
    uint64_t wildcard_labels    # bit n: some wildcard has n labels after the star
    int max_depth               # segments of the deepest path: more need not be looked at
    uint32_t regex_count
    uint32_t set_count
    void** patterns             # by number of regex; NULL until asked for. Owned
    void** pattern_sets         # by number of set. Owned
    uint32_t sets_made          # those of them that are there
    void* job                   # the next one, if it is being made by a thread; or NULL. Owned


# Points into a checked plan; `matcher_step` until it says True makes the sets of regexes, and
# never takes longer than a fraction of a millisecond. Freed whatever happened.
cdef int matcher_begin(Matcher* m, const Plan* p) except -1
cdef int matcher_step(Matcher* m) except -1
# Both at once.
cdef int matcher_init(Matcher* m, const Plan* p) except -1
cdef void matcher_free(Matcher* m) noexcept
cdef void match_route(
    const Matcher* m, const RequestHead* head, const Facts* facts, Found* found
) noexcept nogil


cdef inline Span matcher_text(const Matcher* m, Text t) noexcept nogil:
    """The bytes of a text of the plan."""
    cdef Span out
    out.p = m.strings + t.at
    out.n = t.n
    return out


cdef inline void* matcher_pattern(const Matcher* m, uint32_t i) noexcept nogil:
    """The pattern of a regex, compiled when it is asked for first; NULL without memory."""
    if m.patterns[i] == NULL:
        m.patterns[i] = re_new(matcher_text(m, m.regexes[i]))
    return m.patterns[i]
