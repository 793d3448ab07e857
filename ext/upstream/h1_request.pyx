"""Writing request heads; see h1_request.pxd.

The path is the normalised and rewritten one, so that what was matched and authorised is what
the upstream sees. Host and framing are written from the head's facts, never from rows.
"""

from libc.stddef cimport size_t
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, H_EXPECT_100, H_TE_TRAILERS, M_PATCH, M_POST, M_PUT,
    RequestHead,
)
from fastgw.ext.http.websocket cimport agrees_to_websocket
from fastgw.ext.io.proxy_protocol cimport PROXY_OUT_MOST, ProxyFacts, put_proxy
from fastgw.ext.io.stream cimport Address
from fastgw.ext.http.write cimport fields_bound, put, put_decimal, put_fields, put_span

cdef enum:
    EXTRA = 192                 # request line, Host and framing besides what is counted


cdef bint agrees_to_tunnel(Exchange x, ResponseHead* head) noexcept:
    """Whether a 101 agrees to what was asked for, and nothing else (RFC 9110 section 7.8)."""
    return x.protocol.n != 0 and agrees_to_websocket(&x.request.fields, &head.fields)


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
    if x.protocol.n:
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


cdef bint announce_client(Stream s, Exchange x, int version) noexcept:
    """Queue the PROXY header that a new connection begins with; False without memory. An
    exchange without a client has nobody to tell of."""
    cdef Address nobody
    cdef const Address* source = &nobody
    cdef const Address* dest = &nobody
    cdef const ProxyFacts* kept = NULL
    cdef char* at
    nobody.family = 0
    if x.facts != NULL:
        source, dest, kept = &x.facts.client, &x.facts.local, <const ProxyFacts*>x.facts.proxy
    at = s.reserve(PROXY_OUT_MOST + (kept.n if kept != NULL else 0))
    if at == NULL:
        return False
    s.commit(put_proxy(at, version, source, dest, kept))
    return True
