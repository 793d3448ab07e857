"""Matcher; see matcher.pxd. `fastgw/plan/matching.py` builds the tables with the same hash."""

from libc.string cimport memchr, memcmp, memcpy
from fastgw.ext.route.plan cimport (
    EMPTY_SLOT, SECTION_CANDIDATES, SECTION_HOST_SLOTS, SECTION_HOSTS, SECTION_PATH_SLOTS,
    SECTION_PATHS, plan_strings,
)

cdef extern from *:
    int __builtin_clzll(unsigned long long x) noexcept nogil

cdef uint64_t MULTIPLIER = 0x9E3779B97F4A7C15

# The front of a path up to a segment's border.
cdef struct Border:
    uint64_t hash
    size_t n                    # bytes

# A path cut at the borders of its segments: borders[k] has k segments.
cdef struct Cut:
    Span path
    Border borders[MAX_SEGMENTS + 1]
    int depth                   # segments that were looked at
    bint whole                  # borders[depth] is the whole path


cdef inline uint64_t _mix(uint64_t h, uint64_t word) noexcept nogil:
    h = (h ^ word) * MULTIPLIER
    return h ^ (h >> 32)


cdef uint64_t hash_bytes(uint64_t seed, const char* p, size_t n) noexcept nogil:
    """A hash of `n` bytes, eight at a time."""
    cdef uint64_t h = seed, word
    while n >= 8:
        memcpy(&word, p, 8)
        h = _mix(h, word)
        p += 8
        n -= 8
    word = 0
    memcpy(&word, p, n)
    return _mix(h, word ^ (<uint64_t>(n + 1) << 56))


cdef void matcher_init(Matcher* m, const Plan* p) noexcept nogil:
    """Point into the tables of a checked plan."""
    cdef uint64_t depths = 0
    cdef uint32_t i
    m.strings = plan_strings(p)
    m.hosts = <const HostRow*>p.rows[<int>SECTION_HOSTS]
    m.host_count = p.count[<int>SECTION_HOSTS]
    m.host_slots = <const Slot*>p.rows[<int>SECTION_HOST_SLOTS]
    m.host_mask = p.count[<int>SECTION_HOST_SLOTS] - 1
    m.paths = <const PathRow*>p.rows[<int>SECTION_PATHS]
    m.path_slots = <const Slot*>p.rows[<int>SECTION_PATH_SLOTS]
    m.path_mask = p.count[<int>SECTION_PATH_SLOTS] - 1
    m.candidates = <const Candidate*>p.rows[<int>SECTION_CANDIDATES]
    m.wildcard_labels = p.settings.wildcard_labels
    for i in range(m.host_count):
        depths |= m.hosts[i].exact_depths | m.hosts[i].prefix_depths
    m.max_depth = 63 - __builtin_clzll(depths) if depths else 0


# -- hosts ---------------------------------------------------------------------------------

cdef int32_t _find_host(const Matcher* m, const char* name, size_t n) noexcept nogil:
    """The index of the host called `name`; -1 = there is none."""
    cdef uint64_t h = hash_bytes(0, name, n)
    cdef uint32_t at = <uint32_t>(h >> 32) & m.host_mask
    cdef const Slot* slot
    cdef const HostRow* row
    while True:
        slot = &m.host_slots[at]
        if slot.row == EMPTY_SLOT:
            return -1
        if slot.hash == <uint32_t>h:
            row = &m.hosts[slot.row]
            if row.name.n == n and memcmp(m.strings + row.name.at, name, n) == 0:
                return slot.row
        at = (at + 1) & m.host_mask


cdef int _labels(Span host) noexcept nogil:
    """How many labels a host name has."""
    cdef int n = 1
    cdef size_t i
    for i in range(host.n):
        n += host.p[i] == 46
    return n


# -- paths ---------------------------------------------------------------------------------

cdef void _cut(Cut* c, Span path, int max_depth) noexcept nogil:
    """Find the borders of a path's segments, no more than the plan has."""
    cdef const char* p = path.p
    cdef const char* end = path.p + path.n
    cdef const char* slash
    cdef uint64_t h = 0
    c.path = path
    c.borders[0].hash = 0
    c.borders[0].n = 0
    c.depth = 0
    c.whole = False
    if path.n == 0 or p[0] != 47:
        return
    while c.depth < max_depth:
        p += 1
        slash = <const char*>memchr(p, 47, end - p)
        if slash == NULL:
            slash = end
        h = hash_bytes(h, p, slash - p)
        c.depth += 1
        c.borders[c.depth].hash = h
        c.borders[c.depth].n = slash - path.p
        if slash == end:
            c.whole = True
            return
        p = slash


cdef const PathRow* _find_path(
    const Matcher* m, uint32_t host, const Cut* c, int depth
) noexcept nogil:
    """The row of a host's path of `depth` segments; NULL = there is none."""
    cdef uint64_t h = _mix(c.borders[depth].hash, host)
    cdef size_t n = c.borders[depth].n
    cdef uint32_t at = <uint32_t>(h >> 32) & m.path_mask
    cdef const Slot* slot
    cdef const PathRow* row
    while True:
        slot = &m.path_slots[at]
        if slot.row == EMPTY_SLOT:
            return NULL
        if slot.hash == <uint32_t>h:
            row = &m.paths[slot.row]
            if row.host == host and row.path.n == n and (
                memcmp(m.strings + row.path.at, c.path.p, n) == 0
            ):
                return row
        at = (at + 1) & m.path_mask


cdef inline int32_t _pick(
    const Matcher* m, uint32_t first, uint32_t n, uint32_t method, uint32_t* methods
) noexcept nogil:
    """The first candidate that takes the method; else add what they take to `methods`."""
    cdef const Candidate* row = m.candidates + first
    cdef uint32_t i
    for i in range(n):
        if row[i].methods == 0 or row[i].methods & method:
            return row[i].route
        methods[0] |= row[i].methods
    return -1


cdef int32_t _match_host(
    const Matcher* m, uint32_t host, const Cut* c, uint32_t method, uint32_t* methods
) noexcept nogil:
    """The longest path of a host that takes the method, or -1."""
    cdef const HostRow* h = &m.hosts[host]
    cdef uint64_t depths = h.prefix_depths & ((<uint64_t>2 << c.depth) - 1)
    cdef uint64_t bit = <uint64_t>1 << c.depth
    cdef const PathRow* row
    cdef int32_t route
    cdef int depth
    if c.whole and h.exact_depths & bit:
        row = _find_path(m, host, c, c.depth)
        if row != NULL:
            route = _pick(m, row.exact, row.exact_n, method, methods)
            if route >= 0:
                return route
    while depths:
        depth = 63 - __builtin_clzll(depths)
        depths &= ~(<uint64_t>1 << depth)
        row = _find_path(m, host, c, depth)
        if row != NULL:
            route = _pick(m, row.prefix, row.prefix_n, method, methods)
            if route >= 0:
                return route
    return -1


cdef int32_t _match_wildcards(
    const Matcher* m, Span host, const Cut* c, uint32_t method, uint32_t* methods
) noexcept nogil:
    """The wildcard hosts that take `host`, longest suffix first."""
    cdef int labels = _labels(host)
    cdef size_t i
    cdef int32_t at, route
    for i in range(host.n):
        if host.p[i] != 46:
            continue
        labels -= 1
        if labels > 63 or not (m.wildcard_labels >> labels) & 1:
            continue
        at = _find_host(m, host.p + i, host.n - i)
        if at >= 0:
            route = _match_host(m, at, c, method, methods)
            if route >= 0:
                return route
    return -1


cdef int32_t match_route(
    const Matcher* m, Span host, Span path, MethodId method, uint32_t* methods
) noexcept nogil:
    """The route, NO_ROUTE or NO_METHOD; `methods` gets the bits of what the routes that
    match host and path take. `host` is in lower case, without port and trailing dot."""
    cdef Cut c
    cdef uint32_t bit = <uint32_t>1 << <int>method
    cdef int32_t at, route = -1
    methods[0] = 0
    _cut(&c, path, m.max_depth)
    if m.host_count > 1 and host.n and host.p[0] != 46:   # names of wildcards begin with a dot
        at = _find_host(m, host.p, host.n)
        if at >= 0:
            route = _match_host(m, at, &c, bit, methods)
        if route < 0 and m.wildcard_labels:
            route = _match_wildcards(m, host, &c, bit, methods)
    if route < 0:
        route = _match_host(m, 0, &c, bit, methods)
    if route >= 0:
        return route
    return NO_METHOD if methods[0] else NO_ROUTE
