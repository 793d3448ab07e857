"""Parsing request heads; see request.pxd."""

from libc.string cimport memchr, memcmp
from fastgw.ext.base.reasons cimport (
    REASON_BAD_FRAMING, REASON_BAD_HEADER, REASON_BAD_HOST, REASON_BAD_REQUEST_LINE,
    REASON_BAD_TARGET, REASON_EXPECTATION_FAILED, REASON_HEAD_TOO_LARGE, REASON_NONE,
    REASON_TARGET_TOO_LONG, REASON_UNSUPPORTED_CODING, REASON_UNSUPPORTED_METHOD,
    REASON_UNSUPPORTED_VERSION, Reason,
)
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.http.authority cimport (
    AUTHORITY_BAD, AUTHORITY_OK, HOST_MAX, Authority, AuthorityResult, parse_authority,
)
from fastgw.ext.http.connection cimport read_connection
from fastgw.ext.http.fieldlines cimport (
    FieldLines, LINES_BAD, LINES_MORE, LINES_ROWS, LINES_WHOLE, LinesStop,
    lines_begin, lines_take, name_bit, read_field_lines,
)
from fastgw.ext.http.framing cimport FRAMING_BAD, FRAMING_CODING, FramingResult, read_framing
from fastgw.ext.http.head cimport (
    BODY_NONE, H_EXPECT_100, M_CONNECT, M_DELETE, M_GET, M_HEAD, M_OPTIONS, M_OTHER,
    M_PATCH, M_POST, M_PUT, M_QUERY, M_TRACE, MethodId,
)
from fastgw.ext.http.names cimport NAME_EXPECT, NAME_HOST
from fastgw.ext.http.scan cimport TOKEN, is_class, name_eq, scan_path, scan_target
from fastgw.ext.http.uri cimport NormalPath, normalise_path

cdef enum:
    LF = 10
    CR = 13
    SP = 32
    STAR = 42
    SLASH = 47
    ZERO = 48
    QUESTION = 63


# One head being read.
cdef struct Parse:
    const char* p               # next byte
    const char* end             # past the last byte that may be looked at
    const Limits* limits
    HeadSpace* space
    size_t scratch_used
    RequestHead* head
    int64_t stop                # why a step said False: HEAD_MORE, HEAD_SPACE or -Reason
    int odd                     # the path has bytes that the path rule looks at
    bint absolute               # the target names its own authority


cdef inline bint _refuse(Parse* s, int64_t why) noexcept nogil:
    """Stop here."""
    s.stop = why
    return False


# -- request line ----------------------------------------------------------------------

cdef inline bint _leading_line(Parse* s) noexcept nogil:
    """At most one CRLF before the request line is passed over (RFC 9112 section 2.2)."""
    if s.p < s.end and s.p[0] == CR:
        if s.end - s.p < 2:
            return _refuse(s, HEAD_MORE)
        if s.p[1] != LF:
            return _refuse(s, -<int64_t>REASON_BAD_REQUEST_LINE)
        s.p += 2
    return True


cdef inline MethodId _method_id(const char* p, size_t n) noexcept nogil:
    """The id of a method; case matters (RFC 9110 section 9.1)."""
    if n == 3:
        return M_GET if memcmp(p, b"GET", 3) == 0 else (
            M_PUT if memcmp(p, b"PUT", 3) == 0 else M_OTHER)
    if n == 4:
        return M_POST if memcmp(p, b"POST", 4) == 0 else (
            M_HEAD if memcmp(p, b"HEAD", 4) == 0 else M_OTHER)
    if n == 5:
        return M_PATCH if memcmp(p, b"PATCH", 5) == 0 else (
            M_TRACE if memcmp(p, b"TRACE", 5) == 0 else (
                M_QUERY if memcmp(p, b"QUERY", 5) == 0 else M_OTHER))
    if n == 6:
        return M_DELETE if memcmp(p, b"DELETE", 6) == 0 else M_OTHER
    if n == 7:
        return M_OPTIONS if memcmp(p, b"OPTIONS", 7) == 0 else (
            M_CONNECT if memcmp(p, b"CONNECT", 7) == 0 else M_OTHER)
    return M_OTHER


cdef inline bint _method(Parse* s) noexcept nogil:
    """`method SP`."""
    cdef const char* p = s.p
    cdef size_t n
    while p < s.end and is_class(p[0], TOKEN):
        p += 1
    n = p - s.p
    if n > METHOD_MAX:
        return _refuse(s, -<int64_t>REASON_UNSUPPORTED_METHOD)
    if p == s.end:
        return _refuse(s, HEAD_MORE)
    if p[0] != SP or n == 0:
        return _refuse(s, -<int64_t>REASON_BAD_REQUEST_LINE)
    s.head.method = span(s.p, n)
    s.head.method_id = _method_id(s.p, n)
    # This is a gateway, not a forward proxy (RFC 9110 section 9.3.6).
    if s.head.method_id == M_CONNECT:
        return _refuse(s, -<int64_t>REASON_UNSUPPORTED_METHOD)
    s.p = p + 1
    return True


cdef bint _target_stopped(Parse* s, const char* stop) noexcept nogil:
    """Say why a target ends in something else than a space."""
    if <size_t>(stop - s.p) > s.limits.target:
        return _refuse(s, -<int64_t>REASON_TARGET_TOO_LONG)
    if stop == s.end:
        return _refuse(s, HEAD_MORE)
    if stop == s.p or stop[0] == CR or stop[0] == LF:
        return _refuse(s, -<int64_t>REASON_BAD_REQUEST_LINE)
    return _refuse(s, -<int64_t>REASON_BAD_TARGET)


cdef inline bint _target(Parse* s) noexcept nogil:
    """`request-target SP`."""
    cdef RequestHead* head = s.head
    cdef const char* stop = s.p
    s.odd = 0
    if s.p < s.end and s.p[0] == SLASH:
        stop = scan_path(s.p, s.end, &s.odd)
        head.path = span(s.p, stop - s.p)
        if stop < s.end and stop[0] == QUESTION:
            head.query.p = stop + 1
            stop = scan_target(stop, s.end)
            head.query.n = stop - head.query.p
    else:
        stop = scan_target(s.p, s.end)
    if stop == s.end or stop[0] != SP or stop == s.p or (
        <size_t>(stop - s.p) > s.limits.target
    ):
        return _target_stopped(s, stop)
    head.raw_target = span(s.p, stop - s.p)
    s.p = stop + 1
    return head.path.n != 0 or _other_form(s)


cdef bint _other_form(Parse* s) noexcept nogil:
    """A target that does not begin with a slash: asterisk or absolute form."""
    cdef RequestHead* head = s.head
    cdef Span t = head.raw_target
    if t.n == 1 and t.p[0] == STAR and head.method_id == M_OPTIONS:
        head.path = t
        return True
    if t.n > 7 and name_eq(t.p, b"http", 4) and memcmp(t.p + 4, b"://", 3) == 0:
        head.scheme = span(b"http", 4)
    elif t.n > 8 and name_eq(t.p, b"https", 5) and memcmp(t.p + 5, b"://", 3) == 0:
        head.scheme = span(b"https", 5)
    else:
        return _refuse(s, -<int64_t>REASON_BAD_TARGET)
    _split_absolute(s, span(t.p + head.scheme.n + 3, t.n - head.scheme.n - 3))
    return True


cdef void _split_absolute(Parse* s, Span rest) noexcept nogil:
    """What follows `scheme://` of an absolute form (RFC 9112 section 3.2.2)."""
    cdef RequestHead* head = s.head
    cdef const char* p = rest.p
    cdef const char* end = rest.p + rest.n
    while p < end and p[0] != SLASH and p[0] != QUESTION:
        p += 1
    head.authority = span(rest.p, p - rest.p)
    s.absolute = True
    rest = span(p, end - p)
    if p < end and p[0] == SLASH:
        p = scan_path(p, end, &s.odd)
        head.path = span(rest.p, p - rest.p)
    elif rest.n == 0 and head.method_id == M_OPTIONS:
        # RFC 9112 section 3.2.4: this is how a client asks for `OPTIONS *`.
        head.path = span(b"*", 1)
    else:
        head.path = span(b"/", 1)
    if p < end:
        head.query = span(p + 1, end - p - 1)


cdef inline bint _version(Parse* s) noexcept nogil:
    """`HTTP/1.0 CRLF` or `HTTP/1.1 CRLF`."""
    cdef const char* p = s.p
    if s.end - p >= 10 and memcmp(p, b"HTTP/1.", 7) == 0 and (p[7] == 48 or p[7] == 49) and (
        p[8] == CR and p[9] == LF
    ):
        s.head.minor = <unsigned char>(p[7] - ZERO)
        s.p = p + 10
        return True
    return _other_version(s)


cdef inline bint _is_version(const char* p) noexcept nogil:
    """Whether eight bytes are an HTTP-version."""
    return memcmp(p, b"HTTP/", 5) == 0 and 48 <= p[5] <= 57 and p[6] == 46 and 48 <= p[7] <= 57


cdef bint _other_version(Parse* s) noexcept nogil:
    """Say what is wrong with the end of a request line, once it is whole."""
    cdef const char* lf = <const char*>memchr(s.p, LF, s.end - s.p)
    cdef size_t n
    if lf == NULL:
        return _refuse(s, HEAD_MORE)
    n = lf - s.p
    if n < 9 or (lf - 1)[0] != CR or not _is_version(lf - 9):
        return _refuse(s, -<int64_t>REASON_BAD_REQUEST_LINE)
    if n > 9:
        # A proper version further on: what comes before belongs to a target with a space.
        return _refuse(s, -<int64_t>(
            REASON_BAD_TARGET if (lf - 10)[0] == SP else REASON_BAD_REQUEST_LINE))
    return _refuse(s, -<int64_t>REASON_UNSUPPORTED_VERSION)


# -- what the fields mean ----------------------------------------------------------------

cdef bint _path(Parse* s) noexcept nogil:
    """Apply the path rule."""
    cdef NormalPath result
    if s.space.room - s.scratch_used < s.head.path.n:
        return _refuse(s, HEAD_SPACE)
    result = normalise_path(s.head.path, s.space.scratch + s.scratch_used)
    s.head.path = result.path
    s.head.path_used = result.used
    if result.moved:
        s.scratch_used += result.path.n
    return True


cdef bint _authority(Parse* s, FieldLines* lines) noexcept nogil:
    """Host, or the target's own authority in its place (RFC 9112 section 3.2)."""
    cdef RequestHead* head = s.head
    cdef Authority found
    cdef AuthorityResult result
    if lines.seen & name_bit(NAME_HOST):
        if lines.repeated & name_bit(NAME_HOST) or not _host_row(s, lines):
            return _refuse(s, -<int64_t>REASON_BAD_HOST)
    elif head.minor >= 1:
        return _refuse(s, -<int64_t>REASON_BAD_HOST)
    elif not s.absolute:
        return True
    result = parse_authority(
        head.authority, s.space.scratch + s.scratch_used, s.space.room - s.scratch_used, &found
    )
    if result != AUTHORITY_OK:
        return _refuse(s, HEAD_SPACE if result != AUTHORITY_BAD else -<int64_t>(
            REASON_BAD_TARGET if s.absolute else REASON_BAD_HOST))
    head.host = found.host
    head.port = found.port
    return True


cdef bint _host_row(Parse* s, FieldLines* lines) noexcept nogil:
    """Take the authority from the Host field; or, with a target in absolute form, give it to
    the field, which then has only to be valid."""
    cdef Authority ignored
    cdef char scratch[HOST_MAX]
    cdef Field* row = &lines.rows[lines.at[<int>NAME_HOST]]
    if not s.absolute:
        s.head.authority = span(row.value, row.value_n)
        return True
    if parse_authority(span(row.value, row.value_n), scratch, HOST_MAX, &ignored) != AUTHORITY_OK:
        return False
    row.value, row.value_n = s.head.authority.p, <uint32_t>s.head.authority.n
    return True


cdef bint _framing(Parse* s, FieldLines* lines) noexcept nogil:
    """How long the body is; a request without either field has none."""
    cdef FramingResult result = read_framing(
        lines, s.head.minor, &s.head.framing, &s.head.content_length
    )
    if result == FRAMING_BAD:
        return _refuse(s, -<int64_t>REASON_BAD_FRAMING)
    if result == FRAMING_CODING:
        return _refuse(s, -<int64_t>REASON_UNSUPPORTED_CODING)
    return True


cdef bint _expect(Parse* s, FieldLines* lines) noexcept nogil:
    """The one expectation there is (RFC 9110 section 10.1.1). It is nothing to wait for
    without a body, and to be ignored in 1.0."""
    cdef Field* row = &lines.rows[lines.at[<int>NAME_EXPECT]]
    if lines.repeated & name_bit(NAME_EXPECT) or row.value_n != 12 or (
        not name_eq(row.value, b"100-continue", 12)
    ):
        return _refuse(s, -<int64_t>REASON_EXPECTATION_FAILED)
    if s.head.minor >= 1 and s.head.framing != BODY_NONE:
        s.head.flags |= H_EXPECT_100
    return True


cdef bint _meaning(Parse* s, FieldLines* lines) noexcept nogil:
    """What the whole head says."""
    cdef Reason why
    if (s.odd and not _path(s)) or not _authority(s, lines) or not _framing(s, lines):
        return False
    if lines.seen & name_bit(NAME_EXPECT) and not _expect(s, lines):
        return False
    why = read_connection(lines, s.head.minor, &s.head.flags)
    if why != REASON_NONE:
        return _refuse(s, -<int64_t>why)
    lines_take(lines, &s.head.fields)
    return True


# -- the head ------------------------------------------------------------------------------

cdef bint _fields(Parse* s, FieldLines* lines) noexcept nogil:
    """The field lines, up to the empty one."""
    cdef LinesStop stop
    lines_begin(lines, s.space.rows, s.space.cap, s.limits.fields)
    stop = read_field_lines(lines, &s.p, s.end)
    if stop == LINES_WHOLE:
        return True
    if stop == LINES_MORE:
        return _refuse(s, HEAD_MORE)
    if stop == LINES_ROWS:
        return _refuse(s, HEAD_SPACE)
    return _refuse(
        s, -<int64_t>(REASON_BAD_HEADER if stop == LINES_BAD else REASON_HEAD_TOO_LARGE)
    )


cdef inline void _clear(RequestHead* head) noexcept nogil:
    """Whatever is not always set (a memset of the whole costs more than a short head)."""
    head.path = head.query = head.authority = head.host = head.scheme = span(NULL, 0)
    head.path_used = head.flags = 0
    head.port = 0
    head.content_length = 0


cdef int64_t parse_request(const char* p, size_t n, size_t* searched, const Limits* limits,
                           HeadSpace* space, RequestHead* head) noexcept nogil:
    """Read one request head; see request.pxd."""
    cdef Parse s
    cdef FieldLines lines
    if not worth_reading(p, n, searched[0], limits):
        searched[0] = n
        return HEAD_MORE
    _clear(head)
    s.p, s.end = p, p + min(n, <size_t>limits.head)
    s.limits, s.space, s.head = limits, space, head
    s.scratch_used = 0
    s.absolute = False
    if (
        _leading_line(&s) and _method(&s) and _target(&s) and _version(&s)
        and _fields(&s, &lines) and _meaning(&s, &lines)
    ):
        return s.p - p
    if s.stop == HEAD_MORE:
        searched[0] = n
        if n >= limits.head:
            return -<int64_t>REASON_HEAD_TOO_LARGE
    return s.stop
