"""Doors for tests and benchmarks: the parsers of ext/http seen from Python.

Bytes are copied into memory of exactly their size, so that a read past them is caught by
the asan build.
"""

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from libc.time cimport time_t
from fastgw.ext.base.reasons cimport reason_row
from fastgw.ext.base.span cimport Span, span, span_bytes
from fastgw.ext.http.authority cimport (
    AUTHORITY_OK, HOST_MAX, Authority, parse_authority as _parse_authority,
)
from fastgw.ext.http.chunked cimport (
    CHUNK_BAD, CHUNK_DATA, CHUNK_END, CHUNK_HEADER, CHUNK_MORE, CHUNK_SPACE, CHUNK_TOO_LARGE,
    ChunkDecoder, chunk_header as _chunk_header, chunked_begin, chunked_feed,
)
from fastgw.ext.http.head cimport (
    F_HOP, Field, Fields, H_ANNOUNCED, H_EXPECT_100,
    H_HAS_CONNECTION, H_KEEP_ALIVE, H_TE_TRAILERS, H_UPGRADE, M_GET, M_HEAD, RequestHead,
    ResponseHead,
)
from fastgw.ext.http.names cimport (
    name_id as _name_id, name_id_before, name_text as _name_text,
)
from fastgw.ext.http.request cimport (
    HEAD_MORE, HEAD_SPACE, HeadSpace, parse_request as _parse_request, scratch_bound,
)
from fastgw.ext.http.response cimport parse_response as _parse_response
from fastgw.ext.http.uri cimport NormalPath, normalise_path as _normalise_path
from fastgw.ext.route.plan cimport Limits

cdef extern from "time.h" nogil:
    struct timespec:
        time_t tv_sec
        long tv_nsec
    int CLOCK_THREAD_CPUTIME_ID
    int clock_gettime(int clock, timespec* out)

cdef dict FLAGS = {
    "keep_alive": H_KEEP_ALIVE, "expect_100": H_EXPECT_100, "upgrade": H_UPGRADE,
    "has_connection": H_HAS_CONNECTION, "te_trailers": H_TE_TRAILERS,
    "announced": H_ANNOUNCED,
}
cdef tuple METHODS = (
    "OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
    "QUERY",
)
cdef tuple FRAMINGS = ("none", "length", "chunked", "until_close")


cdef str _reason(int64_t code):
    """The name of the reason that a parser returned as a negative number."""
    return reason_row(<int>-code).name.decode()


cdef object _optional(Span s):
    """None for a span that is not there."""
    return None if s.p == NULL else span_bytes(s)


cdef list _rows(const Fields* t):
    """(name, value, hop-by-hop) of each row."""
    cdef uint32_t i
    return [
        (span_bytes(span(t.rows[i].name, t.rows[i].name_n)),
         span_bytes(span(t.rows[i].value, t.rows[i].value_n)),
         bool(t.rows[i].flags & F_HOP))
        for i in range(t.n)
    ]


cdef set _flags(uint32_t flags):
    """Names of a head's flags."""
    return {name for name, bit in FLAGS.items() if flags & bit}


cdef Limits _limits(uint32_t head, uint32_t target, uint32_t fields):
    """The limits that a parser looks at."""
    cdef Limits limits
    limits.head, limits.target, limits.fields = head, target, fields
    limits.requests = 0
    limits.body = 0
    return limits


@cython.final
cdef class _Held:
    """Bytes in memory of exactly their size, and room for what is parsed from them."""
    cdef char* p
    cdef size_t n
    cdef Field* rows
    cdef uint32_t cap
    cdef char* scratch
    cdef size_t room

    def __cinit__(self, const unsigned char[::1] data, uint32_t cap, size_t room):
        self.n, self.cap, self.room = data.shape[0], cap, room
        self.p = <char*>malloc(self.n)
        self.rows = <Field*>malloc(cap * sizeof(Field))
        self.scratch = <char*>malloc(room)
        if self.p == NULL or self.rows == NULL or self.scratch == NULL:
            raise MemoryError
        if self.n:
            memcpy(self.p, &data[0], self.n)

    def __dealloc__(self):
        free(self.p)
        free(self.rows)
        free(self.scratch)

    cdef HeadSpace space(self) noexcept:
        """As the parser takes it."""
        cdef HeadSpace space
        space.rows, space.cap = self.rows, self.cap
        space.scratch, space.room = self.scratch, self.room
        return space


cdef dict _request(const RequestHead* head, int64_t consumed):
    """A request head for Python."""
    return {
        "consumed": consumed,
        "method": span_bytes(head.method),
        "method_id": METHODS[<int>head.method_id],
        "raw_target": span_bytes(head.raw_target),
        "path": span_bytes(head.path),
        "path_used": head.path_used,
        "query": _optional(head.query),
        "authority": span_bytes(head.authority),
        "host": span_bytes(head.host),
        "port": head.port,
        "scheme": span_bytes(head.scheme),
        "minor": head.minor,
        "framing": FRAMINGS[<int>head.framing],
        "content_length": head.content_length,
        "flags": _flags(head.flags),
        "fields": _rows(&head.fields),
    }


cdef dict _response(const ResponseHead* head, int64_t consumed):
    """A response head for Python."""
    return {
        "consumed": consumed,
        "status": head.status,
        "reason_phrase": span_bytes(head.reason),
        "minor": head.minor,
        "framing": FRAMINGS[<int>head.framing],
        "content_length": head.content_length,
        "flags": _flags(head.flags),
        "fields": _rows(&head.fields),
    }


def parse_request(const unsigned char[::1] data, *, uint32_t head=32768, uint32_t target=8192,
                  uint32_t fields=100, cap=None, room=None, size_t searched=0):
    """A dict of the head, or of the reason, or of what is missing and how far was searched."""
    cdef Limits limits = _limits(head, target, fields)
    cdef _Held held = _Held(
        data, fields if cap is None else cap, scratch_bound(&limits) if room is None else room
    )
    cdef HeadSpace space = held.space()
    cdef RequestHead found
    cdef int64_t result
    with nogil:
        result = _parse_request(held.p, held.n, &searched, &limits, &space, &found)
    if result > 0:
        return _request(&found, result)
    if result == HEAD_MORE:
        return {"more": True, "searched": searched}
    return {"space": True} if result == HEAD_SPACE else {"reason": _reason(result)}


def parse_response(const unsigned char[::1] data, *, bint to_head=False, uint32_t head=32768,
                   uint32_t fields=100, cap=None, size_t searched=0):
    """As parse_request; `to_head`: it answers a HEAD."""
    cdef Limits limits = _limits(head, 0, fields)
    cdef _Held held = _Held(data, fields if cap is None else cap, 0)
    cdef ResponseHead found
    cdef int64_t result
    with nogil:
        result = _parse_response(held.p, held.n, &searched, &limits, held.rows, held.cap,
                                 M_HEAD if to_head else M_GET, &found)
    if result > 0:
        return _response(&found, result)
    if result == HEAD_MORE:
        return {"more": True, "searched": searched}
    return {"space": True} if result == HEAD_SPACE else {"reason": _reason(result)}


@cython.final
cdef class Chunked:
    """A decoder, fed piece by piece; it keeps unfinished trailers as a codec does."""
    cdef ChunkDecoder decoder
    cdef uint32_t cap
    cdef bytearray kept
    cdef readonly list pieces
    cdef readonly object trailers
    cdef readonly str outcome
    cdef readonly bytes rest

    def __init__(self, uint32_t head=32768, uint32_t fields=100, cap=None):
        chunked_begin(&self.decoder, head, fields)
        self.cap = fields if cap is None else cap
        self.kept = bytearray()
        self.pieces = []
        self.trailers = None
        self.outcome = "more"
        self.rest = b""

    def feed(self, data):
        """Decode more bytes; the outcome so far: more, end, bad, too_large or space."""
        if self.outcome == "end":
            self.rest += data
            return self.outcome
        self.kept += data
        while self.outcome == "more" and self._step():
            pass
        return self.outcome

    cdef bint _step(self):
        """One event; False when there is nothing more to do."""
        cdef _Held held = _Held(self.kept, self.cap, 0)
        cdef Fields trailers
        cdef Span data
        cdef size_t used
        cdef int event
        trailers.rows, trailers.cap = held.rows, held.cap
        trailers.n, trailers.seen = 0, 0
        with nogil:
            event = chunked_feed(&self.decoder, held.p, held.n, &used, &data, &trailers)
        del self.kept[:used]
        if event == CHUNK_DATA:
            self.pieces.append(span_bytes(data))
            return True
        if event == CHUNK_END:
            self.trailers = _rows(&trailers)
            self.rest = bytes(self.kept)
        if event != CHUNK_MORE:
            self.outcome = {CHUNK_END: "end", CHUNK_BAD: "bad", CHUNK_SPACE: "space",
                            CHUNK_TOO_LARGE: "too_large"}[event]
        return False


def normalise_path(const unsigned char[::1] path):
    """(path, PathAllow bits, whether it had to be copied)."""
    cdef _Held held = _Held(path, 0, path.shape[0])
    cdef NormalPath result
    with nogil:
        result = _normalise_path(span(held.p, held.n), held.scratch)
    return span_bytes(result.path), result.used, bool(result.moved)


def parse_authority(const unsigned char[::1] text):
    """(host, port), or None."""
    cdef _Held held = _Held(text, 0, HOST_MAX)
    cdef Authority result
    if _parse_authority(span(held.p, held.n), held.scratch, held.room, &result) != AUTHORITY_OK:
        return None
    return span_bytes(result.host), result.port


def chunk_header(n):
    """The size line of a chunk."""
    cdef char out[CHUNK_HEADER]
    return out[:_chunk_header(out, n)]


def name_id(const unsigned char[::1] name):
    """The id of a name, found in both ways: with and without room behind it."""
    cdef _Held held = _Held(name, 0, 0)
    cdef char roomy[96]
    cdef int slow = _name_id(held.p, held.n)
    if held.n > 64:
        raise ValueError("a name of at most 64 bytes")
    memset(roomy, 58, 96)
    memcpy(roomy, held.p, held.n)
    if slow != name_id_before(roomy, held.n, roomy + 96):
        raise AssertionError("the two ways differ")
    if slow != name_id_before(held.p, held.n, held.p + held.n):
        raise AssertionError("the two ways differ at the end of the bytes")
    return slow


def name_text(int id):
    """The text of an id."""
    cdef size_t n
    cdef const char* p = _name_text(id, &n)
    return p[:n]


def time_requests(list heads, int rounds):
    """Nanoseconds of CPU that one pass over `heads` takes, parsing each `rounds` times."""
    cdef Limits limits = _limits(32768, 8192, 100)
    cdef list helds = [_Held(h, 100, 9000) for h in heads]
    cdef HeadSpace space
    cdef RequestHead found
    cdef _Held held
    cdef timespec begin, end
    cdef size_t searched
    cdef int _i
    cdef double total = 0
    for held in helds:
        space = held.space()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin)
        for _i in range(rounds):
            searched = 0
            if _parse_request(held.p, held.n, &searched, &limits, &space, &found) <= 0:
                raise ValueError("a head of the corpus is refused")
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
        total += (end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)
    return total / rounds
