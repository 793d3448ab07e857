"""Parsing response heads; see response.pxd."""

from libc.string cimport memchr, memcmp
from fastgw.ext.base.reasons cimport (
    REASON_HEAD_TOO_LARGE, REASON_NONE, REASON_UPSTREAM_BAD_FRAMING, REASON_UPSTREAM_BAD_HEAD,
    REASON_UPSTREAM_HEAD_TOO_LARGE, Reason,
)
from fastgw.ext.base.span cimport span
from fastgw.ext.http.connection cimport read_connection
from fastgw.ext.http.fieldlines cimport (
    FieldLines, LINES_BAD, LINES_MORE, LINES_ROWS, LINES_WHOLE, LinesStop, lines_begin,
    lines_take, read_field_lines,
)
from fastgw.ext.http.framing cimport FRAMING_OK, read_framing
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE, H_ANNOUNCED, H_KEEP_ALIVE, M_HEAD,
)
from fastgw.ext.http.request cimport HEAD_MORE, HEAD_SPACE, worth_reading
from fastgw.ext.http.scan cimport scan_ctl

cdef enum:
    LF = 10
    CR = 13
    SP = 32
    ZERO = 48
    STATUS_LINE = 13            # bytes of a status line up to and including the second space


cdef inline bint _is_status(const char* p) noexcept nogil:
    """Whether three digits are a status: 100 to 599 (RFC 9110 section 15)."""
    return 49 <= p[0] <= 53 and 48 <= p[1] <= 57 and 48 <= p[2] <= 57


cdef int64_t _status_line(const char* p, const char* end, ResponseHead* head) noexcept nogil:
    """`HTTP/1.x SP status SP reason CRLF`, its length. The second space is required even
    before an empty reason (RFC 9112 section 4)."""
    cdef const char* stop
    if end - p < STATUS_LINE:
        return HEAD_MORE if memchr(p, LF, end - p) == NULL else (
            -<int64_t>REASON_UPSTREAM_BAD_HEAD)
    if (
        memcmp(p, b"HTTP/1.", 7) != 0 or not 48 <= p[7] <= 49 or p[8] != SP
        or not _is_status(p + 9) or p[12] != SP
    ):
        return -<int64_t>REASON_UPSTREAM_BAD_HEAD
    stop = scan_ctl(p + STATUS_LINE, end)
    if stop == end or (stop[0] == CR and end - stop < 2):
        return HEAD_MORE
    if stop[0] != CR or stop[1] != LF:
        return -<int64_t>REASON_UPSTREAM_BAD_HEAD
    head.minor = <unsigned char>(p[7] - ZERO)
    head.status = <unsigned short>((p[9] - ZERO) * 100 + (p[10] - ZERO) * 10 + p[11] - ZERO)
    head.reason = span(p + STATUS_LINE, stop - p - STATUS_LINE)
    return stop + 2 - p


cdef Reason _framing(const FieldLines* lines, MethodId method, ResponseHead* head) noexcept nogil:
    """How long the body is (RFC 9112 section 6.3)."""
    cdef bint bare = head.status < 200 or head.status == 204
    if read_framing(lines, head.minor, &head.framing, &head.content_length) != FRAMING_OK:
        return REASON_UPSTREAM_BAD_FRAMING
    # RFC 9110 section 8.6 and RFC 9112 section 6.1 forbid both fields here. Where one is sent
    # all the same, a body may follow that nobody expects; only `0` is harmless.
    if bare and (head.framing == BODY_CHUNKED or head.content_length):
        return REASON_UPSTREAM_BAD_FRAMING
    if bare or head.status == 304 or method == M_HEAD:
        if head.framing == BODY_LENGTH and not bare:
            head.flags |= H_ANNOUNCED
        head.framing = BODY_NONE
    elif head.framing == BODY_NONE:
        head.framing = BODY_UNTIL_CLOSE
    return REASON_NONE


cdef Reason _meaning(FieldLines* lines, MethodId method, ResponseHead* head) noexcept nogil:
    """What the whole head says."""
    cdef Reason why = _framing(lines, method, head)
    if why != REASON_NONE:
        return why
    why = read_connection(lines, head.minor, &head.flags)
    if why != REASON_NONE:
        return REASON_UPSTREAM_HEAD_TOO_LARGE if why == REASON_HEAD_TOO_LARGE else (
            REASON_UPSTREAM_BAD_HEAD)
    if head.framing == BODY_UNTIL_CLOSE:
        head.flags &= ~<uint32_t>H_KEEP_ALIVE
    lines_take(lines, &head.fields)
    return REASON_NONE


cdef int64_t _fields(FieldLines* lines, const char** p, const char* end) noexcept nogil:
    """The field lines; 1 when they are whole, else what to return."""
    cdef LinesStop stop = read_field_lines(lines, p, end)
    if stop == LINES_WHOLE:
        return 1
    if stop == LINES_MORE:
        return HEAD_MORE
    if stop == LINES_ROWS:
        return HEAD_SPACE
    return -<int64_t>(
        REASON_UPSTREAM_BAD_HEAD if stop == LINES_BAD else REASON_UPSTREAM_HEAD_TOO_LARGE
    )


cdef inline int64_t _parse(const char* start, const char* end, FieldLines* lines,
                           MethodId method, ResponseHead* head) noexcept nogil:
    """The whole head between two pointers."""
    cdef const char* p = start
    cdef Reason why
    cdef int64_t result = _status_line(p, end, head)
    if result <= 0:
        return result
    p += result
    result = _fields(lines, &p, end)
    if result <= 0:
        return result
    why = _meaning(lines, method, head)
    return p - start if why == REASON_NONE else -<int64_t>why


cdef int64_t parse_response(const char* p, size_t n, size_t* searched, const Limits* limits,
                            Field* rows, uint32_t cap, MethodId method,
                            ResponseHead* head) noexcept nogil:
    """Read one response head; see response.pxd."""
    cdef FieldLines lines
    cdef int64_t result
    if not worth_reading(p, n, searched[0], limits):
        searched[0] = n
        return HEAD_MORE
    head.flags = 0
    head.content_length = 0
    lines_begin(&lines, rows, cap, limits.fields)
    result = _parse(p, p + min(n, <size_t>limits.head), &lines, method, head)
    if result == HEAD_MORE:
        searched[0] = n
        if n >= limits.head:
            return -<int64_t>REASON_UPSTREAM_HEAD_TOO_LARGE
    return result
