"""What the fuzzers call; see fuzz_doors.pxd."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcpy, memset
import os
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.http.authority cimport AUTHORITY_OK, HOST_MAX, Authority, parse_authority
from fastgw.ext.http.chunked cimport (
    CHUNK_BAD, CHUNK_DATA, CHUNK_END, CHUNK_MORE, CHUNK_TOO_LARGE, ChunkDecoder, ChunkEvent,
    chunked_begin, chunked_feed,
)
from fastgw.ext.http.head cimport Field, Fields, M_GET, MethodId, RequestHead, ResponseHead
from fastgw.ext.http.request cimport HEAD_MORE, HeadSpace, parse_request
from fastgw.ext.http.response cimport parse_response
from fastgw.ext.http.uri cimport NormalPath, normalise_path
from fastgw.ext.http.websocket_frames cimport FrameTrack, frames_pass
from fastgw.ext.io.proxy_protocol cimport (
    PROXY_MORE, PROXY_MOST, PROXY_WHOLE, ProxyFacts, ProxyHeader, ProxyLook, proxy_keep,
    proxy_look, proxy_tlv,
)
from fastgw.ext.io.tls.hello cimport (
    HELLO_MORE, HELLO_NAME_MOST, HELLO_WHOLE, Hello, HelloLook, hello_look,
)
from fastgw.ext.route.matcher cimport (
    NO_METHOD, Found, Matcher, match_route, matcher_free, matcher_init, matcher_text,
)
from fastgw.ext.route.parameters cimport path_parameter
from fastgw.ext.route.plan cimport (
    NOTHING, SECTION_ROUTES, ExtraRow, Limits, Plan, plan_open,
)

cdef enum:
    METHODS = 11                # head.pxd MethodId
    ROWS = 40
    HEAD_LIMIT = 4096
    TARGET_LIMIT = 512
    SCRATCH = 512 + HOST_MAX    # request.pxd scratch_bound

# One fuzzer is one process with one thread.
cdef Field _rows[ROWS]
cdef char _scratch[SCRATCH]
cdef Limits _limits
_limits.head, _limits.target, _limits.fields = HEAD_LIMIT, TARGET_LIMIT, ROWS


cdef bint _inside(const char* p, size_t n, const char* base, size_t size) noexcept nogil:
    """Whether [p, p+n) lies in [base, base+size)."""
    return base <= p and p + n <= base + size


cdef bint _rows_inside(const Fields* t, const char* data, size_t n) noexcept nogil:
    """Whether every row points into the input."""
    cdef uint32_t i
    for i in range(t.n):
        if not _inside(t.rows[i].name, t.rows[i].name_n, data, n):
            return False
        if not _inside(t.rows[i].value, t.rows[i].value_n, data, n):
            return False
    return t.n <= ROWS


cdef size_t _step(const char* data, size_t n) noexcept nogil:
    """Into pieces of which size the bytes are cut: the input decides."""
    return 1 + (<size_t>data[n // 2] & 31) if n else 1


cdef int64_t _request(const char* data, size_t n, size_t* searched,
                      RequestHead* head) noexcept nogil:
    """Parse with all the space there is."""
    cdef HeadSpace space
    space.rows, space.cap, space.scratch, space.room = _rows, ROWS, _scratch, SCRATCH
    return parse_request(data, n, searched, &_limits, &space, head)


cdef bint _path_ok(Span path, const char* data, size_t n) noexcept nogil:
    """In the input, in the scratch or a constant of one byte, and normal."""
    cdef char out[TARGET_LIMIT]
    cdef NormalPath again
    if path.n > 1 and not _inside(path.p, path.n, data, n) and (
        not _inside(path.p, path.n, _scratch, SCRATCH)
    ):
        return False
    if path.p[0] != 47:
        return path.n == 1 and path.p[0] == 42
    again = normalise_path(path, out)
    return again.path.n == path.n and not again.moved


cdef int fuzz_request(const uint8_t* data, size_t n) noexcept nogil:
    """A request head, whole and in pieces."""
    cdef const char* p = <const char*>data
    cdef RequestHead head
    cdef size_t searched = 0, at = 0, step = _step(p, n)
    cdef int64_t whole, part = HEAD_MORE
    while at < n and part == HEAD_MORE:
        at = min(n, at + step)
        part = _request(p, at, &searched, &head)
    searched = 0
    whole = _request(p, n, &searched, &head)
    # In pieces a fault is seen no later than its line ends; that line may not have ended.
    if part != whole and not (part == HEAD_MORE and whole < 0):
        return 1
    if whole <= 0:
        return 0
    if whole > <int64_t>n or not _rows_inside(&head.fields, p, n):
        return 2
    if not _path_ok(head.path, p, n):
        return 3
    searched = 0
    return 4 if _request(p, whole - 1, &searched, &head) != HEAD_MORE else 0


cdef int fuzz_response(const uint8_t* data, size_t n) noexcept nogil:
    """A response head, whole and in pieces."""
    cdef const char* p = <const char*>data
    cdef ResponseHead head
    cdef size_t searched = 0, at = 0, step = _step(p, n)
    cdef int64_t whole, part = HEAD_MORE
    while at < n and part == HEAD_MORE:
        at = min(n, at + step)
        part = parse_response(p, at, &searched, &_limits, _rows, ROWS, M_GET, &head)
    searched = 0
    whole = parse_response(p, n, &searched, &_limits, _rows, ROWS, M_GET, &head)
    if part != whole and not (part == HEAD_MORE and whole < 0):
        return 1
    if whole <= 0:
        return 0
    if whole > <int64_t>n or not _rows_inside(&head.fields, p, n):
        return 2
    searched = 0
    return 3 if parse_response(
        p, whole - 1, &searched, &_limits, _rows, ROWS, M_GET, &head
    ) != HEAD_MORE else 0


cdef struct Decoded:
    ChunkEvent event            # the last one
    size_t used                 # bytes done with
    uint64_t sum                # of the body's bytes, each times its place
    uint64_t n                  # bytes of the body
    int failed


cdef Decoded _decode(const char* p, size_t n, size_t step) noexcept nogil:
    """Decode a body that arrives in pieces of `step` bytes."""
    cdef Decoded d
    cdef ChunkDecoder decoder
    cdef Fields trailers
    cdef Span data
    cdef size_t used, i, there = 0
    d.used, d.sum, d.n, d.failed, d.event = 0, 0, 0, 0, CHUNK_MORE
    chunked_begin(&decoder, HEAD_LIMIT, ROWS)
    trailers.rows, trailers.cap = _rows, ROWS
    while True:
        if d.event == CHUNK_MORE:
            if there == n:
                return d
            there = min(n, there + step)
        d.event = chunked_feed(&decoder, p + d.used, there - d.used, &used, &data, &trailers)
        d.used += used
        if d.used > there or d.event == CHUNK_BAD or d.event == CHUNK_TOO_LARGE:
            d.failed = d.used > there
            return d
        if d.event == CHUNK_END:
            d.failed = not _rows_inside(&trailers, p, there)
            return d
        if d.event == CHUNK_DATA:
            d.failed |= not _inside(data.p, data.n, p, there)
            for i in range(data.n):
                d.n += 1
                d.sum += d.n * <unsigned char>data.p[i]


cdef int fuzz_chunked(const uint8_t* data, size_t n) noexcept nogil:
    """A chunked body, whole and in pieces."""
    cdef const char* p = <const char*>data
    cdef Decoded whole = _decode(p, n, n if n else 1)
    cdef Decoded parts = _decode(p, n, _step(p, n))
    if whole.failed or parts.failed:
        return 1
    if parts.event != whole.event:
        return 0 if parts.event == CHUNK_MORE and whole.event != CHUNK_END else 2
    if whole.event == CHUNK_END and whole.used != parts.used:
        return 3
    return 4 if whole.sum != parts.sum or whole.n != parts.n else 0


cdef int fuzz_path(const uint8_t* data, size_t n) noexcept nogil:
    """The path rule, twice."""
    cdef char* out = <char*>malloc(2 * n + 1)
    cdef NormalPath once, twice
    cdef int failed = 0
    if n == 0 or data[0] != 47 or out == NULL:
        free(out)
        return 0
    once = normalise_path(span(<const char*>data, n), out)
    twice = normalise_path(once.path, out + n)
    if once.path.n > n or once.path.n == 0 or once.path.p[0] != 47:
        failed = 1
    elif twice.moved or twice.path.n != once.path.n or twice.used & ~once.used:
        failed = 2
    free(out)
    return failed


cdef int fuzz_authority(const uint8_t* data, size_t n) noexcept nogil:
    """An authority, and its host once more."""
    cdef char first[HOST_MAX]
    cdef char second[HOST_MAX]
    cdef Authority once, twice
    if parse_authority(span(<const char*>data, n), first, HOST_MAX, &once) != AUTHORITY_OK:
        return 0
    if once.host.n == 0 or once.host.n > n:
        return 1
    if parse_authority(once.host, second, HOST_MAX, &twice) != AUTHORITY_OK:
        return 2
    return 0 if twice.host.p == once.host.p and twice.host.n == once.host.n else 3


cdef int fuzz_proxy(const uint8_t* data, size_t n) noexcept nogil:
    """A PROXY header: each shorter piece of it is undecided or says the same, and what is kept of
    it can be walked."""
    cdef const char* p = <const char*>data
    cdef ProxyHeader whole, part
    cdef ProxyLook said = proxy_look(p, n, &whole)
    cdef ProxyFacts* kept
    cdef size_t i
    cdef Span one
    for i in range(n):
        if proxy_look(p, i, &part) not in (PROXY_MORE, said):
            return 1
    if said != PROXY_WHOLE:
        return 0
    if whole.n > n or whole.n > PROXY_MOST:
        return 2
    if whole.tlvs_n and not _inside(whole.tlvs, whole.tlvs_n, p, whole.n):
        return 3
    kept = proxy_keep(&whole)
    for i in range(256):
        one = proxy_tlv(kept, <uint8_t>i)
        if one.p != NULL and not _inside(one.p, one.n, <const char*>(kept + 1), kept.n):
            free(kept)
            return 4
    free(kept)
    return 0


cdef int fuzz_frames(const uint8_t* data, size_t n) noexcept nogil:
    """Frames: the pieces that they arrive in change nothing, and a stop is at a frame's end."""
    cdef const char* p = <const char*>data
    cdef FrameTrack whole, pieces, stops
    cdef size_t at = 0, step = _step(p, n)
    memset(&whole, 0, sizeof(FrameTrack))
    memset(&pieces, 0, sizeof(FrameTrack))
    memset(&stops, 0, sizeof(FrameTrack))
    if frames_pass(&whole, p, n, False) != n:
        return 1
    while at < n:
        at += frames_pass(&pieces, p + at, step if step < n - at else n - at, False)
    at = 0
    while at < n:
        at += frames_pass(&stops, p + at, n - at, True)
        if at < n and (stops.left or stops.head_n):
            return 2
    if whole.left != pieces.left or whole.head_n != pieces.head_n or whole.closed != pieces.closed:
        return 3
    if whole.left != stops.left or whole.head_n != stops.head_n or whole.lost != stops.lost:
        return 4
    return 0 if whole.lost == pieces.lost else 5


cdef int fuzz_hello(const uint8_t* data, size_t n) noexcept nogil:
    """A ClientHello, whole and as it arrives: once it is known, more bytes change nothing."""
    cdef const char* p = <const char*>data
    cdef size_t step = _step(p, n), at = 0, i
    cdef Hello whole, part
    cdef HelloLook found = hello_look(p, n, &whole), early = HELLO_MORE
    while at < n and early == HELLO_MORE:
        at = min(at + step, n)
        early = hello_look(p, at, &part)
    if early != found:
        return 1
    if found != HELLO_WHOLE:
        return 0
    if part.name_n != whole.name_n or whole.name_n > HELLO_NAME_MOST:
        return 2
    for i in range(whole.name_n):
        if part.name[i] != whole.name[i] or not 33 <= whole.name[i] <= 126:
            return 3
    return 0


# -- the matcher -----------------------------------------------------------------------------

# What `use_plan` was given: it stays as long as the process.
cdef Plan _plan
cdef Matcher _matcher
cdef bytes _plan_bytes = None


def use_plan(bytes plan not None):
    """The plan that `fuzz_match` matches requests against; it is checked as a worker does."""
    global _plan_bytes
    matcher_free(&_matcher)
    _plan_bytes = plan
    plan_open(&_plan, <const char*>plan, len(plan))
    matcher_init(&_matcher, &_plan)


cdef char* _copied(const char* p, size_t n) noexcept nogil:
    """A copy that ends where its memory does, so that a byte read past it is seen."""
    cdef char* made = <char*>malloc(n if n else 1)
    if made != NULL:
        memcpy(made, p, n)
    return made


cdef int _matched(RequestHead* head, Found* found) noexcept nogil:
    """Match, and look at what is told: 0, or the check that fails."""
    cdef const ExtraRow* extra
    cdef Span value
    cdef uint32_t i
    match_route(&_matcher, head, NULL, found)
    if found.route < NO_METHOD or found.route >= <int64_t>_plan.count[<int>SECTION_ROUTES]:
        return 1
    if found.route < 0 or found.extra == NOTHING:
        return 0
    extra = &_matcher.extras[found.extra]
    for i in range(extra.captures_n):
        value = path_parameter(
            &_matcher, found.extra, head.path,
            matcher_text(&_matcher, _matcher.captures[extra.captures + i].name),
        )
        if value.n and not _inside(value.p, value.n, head.path.p, head.path.n):
            return 2
    return 0


cdef int fuzz_match(const uint8_t* data, size_t n) noexcept nogil:
    """A method, the length of a host, the host, a target: matched, and matched again with a
    query that no route asks for."""
    cdef const char* p = <const char*>data + 2
    cdef const char* mark
    cdef RequestHead head
    cdef Found found, again
    cdef size_t host_n, path_n
    cdef int failed
    if n < 2 or _matcher.strings == NULL:
        return 99 if n >= 2 else 0      # nobody has called use_plan
    n -= 2
    host_n = min(<size_t>data[1], n)
    mark = <const char*>memchr(p + host_n, 63, n - host_n)
    path_n = (mark - p if mark != NULL else n) - host_n
    memset(&head, 0, sizeof(RequestHead))
    head.method_id = <MethodId>(data[0] % METHODS)
    head.host = span(_copied(p, host_n), host_n)
    head.path = span(_copied(p + host_n, path_n), path_n)
    if mark != NULL:
        head.query = span(mark + 1, p + n - mark - 1)
    failed = _matched(&head, &found)
    if not failed and mark == NULL:
        head.query = span(b"none=of+them", 12)
        failed = _matched(&head, &again)
        if not failed and (again.route != found.route or again.methods != found.methods):
            failed = 3
    free(<void*>head.host.p)
    free(<void*>head.path.p)
    return failed


def run(str target, const unsigned char[::1] data):
    """The check that fails for an input; 0 when all hold. For the kept corpus in the tests."""
    cdef size_t n = data.shape[0]
    cdef const uint8_t* p = &data[0] if n else NULL
    if target == "request":
        return fuzz_request(p, n)
    if target == "response":
        return fuzz_response(p, n)
    if target == "chunked":
        return fuzz_chunked(p, n)
    if target == "proxy":
        return fuzz_proxy(p, n)
    if target == "frames":
        return fuzz_frames(p, n)
    if target == "hello":
        return fuzz_hello(p, n)
    if target == "match":
        return fuzz_match(p, n)
    return fuzz_path(p, n) if target == "path" else fuzz_authority(p, n)


if "FASTGW_FUZZ_PLAN" in os.environ:
    with open(os.environ["FASTGW_FUZZ_PLAN"], "rb") as plan_file:
        use_plan(plan_file.read())
