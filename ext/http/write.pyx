"""Writing HTTP/1.1 heads; see write.pxd."""

from libc.stdint cimport uint32_t
from libc.string cimport memset
from fastgw.ext.http.head cimport F_OWN, Field
from fastgw.ext.http.names cimport NAME_HOST

cdef extern from "http/scan.h" nogil:
    const char* scan_ctl "fastgw_scan_ctl" (const char* p, const char* end)
    const char* scan_colon "fastgw_scan_colon" (const char* p, const char* end)

cdef enum:
    SKIPPED = 7                 # F_HIDDEN | F_REMOVAL | F_HOP

#: Reason phrases of RFC 9110 section 15 and others in use, for answers that bring none.
cdef dict _PHRASES = {
    100: b"Continue", 101: b"Switching Protocols", 102: b"Processing", 103: b"Early Hints",
    200: b"OK", 201: b"Created", 202: b"Accepted", 203: b"Non-Authoritative Information",
    204: b"No Content", 205: b"Reset Content", 206: b"Partial Content",
    300: b"Multiple Choices", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other",
    304: b"Not Modified", 307: b"Temporary Redirect", 308: b"Permanent Redirect",
    400: b"Bad Request", 401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden",
    404: b"Not Found", 405: b"Method Not Allowed", 406: b"Not Acceptable",
    407: b"Proxy Authentication Required", 408: b"Request Timeout", 409: b"Conflict",
    410: b"Gone", 411: b"Length Required", 412: b"Precondition Failed",
    413: b"Content Too Large", 414: b"URI Too Long", 415: b"Unsupported Media Type",
    416: b"Range Not Satisfiable", 417: b"Expectation Failed", 421: b"Misdirected Request",
    422: b"Unprocessable Content", 425: b"Too Early", 426: b"Upgrade Required",
    428: b"Precondition Required", 429: b"Too Many Requests",
    431: b"Request Header Fields Too Large", 451: b"Unavailable For Legal Reasons",
    500: b"Internal Server Error", 501: b"Not Implemented", 502: b"Bad Gateway",
    503: b"Service Unavailable", 504: b"Gateway Timeout", 505: b"HTTP Version Not Supported",
    507: b"Insufficient Storage", 508: b"Loop Detected", 511: b"Network Authentication Required",
}

cdef const char* _phrase[600]
cdef uint8_t _phrase_n[600]
memset(_phrase_n, 0, sizeof(_phrase_n))
for _status, _text in _PHRASES.items():
    _phrase[<int>_status] = <const char*><bytes>_text
    _phrase_n[<int>_status] = len(_text)


cdef inline bint _fit_to_send(const Field* f) noexcept nogil:
    """Whether a row that did not come from the parser may go on the wire."""
    cdef const char* end = f.name + f.name_n
    return (
        f.name_n != 0 and scan_colon(f.name, end) == end and scan_ctl(f.name, end) == end
        and scan_ctl(f.value, f.value + f.value_n) == f.value + f.value_n
    )


cdef inline bint _written(const Field* f, uint32_t i, const uint8_t* hidden) noexcept nogil:
    """Whether row `i` goes on the wire."""
    if f.flags & SKIPPED or f.id == NAME_HOST or (
        hidden != NULL and hidden[i >> 3] & (1 << (i & 7))
    ):
        return False
    return not f.flags & F_OWN or _fit_to_send(f)


cdef inline bint _in_one_piece(const Field* f, const Field* following) noexcept nogil:
    """Whether the wire form of `following` stands right behind that of `f` in memory."""
    return following.name == f.value + f.value_n + 2


cdef inline bint _wire_form(const Field* f) noexcept nogil:
    """Whether name, colon, one space and value stand together; CRLF then follows."""
    return f.value == f.name + f.name_n + 2 and not f.flags & F_OWN


cdef size_t fields_bound(const Fields* t) noexcept nogil:
    """What the rows may need at most, without the final CRLF."""
    cdef size_t n = 0
    cdef uint32_t i
    for i in range(t.n):
        if not t.rows[i].flags & SKIPPED:
            n += t.rows[i].name_n + t.rows[i].value_n + 4
    return n


cdef char* put_fields(char* at, const Fields* t, const uint8_t* hidden) noexcept nogil:
    """Append the rows that are written; `hidden` is a bit a row (NULL: none is hidden)."""
    cdef uint32_t i = 0
    cdef const Field* f
    cdef const Field* first
    while i < t.n:
        f = &t.rows[i]
        i += 1
        if not _written(f, i - 1, hidden):
            continue
        if not _wire_form(f):
            at = put(at, f.name, f.name_n)
            at = put(at, b": ", 2)
            at = put(at, f.value, f.value_n)
            at = put(at, b"\r\n", 2)
            continue
        first = f
        while i < t.n and _in_one_piece(f, f + 1) and _wire_form(f + 1) and (
            _written(f + 1, i, hidden)
        ):
            f += 1
            i += 1
        at = put(at, first.name, f.value + f.value_n - first.name)
        at = put(at, b"\r\n", 2)
    return at


cdef size_t status_line_bound(Span reason) noexcept nogil:
    """What a status line may need at most."""
    return 48 + reason.n


cdef char* put_status_line(char* at, uint16_t status, Span reason) noexcept nogil:
    """Append `HTTP/1.1 NNN reason CRLF`; a missing reason is filled in."""
    at = put(at, b"HTTP/1.1 ", 9)
    at[0] = 48 + status // 100 % 10
    at[1] = 48 + status // 10 % 10
    at[2] = 48 + status % 10
    at[3] = 32
    at += 4
    if reason.n:
        at = put(at, reason.p, reason.n)
    elif status < 600 and _phrase_n[status]:
        at = put(at, _phrase[status], _phrase_n[status])
    return put(at, b"\r\n", 2)


cdef char* put_decimal(char* at, uint64_t value) noexcept nogil:
    """Append a number in decimal digits (at most 20)."""
    cdef char digits[20]
    cdef int n = 0
    while True:
        digits[n] = 48 + value % 10
        value //= 10
        n += 1
        if value == 0:
            break
    while n:
        n -= 1
        at[0] = digits[n]
        at += 1
    return at
