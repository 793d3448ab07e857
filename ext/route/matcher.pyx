"""Matcher; see matcher.pxd. `ext/route/slots.pyx` fills the tables with the same hash."""

from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy, memset
from fastgw.ext.route.conditions cimport tests_fit
from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.plan cimport (
    CHECK_REST, CHECK_TESTS, EMPTY_SLOT, NOTHING, SECTION_CANDIDATES, SECTION_CAPTURES,
    SECTION_EXTRAS, SECTION_HOST_SLOTS, SECTION_HOSTS, SECTION_NAMES, SECTION_PATH_SLOTS,
    SECTION_PATHS, SECTION_RANGES, SECTION_REGEXES, SECTION_SETS, SECTION_SHAPES,
    SECTION_TESTS, SHAPE_EXACT, SHAPE_REGEX, plan_strings,
)
from fastgw.ext.route.regex cimport (
    re_find, re_free, set_add, set_compile, set_fitting, set_free, set_new,
)

cdef extern from *:
    """
    #define FASTGW_MULTIPLIER 0x9E3779B97F4A7C15ULL
    #define FASTGW_PARAMETER 0x5851F42D4C957F2DULL
    """
    const uint64_t MULTIPLIER "FASTGW_MULTIPLIER"
    const uint64_t PARAMETER "FASTGW_PARAMETER"     # stands for a parameter in a hash
    int __builtin_clzll(unsigned long long x) noexcept nogil
    int __builtin_ctzll(unsigned long long x) noexcept nogil
    void __builtin_prefetch(const void* p) noexcept nogil

cdef enum:
    AHEAD = 8                   # shapes whose slots are fetched at the same time

# The front of a path up to a segment's border.
cdef struct Border:
    uint64_t hash
    size_t n                    # bytes

# What is asked, and a path cut at the borders of its segments: borders[k] has k segments.
cdef struct Cut:
    const RequestHead* head
    const Facts* facts
    uint32_t method             # bit of the method
    Span path
    Border borders[MAX_SEGMENTS + 1]
    int depth                   # segments that were looked at
    bint whole                  # borders[depth] is the whole path
    # the host's regexes that the path fits, once they were asked for
    bint searched
    const int* fitting
    int fitting_n               # -1: they have to be asked one by one


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


cdef uint64_t hash_path(Span path, uint64_t params, uint32_t host) noexcept nogil:
    """The hash of a path of a host: its segments' hashes, chained, then the host's index."""
    cdef uint64_t h = 0
    cdef const char* p = path.p
    cdef const char* end = path.p + path.n
    cdef const char* slash
    while p < end:
        p += 1
        slash = <const char*>memchr(p, 47, end - p)
        if slash == NULL:
            slash = end
        h = _mix(h, PARAMETER) if params & 1 else hash_bytes(h, p, slash - p)
        params >>= 1
        p = slash
    return _mix(h, host)


# -- beginning and end ---------------------------------------------------------------------

cdef int matcher_init(Matcher* m, const Plan* p) except -1:
    """Point into the tables of a checked plan, and compile its sets of regexes."""
    memset(m, 0, sizeof(Matcher))
    m.strings = plan_strings(p)
    m.hosts = <const HostRow*>p.rows[<int>SECTION_HOSTS]
    m.host_count = p.count[<int>SECTION_HOSTS]
    m.host_slots = <const Slot*>p.rows[<int>SECTION_HOST_SLOTS]
    m.host_mask = p.count[<int>SECTION_HOST_SLOTS] - 1
    m.paths = <const PathRow*>p.rows[<int>SECTION_PATHS]
    m.path_slots = <const Slot*>p.rows[<int>SECTION_PATH_SLOTS]
    m.path_mask = p.count[<int>SECTION_PATH_SLOTS] - 1
    m.shapes = <const ShapeRow*>p.rows[<int>SECTION_SHAPES]
    m.candidates = <const Candidate*>p.rows[<int>SECTION_CANDIDATES]
    m.extras = <const ExtraRow*>p.rows[<int>SECTION_EXTRAS]
    m.tests = <const TestRow*>p.rows[<int>SECTION_TESTS]
    m.captures = <const CaptureRow*>p.rows[<int>SECTION_CAPTURES]
    m.ranges = <const RangeRow*>p.rows[<int>SECTION_RANGES]
    m.names = <const Text*>p.rows[<int>SECTION_NAMES]
    m.regexes = <const Text*>p.rows[<int>SECTION_REGEXES]
    m.sets = <const SetRow*>p.rows[<int>SECTION_SETS]
    m.wildcard_labels = p.settings.wildcard_labels
    m.max_depth = _deepest(m, p.count[<int>SECTION_SHAPES])
    return _compile_sets(m, p.count[<int>SECTION_REGEXES], p.count[<int>SECTION_SETS])


cdef int _deepest(const Matcher* m, uint32_t shapes) noexcept nogil:
    """Segments of the deepest path of any host."""
    cdef uint64_t depths = 0
    cdef uint32_t i
    for i in range(m.host_count):
        depths |= m.hosts[i].exact_depths | m.hosts[i].prefix_depths
    for i in range(shapes):
        depths |= <uint64_t>1 << m.shapes[i].depth
    return 63 - __builtin_clzll(depths) if depths else 0


cdef int _compile_sets(Matcher* m, uint32_t regexes, uint32_t sets) except -1:
    """A set of patterns for each host that has regexes."""
    cdef uint32_t i, k
    cdef void* made
    m.patterns = <void**>calloc(regexes + 1, sizeof(void*))
    m.pattern_sets = <void**>calloc(sets + 1, sizeof(void*))
    if m.patterns == NULL or m.pattern_sets == NULL:
        raise MemoryError
    m.regex_count, m.set_count = regexes, sets
    for i in range(sets):
        made = m.pattern_sets[i] = set_new(m.sets[i].n)
        if made == NULL:
            raise MemoryError
        for k in range(m.sets[i].first, m.sets[i].first + m.sets[i].n):
            if not set_add(made, matcher_text(m, m.regexes[k])):
                raise PlanError(f"regexes[{k}] is not a pattern")
        if not set_compile(made):
            raise PlanError(f"sets[{i}]: {m.sets[i].n} patterns are too large together")
    return 0


cdef void matcher_free(Matcher* m) noexcept:
    """Release what was compiled."""
    cdef uint32_t i
    if m.patterns != NULL:
        for i in range(m.regex_count):
            re_free(m.patterns[i])
    if m.pattern_sets != NULL:
        for i in range(m.set_count):
            set_free(m.pattern_sets[i])
    free(m.patterns)
    free(m.pattern_sets)
    m.patterns = m.pattern_sets = NULL


# -- hosts ---------------------------------------------------------------------------------

cdef int32_t _find_host(const Matcher* m, const char* name, size_t n) noexcept nogil:
    """The index of the host called `name`; -1 = there is none."""
    cdef uint64_t h = hash_bytes(0, name, n)
    cdef uint32_t at = <uint32_t>(h >> 32) & m.host_mask
    cdef const Slot* slot
    while True:
        slot = &m.host_slots[at]
        if slot.row == EMPTY_SLOT:
            return -1
        if slot.hash == <uint32_t>h and slot.text.n == n:
            __builtin_prefetch(&m.hosts[slot.row])
            if memcmp(m.strings + slot.text.at, name, n) == 0:
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
    """The row of a host's path of `depth` static segments; NULL = there is none."""
    cdef uint64_t h = _mix(c.borders[depth].hash, host)
    cdef size_t n = c.borders[depth].n
    cdef uint32_t at = <uint32_t>(h >> 32) & m.path_mask
    cdef const Slot* slot
    cdef const PathRow* row
    while True:
        slot = &m.path_slots[at]
        if slot.row == EMPTY_SLOT:
            return NULL
        if slot.hash == <uint32_t>h and slot.text.n == n:
            row = &m.paths[slot.row]
            __builtin_prefetch(row)
            if memcmp(m.strings + slot.text.at, c.path.p, n) == 0 and (
                row.host == host and row.params == 0
            ):
                return row
        at = (at + 1) & m.path_mask


# -- candidates ----------------------------------------------------------------------------

cdef bint _passes(
    const Matcher* m, const Candidate* row, const Cut* c, int depth
) noexcept nogil:
    """Whether a request has all that a candidate asks for besides host, path and method."""
    cdef size_t n = c.borders[depth].n
    if row.checks & CHECK_REST and not (n < c.path.n and c.path.p[n] == 47):
        return False
    return not row.checks & CHECK_TESTS or tests_fit(m, &m.extras[row.extra], c.head, c.facts)


cdef inline bint _offer(
    const Matcher* m, const Candidate* row, const Cut* c, int depth, Found* found
) noexcept nogil:
    """Whether a candidate takes the request; else note the methods that it would take."""
    if row.checks and not _passes(m, row, c, depth):
        return False
    if row.methods == 0 or row.methods & c.method:
        found.route = row.route
        found.extra = row.extra
        return True
    found.methods |= row.methods
    return False


cdef inline bint _pick(
    const Matcher* m, const PathRow* path, uint32_t before, uint32_t n, const Cut* c,
    int depth, Found* found
) noexcept nogil:
    """Whether one of `n` candidates of a path takes the request: the first that does."""
    cdef const Candidate* row = m.candidates + path.first + before
    cdef uint32_t i
    if path.exact_n + path.prefix_n == 1:
        return n and _offer(m, &path.own, c, depth, found)
    for i in range(n):
        if _offer(m, &row[i], c, depth, found):
            return True
    return False


cdef bint _match_plain(
    const Matcher* m, uint32_t host, const Cut* c, Found* found
) noexcept nogil:
    """Whether a host whose paths are all static has a route for the request."""
    cdef const HostRow* h = &m.hosts[host]
    cdef uint64_t depths = h.prefix_depths & ((<uint64_t>2 << c.depth) - 1)
    cdef uint64_t bit = <uint64_t>1 << c.depth
    cdef const PathRow* row
    cdef int depth
    if c.whole and h.exact_depths & bit:
        row = _find_path(m, host, c, c.depth)
        if row != NULL and _pick(m, row, 0, row.exact_n, c, c.depth, found):
            return True
    while depths:
        depth = 63 - __builtin_clzll(depths)
        depths &= ~(<uint64_t>1 << depth)
        row = _find_path(m, host, c, depth)
        if row != NULL and _pick(m, row, row.exact_n, row.prefix_n, c, depth, found):
            return True
    return False


# -- shapes --------------------------------------------------------------------------------

cdef bint _shape_hash(
    const Cut* c, const ShapeRow* shape, uint32_t host, uint64_t* out
) noexcept nogil:
    """Like hash_path, of a request's path seen through a shape; False when a parameter's
    segment is empty."""
    cdef int k = shape.depth
    cdef uint64_t h
    cdef size_t n
    if shape.params:
        k = __builtin_ctzll(shape.params)
    h = c.borders[k].hash
    for k in range(k, shape.depth):
        n = c.borders[k + 1].n - c.borders[k].n - 1
        if not shape.params >> k & 1:
            h = hash_bytes(h, c.path.p + c.borders[k].n + 1, n)
        elif n:
            h = _mix(h, PARAMETER)
        else:
            return False
    out[0] = _mix(h, host)
    return True


cdef bint _same_segments(
    const Cut* c, Span pattern, uint64_t params, int depth
) noexcept nogil:
    """Whether a path's static segments are those of a pattern of `depth` segments;
    parameters are `{}` there."""
    cdef const char* p = pattern.p
    cdef const char* end = pattern.p + pattern.n
    cdef size_t n
    cdef int k = 0
    while p < end and k < depth:
        n = c.borders[k + 1].n - c.borders[k].n
        if params >> k & 1:
            p += 3
        else:
            if n > <size_t>(end - p) or (p + n < end and p[n] != 47) or (
                memcmp(p, c.path.p + c.borders[k].n, n) != 0
            ):
                return False
            p += n
        k += 1
    return p == end and k == depth


cdef inline bint _may_fit(const Cut* c, const ShapeRow* shape) noexcept nogil:
    """Whether a path has the segments that a shape asks for."""
    if shape.kind == SHAPE_EXACT:
        return shape.depth == c.depth and c.whole
    return shape.depth <= c.depth


cdef const PathRow* _find_shape(
    const Matcher* m, uint32_t host, const Cut* c, const ShapeRow* shape, uint64_t h
) noexcept nogil:
    """The row of a host's path of this shape that the request's path fits; NULL = none."""
    cdef uint32_t at = <uint32_t>(h >> 32) & m.path_mask
    cdef const Slot* slot
    cdef const PathRow* row
    while True:
        slot = &m.path_slots[at]
        if slot.row == EMPTY_SLOT:
            return NULL
        if slot.hash == <uint32_t>h:
            row = &m.paths[slot.row]
            __builtin_prefetch(row)
            if _same_segments(c, matcher_text(m, slot.text), shape.params, shape.depth) and (
                row.host == host and row.params == shape.params
            ):
                return row
        at = (at + 1) & m.path_mask


cdef bint _pick_regex(
    const Matcher* m, const PathRow* row, Cut* c, int depth, Found* found
) noexcept nogil:
    """Whether one of a row's regexes fits and takes the request: the first that does."""
    cdef uint32_t first = row.first + row.exact_n + row.prefix_n
    cdef uint32_t number = m.hosts[row.host].set
    cdef uint32_t k
    cdef int i
    if not c.searched:
        c.searched = True
        c.fitting_n = set_fitting(m.pattern_sets[number], c.path, &c.fitting)
    if c.fitting_n < 0:
        return _ask_each(m, row, first, c, depth, found)
    for i in range(c.fitting_n):
        k = <uint32_t>c.fitting[i] - row.regex     # below the row's first: huge
        if k < row.regex_n and _offer(m, m.candidates + first + k, c, depth, found):
            return True
    return False


cdef bint _ask_each(
    const Matcher* m, const PathRow* row, uint32_t first, const Cut* c, int depth, Found* found
) noexcept nogil:
    """The same where the set could not tell within its memory."""
    cdef uint32_t at = m.sets[m.hosts[row.host].set].first + row.regex
    cdef uint32_t k
    cdef void* pattern
    for k in range(row.regex_n):
        pattern = matcher_pattern(m, at + k)
        if pattern != NULL and re_find(pattern, c.path, True, NULL, 0) and (
            _offer(m, m.candidates + first + k, c, depth, found)
        ):
            return True
    return False


cdef bint _try_shape(
    const Matcher* m, uint32_t host, Cut* c, const ShapeRow* shape, uint64_t h, Found* found
) noexcept nogil:
    """Whether a host's path of one shape has a route for the request."""
    cdef const PathRow* row
    if shape.params == 0:
        row = _find_path(m, host, c, shape.depth)
    else:
        row = _find_shape(m, host, c, shape, h)
    if row == NULL:
        return False
    if shape.kind == SHAPE_EXACT:
        return _pick(m, row, 0, row.exact_n, c, shape.depth, found)
    if shape.kind == SHAPE_REGEX:
        return row.regex_n and _pick_regex(m, row, c, shape.depth, found)
    return _pick(m, row, row.exact_n, row.prefix_n, c, shape.depth, found)


cdef bint _match_shapes(
    const Matcher* m, uint32_t host, Cut* c, Found* found
) noexcept nogil:
    """Whether a host with parameters or regexes has a route for the request. The slots of
    several shapes come from memory at the same time."""
    cdef const ShapeRow* shape = m.shapes + m.hosts[host].shapes
    cdef const ShapeRow* end = shape + m.hosts[host].shapes_n
    cdef const ShapeRow* fit[AHEAD]
    cdef uint64_t hashes[AHEAD]
    cdef int i, n
    c.searched = False
    while shape < end:
        n = 0
        while shape < end and n < AHEAD:
            if _may_fit(c, shape) and _shape_hash(c, shape, host, &hashes[n]):
                fit[n] = shape
                __builtin_prefetch(&m.path_slots[<uint32_t>(hashes[n] >> 32) & m.path_mask])
                n += 1
            shape += 1
        for i in range(n):
            if _try_shape(m, host, c, fit[i], hashes[i], found):
                return True
    return False


# -- requests ------------------------------------------------------------------------------

cdef inline bint _match_host(
    const Matcher* m, uint32_t host, Cut* c, Found* found
) noexcept nogil:
    """Whether a host has a route for the request."""
    if m.hosts[host].shapes_n:
        return _match_shapes(m, host, c, found)
    return _match_plain(m, host, c, found)


cdef bint _match_wildcards(
    const Matcher* m, Span host, Cut* c, Found* found
) noexcept nogil:
    """The wildcard hosts that take `host`, longest suffix first."""
    cdef int labels = _labels(host)
    cdef size_t i
    cdef int32_t at
    for i in range(host.n):
        if host.p[i] != 46:
            continue
        labels -= 1
        if labels > 63 or not (m.wildcard_labels >> labels) & 1:
            continue
        at = _find_host(m, host.p + i, host.n - i)
        if at >= 0 and _match_host(m, at, c, found):
            return True
    return False


cdef void match_route(
    const Matcher* m, const RequestHead* head, const Facts* facts, Found* found
) noexcept nogil:
    """The route of a head. `head.host` is in lower case, without port and trailing dot;
    `facts` may be NULL: of the gateway's own, which fits no test of the connection."""
    cdef Cut c
    cdef Span host = head.host
    cdef int32_t at
    found.methods = 0
    found.extra = NOTHING
    c.head = head
    c.facts = facts
    c.method = <uint32_t>1 << <int>head.method_id
    _cut(&c, head.path, m.max_depth)
    if m.host_count > 1 and host.n and host.p[0] != 46:   # names of wildcards begin with a dot
        at = _find_host(m, host.p, host.n)
        if at >= 0 and _match_host(m, at, &c, found):
            return
        if m.wildcard_labels and _match_wildcards(m, host, &c, found):
            return
    if not _match_host(m, 0, &c, found):
        found.route = NO_METHOD if found.methods else NO_ROUTE
