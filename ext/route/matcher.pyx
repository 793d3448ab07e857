"""Matcher; see matcher.pxd. `ext/route/slots.pyx` fills the slots by the same hashes."""

from libc.stdint cimport uint16_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset
from fastgw.ext.route.conditions cimport tests_fit
from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.hashes cimport PARAMETER, hash_bytes, hash_segment, mix
from fastgw.ext.route.plan cimport (
    CHECK_REST, CHECK_TESTS, EMPTY_SLOT, NOTHING, SECTION_CANDIDATES, SECTION_CAPTURES,
    SECTION_EXTRAS, SECTION_HOST_SLOTS, SECTION_HOSTS, SECTION_LOOKS, SECTION_NAMES,
    SECTION_PATH_SLOTS, SECTION_PATHS, SECTION_RANGES, SECTION_REGEXES, SECTION_SETS,
    SECTION_SHAPES, SECTION_TESTS, SHAPE_EXACT, SHAPE_MANY, SHAPE_PREFIX, SHAPE_REGEX,
    plan_strings,
)
from fastgw.ext.route.regex cimport (
    JOB_DONE, JOB_TOO_LARGE, job_begin, job_drop, job_state, job_take, re_find, re_free, set_add,
    set_compile, set_fitting, set_free, set_new,
)

cdef extern from *:
    int __builtin_clzll(unsigned long long x) noexcept nogil
    int __builtin_ctzll(unsigned long long x) noexcept nogil
    void __builtin_prefetch(const void* p) noexcept nogil

cdef enum:
    AT_ONCE = 32                # patterns of a set that is made between two other things
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


# -- beginning and end ---------------------------------------------------------------------

cdef int matcher_init(Matcher* m, const Plan* p) except -1:
    """Everything at once, for those whose time does not count."""
    matcher_begin(m, p)
    while not matcher_step(m):
        pass
    return 0


cdef int matcher_begin(Matcher* m, const Plan* p) except -1:
    """Point into the tables of a checked plan."""
    memset(m, 0, sizeof(Matcher))
    m.strings = plan_strings(p)
    m.hosts = <const HostRow*>p.rows[<int>SECTION_HOSTS]
    m.host_count = p.count[<int>SECTION_HOSTS]
    m.host_slots = <const HostSlot*>p.rows[<int>SECTION_HOST_SLOTS]
    m.host_mask = p.count[<int>SECTION_HOST_SLOTS] - 1
    m.looks = <const LooksRow*>p.rows[<int>SECTION_LOOKS]
    m.paths = <const PathRow*>p.rows[<int>SECTION_PATHS]
    m.path_slots = <const PathSlot*>p.rows[<int>SECTION_PATH_SLOTS]
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
    m.max_depth = _deepest(m, p.count[<int>SECTION_LOOKS], p.count[<int>SECTION_SHAPES])
    m.regex_count, m.set_count = p.count[<int>SECTION_REGEXES], p.count[<int>SECTION_SETS]
    m.patterns = <void**>calloc(m.regex_count + 1, sizeof(void*))
    m.pattern_sets = <void**>calloc(m.set_count + 1, sizeof(void*))
    if m.patterns == NULL or m.pattern_sets == NULL:
        raise MemoryError
    return 0


cdef int _deepest(const Matcher* m, uint32_t looks, uint32_t shapes) noexcept nogil:
    """Segments of the deepest path of any host."""
    cdef uint64_t depths = 0
    cdef uint32_t i
    for i in range(looks):
        depths |= m.looks[i].exact_depths | m.looks[i].prefix_depths
    for i in range(shapes):
        depths |= <uint64_t>1 << m.shapes[i].depth
    return 63 - __builtin_clzll(depths) if depths else 0


cdef int matcher_step(Matcher* m) except -1:
    """Make one set of patterns, or look after the thread that does; True when all are there."""
    cdef const SetRow* row = &m.sets[m.sets_made]
    cdef int state
    if m.sets_made == m.set_count:
        return True
    if m.job == NULL and row.n <= AT_ONCE:
        m.pattern_sets[m.sets_made] = _small_set(m, row)
        m.sets_made += 1
        return m.sets_made == m.set_count
    if m.job == NULL:
        m.job = job_begin(m.strings, &m.regexes[row.first], row.n)
        if m.job == NULL:
            raise MemoryError
    state = job_state(m.job)
    if state == JOB_DONE:
        m.pattern_sets[m.sets_made], m.job = job_take(m.job), NULL
        m.sets_made += 1
        return m.sets_made == m.set_count
    if state == JOB_TOO_LARGE:
        raise PlanError(f"sets[{m.sets_made}]: {row.n} patterns are too large together")
    if state < JOB_TOO_LARGE:
        raise PlanError(f"regexes[{row.first + JOB_TOO_LARGE - 1 - state}] is not a pattern")
    return False


cdef void* _small_set(const Matcher* m, const SetRow* row) except NULL:
    """A set of few patterns."""
    cdef void* made = set_new(row.n)
    cdef uint32_t k
    if made == NULL:
        raise MemoryError
    for k in range(row.first, row.first + row.n):
        if not set_add(made, matcher_text(m, m.regexes[k])):
            set_free(made)
            raise PlanError(f"regexes[{k}] is not a pattern")
    if not set_compile(made):
        set_free(made)
        raise PlanError(f"set of {row.n} patterns: they are too large together")
    return made


cdef void matcher_free(Matcher* m) noexcept:
    """Release what was compiled."""
    cdef uint32_t i
    job_drop(m.job)
    m.job = NULL
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

cdef inline const HostSlot* _first_slot(const Matcher* m, uint64_t h) noexcept nogil:
    """Where a host of this hash would stand."""
    return &m.host_slots[<uint32_t>(h >> 32) & m.host_mask]


cdef const HostSlot* _find_host(
    const Matcher* m, const char* name, size_t n, uint64_t h
) noexcept nogil:
    """The slot of the host called `name`, whose hash is `h`; NULL = there is none."""
    cdef uint32_t at = <uint32_t>(h >> 32) & m.host_mask
    cdef const HostSlot* slot
    while True:
        slot = &m.host_slots[at]
        if slot.host == EMPTY_SLOT:
            return NULL
        if slot.tag == <uint16_t>h and slot.n == n and memcmp(m.strings + slot.name, name, n) == 0:
            return slot
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
    cdef uint64_t h = 0
    c.path = path
    c.borders[0].hash = 0
    c.borders[0].n = 0
    c.depth = 0
    c.whole = False
    if path.n == 0 or p[0] != 47:
        return
    while c.depth < max_depth:
        p = hash_segment(&h, p + 1, end)
        c.depth += 1
        c.borders[c.depth].hash = h
        c.borders[c.depth].n = p - path.p
        if p == end:
            c.whole = True
            return


cdef bint _same_segments(
    const Cut* c, Span pattern, uint64_t params, int depth
) noexcept nogil:
    """Whether a path's static segments are those of a pattern of `depth` segments;
    parameters are `{}` there."""
    cdef const char* p = pattern.p
    cdef const char* end = pattern.p + pattern.n
    cdef size_t n
    cdef int at = 0, k
    while params:
        k = __builtin_ctzll(params)
        params &= params - 1
        n = c.borders[k].n - c.borders[at].n
        if n + 3 > <size_t>(end - p) or p[n + 1] != 123 or (
            memcmp(p, c.path.p + c.borders[at].n, n) != 0
        ):
            return False
        p += n + 3
        at = k + 1
    n = c.borders[depth].n - c.borders[at].n
    return n == <size_t>(end - p) and memcmp(p, c.path.p + c.borders[at].n, n) == 0


cdef const PathSlot* _find_path(
    const Matcher* m, uint32_t host, const Cut* c, uint64_t params, int depth, uint64_t h
) noexcept nogil:
    """The slot of a host's path of `depth` segments, of which the bits of `params` are
    parameters; `h` is its hash. NULL = there is none."""
    cdef uint32_t at = <uint32_t>(h >> 32) & m.path_mask
    cdef const PathSlot* slot
    while True:
        slot = &m.path_slots[at]
        if slot.path == EMPTY_SLOT:
            return NULL
        if slot.hash == <uint32_t>h and slot.host == host and (
            _same_segments(c, matcher_text(m, slot.text), params, depth)
        ):
            return slot
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
    const Matcher* m, const PathSlot* slot, int kind, Cut* c, int depth, Found* found
) noexcept nogil:
    """Whether a path's candidate of a kind takes the request: the first one that does."""
    if slot.own.kind == kind:
        return _offer(m, &slot.own, c, depth, found)
    return slot.own.kind == SHAPE_MANY and _pick_of_many(
        m, &m.paths[slot.path], kind, c, depth, found
    )


cdef bint _pick_of_many(
    const Matcher* m, const PathRow* path, int kind, Cut* c, int depth, Found* found
) noexcept nogil:
    """The same, where a path has several candidates, or regexes."""
    cdef const Candidate* row = m.candidates + path.first
    cdef uint32_t i, n = path.exact_n
    if kind == SHAPE_REGEX:
        return path.regex_n and _pick_regex(m, path, c, depth, found)
    if kind == SHAPE_PREFIX:
        row += path.exact_n
        n = path.prefix_n
    for i in range(n):
        if _offer(m, &row[i], c, depth, found):
            return True
    return False


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


# -- hosts whose paths are all static ------------------------------------------------------

cdef bint _match_plain(
    const Matcher* m, uint32_t host, const LooksRow* looks, Cut* c, Found* found
) noexcept nogil:
    """Whether a host whose paths are all static has a route for the request."""
    cdef uint64_t depths = looks.prefix_depths & ((<uint64_t>2 << c.depth) - 1)
    cdef uint64_t bit = <uint64_t>1 << c.depth
    cdef const PathSlot* slot
    cdef int depth
    if c.whole and looks.exact_depths & bit:
        slot = _find_path(m, host, c, 0, c.depth, mix(c.borders[c.depth].hash, host))
        if slot != NULL and _pick(m, slot, SHAPE_EXACT, c, c.depth, found):
            return True
    while depths:
        depth = 63 - __builtin_clzll(depths)
        depths &= ~(<uint64_t>1 << depth)
        slot = _find_path(m, host, c, 0, depth, mix(c.borders[depth].hash, host))
        if slot != NULL and _pick(m, slot, SHAPE_PREFIX, c, depth, found):
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
            h = mix(h, PARAMETER)
        else:
            return False
    out[0] = mix(h, host)
    return True


cdef inline bint _may_fit(const Cut* c, const ShapeRow* shape) noexcept nogil:
    """Whether a path has the segments that a shape asks for."""
    if shape.kind == SHAPE_EXACT:
        return shape.depth == c.depth and c.whole
    return shape.depth <= c.depth


cdef bint _match_shapes(
    const Matcher* m, uint32_t host, const LooksRow* looks, Cut* c, Found* found
) noexcept nogil:
    """Whether a host with parameters or regexes has a route for the request. The slots of
    several shapes come from memory at the same time."""
    cdef const ShapeRow* shape = m.shapes + looks.shapes
    cdef const ShapeRow* end = shape + looks.shapes_n
    cdef const ShapeRow* fit[AHEAD]
    cdef uint64_t hashes[AHEAD]
    cdef const PathSlot* slot
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
            slot = _find_path(m, host, c, fit[i].params, fit[i].depth, hashes[i])
            if slot != NULL and _pick(m, slot, fit[i].kind, c, fit[i].depth, found):
                return True
    return False


# -- requests ------------------------------------------------------------------------------

cdef inline bint _match_host(
    const Matcher* m, uint32_t host, uint32_t looks, Cut* c, Found* found
) noexcept nogil:
    """Whether a host has a route for the request."""
    cdef const LooksRow* row = &m.looks[looks]
    if row.shapes_n:
        return _match_shapes(m, host, row, c, found)
    return _match_plain(m, host, row, c, found)


cdef bint _match_wildcards(
    const Matcher* m, Span host, Cut* c, Found* found
) noexcept nogil:
    """The wildcard hosts that take `host`, longest suffix first."""
    cdef int labels = _labels(host)
    cdef const HostSlot* slot
    cdef const char* name
    cdef size_t i, n
    for i in range(host.n):
        if host.p[i] != 46:
            continue
        labels -= 1
        if labels > 63 or not (m.wildcard_labels >> labels) & 1:
            continue
        name, n = host.p + i, host.n - i
        slot = _find_host(m, name, n, hash_bytes(0, name, n))
        if slot != NULL and _match_host(m, slot.host, slot.looks, c, found):
            return True
    return False


cdef void match_route(
    const Matcher* m, const RequestHead* head, const Facts* facts, Found* found
) noexcept nogil:
    """The route of a head. `head.host` is in lower case, without port and trailing dot;
    `facts` may be NULL: of the gateway's own, which fits no test of the connection."""
    cdef Cut c
    cdef Span host = head.host
    cdef const HostSlot* slot
    cdef uint64_t h = 0
    # Names of wildcards begin with a dot.
    cdef bint named = m.host_count > 1 and host.n != 0 and host.p[0] != 46
    if named:
        h = hash_bytes(0, host.p, host.n)
        __builtin_prefetch(_first_slot(m, h))      # comes while the path is cut
    found.methods = 0
    found.extra = NOTHING
    c.head = head
    c.facts = facts
    c.method = <uint32_t>1 << <int>head.method_id
    _cut(&c, head.path, m.max_depth)
    if named:
        slot = _find_host(m, host.p, host.n, h)
        if slot != NULL and _match_host(m, slot.host, slot.looks, &c, found):
            return
        if m.wildcard_labels and _match_wildcards(m, host, &c, found):
            return
    if not _match_host(m, 0, m.hosts[0].looks, &c, found):
        found.route = NO_METHOD if found.methods else NO_ROUTE
