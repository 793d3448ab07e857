"""Writing request heads; see h1_request.pxd.

The path is the normalised and rewritten one, so that what was matched and authorised is what
the upstream sees. Host and framing are written from the head's facts, never from rows.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from fastgw.ext.base.span cimport span, span_eq_fold
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, H_EXPECT_100, H_TE_TRAILERS, H_UPGRADE, M_GET, M_PATCH,
    M_POST, M_PUT, Field, RequestHead, fields_next,
)
from fastgw.ext.http.names cimport NAME_UPGRADE
from fastgw.ext.http.write cimport fields_bound, put, put_decimal, put_fields, put_span

cdef enum:
    EXTRA = 192                 # request line, Host and framing besides what is counted


cdef bint wants_tunnel(Exchange x) noexcept:
    """Whether the request asks for the one upgrade that is passed on: websocket (RFC 6455).

    Upgrade is an allow-list of one: `h2c` and unknown tokens would let a client speak past
    the gateway's rules."""
    cdef RequestHead* head = &x.request
    cdef Field* f
    cdef size_t i
    if not head.flags & H_UPGRADE or head.method_id != M_GET or head.framing != BODY_NONE:
        return False
    for i in range(head.fields.n):
        f = &head.fields.rows[i]
        if f.id == NAME_UPGRADE:
            return span_eq_fold(span(f.value, f.value_n), span(b"websocket", 9)) and (
                fields_next(&head.fields, f) == NULL
            )
    return False


cdef bint agrees_to_tunnel(Exchange x, const ResponseHead* head) noexcept:
    """Whether a 101 names what was asked for, and nothing else (RFC 9110 section 7.8)."""
    cdef const Field* f
    cdef uint32_t i, named = 0
    for i in range(head.fields.n):
        f = &head.fields.rows[i]
        if f.id == NAME_UPGRADE:
            named += 1
            if not span_eq_fold(span(f.value, f.value_n), span(b"websocket", 9)):
                return False
    return named == 1 and wants_tunnel(x)


cdef char* _put_framing(char* at, Exchange x) noexcept:
    """Content-Length or Transfer-Encoding, as the body will be sent (RFC 9112 section 6)."""
    cdef RequestHead* head = &x.request
    if head.framing == BODY_LENGTH:
        at = put(at, b"Content-Length: ", 16)
        at = put_decimal(at, head.content_length)
        return put(at, b"\r\n", 2)
    if head.framing == BODY_CHUNKED:
        return put(at, b"Transfer-Encoding: chunked\r\n", 28)
    if head.method_id == M_POST or head.method_id == M_PUT or head.method_id == M_PATCH:
        return put(at, b"Content-Length: 0\r\n", 19)
    return at


cdef char* _put_controls(char* at, Exchange x) noexcept:
    """Expect is passed on; TE and Upgrade are the gateway's own wish to the next hop."""
    cdef RequestHead* head = &x.request
    if head.flags & H_EXPECT_100 and head.framing != BODY_NONE:
        at = put(at, b"Expect: 100-continue\r\n", 22)
    if wants_tunnel(x):
        return put(at, b"Connection: Upgrade\r\nUpgrade: websocket\r\n", 41)
    if head.flags & H_TE_TRAILERS:
        at = put(at, b"TE: trailers\r\nConnection: TE\r\n", 30)
    return at


cdef bint write_request_head(Stream s, Exchange x, Attempt a, Span host) noexcept:
    """Put the exchange's head with the attempt's overlay into the stream's queue.

    False when there is no memory for it."""
    cdef RequestHead* head = &x.request
    cdef size_t bound = (
        EXTRA + head.method.n + x.forward_path.n + head.query.n + host.n
        + fields_bound(&head.fields) + fields_bound(&a.overlay)
    )
    cdef char* begin = s.reserve(bound)
    cdef char* at = begin
    if begin == NULL:
        return False
    at = put_span(at, head.method)
    at = put(at, b" ", 1)
    at = put_span(at, x.forward_path)
    if head.query.p != NULL:
        at = put(at, b"?", 1)
        at = put_span(at, head.query)
    at = put(at, b" HTTP/1.1\r\nHost: ", 17)
    at = put_span(at, host)
    at = put(at, b"\r\n", 2)
    at = put_fields(at, &head.fields, a.hidden)
    at = put_fields(at, &a.overlay, NULL)
    at = _put_controls(at, x)
    at = _put_framing(at, x)
    at = put(at, b"\r\n", 2)
    s.commit(at - begin)
    return True
