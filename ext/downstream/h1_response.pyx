"""Writing response heads; see h1_response.pxd."""

from libc.time cimport gmtime_r, time, time_t, tm
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from fastgw.ext.http.head cimport BODY_LENGTH, H_ANNOUNCED
from fastgw.ext.http.keep cimport no_body
from fastgw.ext.http.names cimport NAME_DATE
from fastgw.ext.http.write cimport (
    fields_bound, put, put_decimal, put_fields, put_status_line, status_line_bound,
)

cdef enum:
    EXTRA = 192                 # framing, Connection, Upgrade and Date
    DATE_N = 37                 # "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

cdef const char* _DAYS = b"SunMonTueWedThuFriSat"
cdef const char* _MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"
cdef char _date[64]
cdef int64_t _date_at_s = 0


cdef const char* _date_line() noexcept:
    """The Date field of this second (RFC 9110 section 5.6.7)."""
    global _date_at_s
    cdef time_t now = time(NULL)
    cdef tm t
    if now != _date_at_s:
        _date_at_s = now
        gmtime_r(&now, &t)
        snprintf(
            _date, sizeof(_date), b"Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
            _DAYS + 3 * t.tm_wday, t.tm_mday, _MONTHS + 3 * t.tm_mon, t.tm_year + 1900,
            t.tm_hour, t.tm_min, t.tm_sec,
        )
    return _date


cdef WriteFraming choose_framing(Exchange x, bint last, bint old) noexcept:
    """How the body's end is shown to the client (RFC 9112 section 6.3)."""
    if x.tunnel:
        return W_TUNNEL
    if last or no_body(x.response.status, x.request.method_id):
        return W_NOTHING
    if x.response.framing == BODY_LENGTH:
        return W_LENGTH
    return W_CLOSE if old else W_CHUNKED


cdef char* _put_length(char* at, uint64_t value) noexcept:
    at = put(at, b"Content-Length: ", 16)
    at = put_decimal(at, value)
    return put(at, b"\r\n", 2)


cdef char* _put_framing(char* at, Exchange x, WriteFraming framing) noexcept:
    """What tells the client where the body ends.

    An answer to HEAD, and a 304, announce the length they were given without sending a body;
    other empty answers say 0, so that nobody waits for the connection's end."""
    if framing == W_LENGTH:
        return _put_length(at, x.response.content_length)
    if framing == W_CHUNKED:
        return put(at, b"Transfer-Encoding: chunked\r\n", 28)
    if framing != W_NOTHING:
        return at
    if no_body(x.response.status, x.request.method_id):
        if x.response.flags & H_ANNOUNCED:
            return _put_length(at, x.response.content_length)
        return at
    return put(at, b"Content-Length: 0\r\n", 19)


cdef char* _put_connection(char* at, WriteFraming framing, bint persistent, bint old) noexcept:
    """What becomes of the connection."""
    if framing == W_TUNNEL:
        return put(at, b"Connection: Upgrade\r\nUpgrade: websocket\r\n", 41)
    if not persistent:
        return put(at, b"Connection: close\r\n", 19)
    if old:
        return put(at, b"Connection: keep-alive\r\n", 24)
    return at


cdef bint write_response_head(
    Stream s, Exchange x, WriteFraming framing, bint persistent, bint old
) noexcept:
    """Put the exchange's response head into the stream's queue; False without memory."""
    cdef ResponseHead* head = &x.response
    cdef char* begin = s.reserve(
        EXTRA + status_line_bound(head.reason) + fields_bound(&head.fields)
    )
    cdef char* at = begin
    if begin == NULL:
        return False
    at = put_status_line(at, head.status, head.reason)
    at = put_fields(at, &head.fields, NULL)
    if not head.fields.seen & (<uint64_t>1 << <int>NAME_DATE):
        at = put(at, _date_line(), DATE_N)
    at = _put_framing(at, x, framing)
    at = _put_connection(at, framing, persistent, old)
    at = put(at, b"\r\n", 2)
    s.commit(at - begin)
    return True


cdef bint write_informational(Stream s, ResponseHead* head) noexcept:
    """Put a 1xx head into the stream's queue; False without memory."""
    cdef char* begin = s.reserve(
        EXTRA + status_line_bound(head.reason) + fields_bound(&head.fields)
    )
    cdef char* at = begin
    if begin == NULL:
        return False
    at = put_status_line(at, head.status, head.reason)
    at = put_fields(at, &head.fields, NULL)
    at = put(at, b"\r\n", 2)
    s.commit(at - begin)
    return True
