"""Answers of the gateway's own; see replies.pxd.

An error is an RFC 9457 problem document (`application/problem+json`), or a short page for
clients whose Accept prefers text/html. Both name the reason and the request id; neither
names a version.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset, strlen
from fastgw.ext.base.arena cimport Arena, arena_alloc
from fastgw.ext.base.reasons cimport (
    REASON_FIXED_REPLY, REASON_MEMORY, REASON_METHOD_NOT_ALLOWED, ReasonRow, reason_row,
)
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport Reply
from fastgw.ext.http.head cimport (
    BODY_LENGTH, BODY_NONE, F_OWN, H_KEEP_ALIVE, M_CONNECT, M_DELETE, M_GET, M_HEAD, M_OPTIONS,
    M_OTHER, M_PATCH, M_POST, M_PUT, M_QUERY, M_TRACE, Field, Fields, ResponseHead,
    fields_append, fields_copy, fields_find, fields_remove,
)
from fastgw.ext.http.names cimport (
    NAME_ACCEPT, NAME_ACCEPT_RANGES, NAME_ALLOW, NAME_CACHE_CONTROL, NAME_CONTENT_DIGEST,
    NAME_CONTENT_TYPE, NAME_DIGEST, NAME_ETAG, NAME_REPR_DIGEST, NameId,
)
from fastgw.ext.policy.error_pages cimport ErrorPage, find_page
from fastgw.ext.policy.template cimport RENDER_DONE
from fastgw.ext.route.snapshot cimport Snapshot

cdef const char* _JSON = b"application/problem+json"
cdef const char* _HTML = b"text/html; charset=utf-8"
cdef const char* _NO_MEMORY = (
    b'{"type":"urn:fastgw:reason:memory","title":"Gateway out of buffer memory",'
    b'"status":503,"reason":"memory"}\n'
)
cdef Field _bare_row
_bare_row.id = NAME_CONTENT_TYPE
_bare_row.flags = F_OWN
_bare_row.name, _bare_row.name_n = b"Content-Type", 12
_bare_row.value, _bare_row.value_n = _JSON, 24
cdef enum:
    PAGE_BYTES = 1024           # room for a document; titles and ids are short
    ALLOW_BYTES = 128           # every method, with separators
    METHODS = 11                # of MethodId

cdef const char* _METHODS[11]
_METHODS[<int>M_OTHER] = b""
_METHODS[<int>M_GET], _METHODS[<int>M_HEAD], _METHODS[<int>M_POST] = b"GET", b"HEAD", b"POST"
_METHODS[<int>M_PUT], _METHODS[<int>M_DELETE], _METHODS[<int>M_OPTIONS] = (
    b"PUT", b"DELETE", b"OPTIONS"
)
_METHODS[<int>M_PATCH], _METHODS[<int>M_TRACE], _METHODS[<int>M_CONNECT] = (
    b"PATCH", b"TRACE", b"CONNECT"
)
_METHODS[<int>M_QUERY] = b"QUERY"


cdef void set_reply(Exchange x, Reason why) noexcept:
    """Make the reply that a reason stands for."""
    memset(&x.reply, 0, sizeof(Reply))
    x.reply.reason = why


cdef void refuse_method(Exchange x, uint32_t methods) noexcept:
    """Make the reply to a method that no route takes; Allow names those that some take, and
    OPTIONS, which is answered here (RFC 9110 sections 9.3.7, 15.5.6). `methods` has a bit a
    MethodId."""
    cdef char* begin = <char*>arena_alloc(&x.arena, ALLOW_BYTES)
    cdef char* at = begin
    cdef int method
    if begin == NULL:
        set_reply(x, REASON_MEMORY)
        return
    set_reply(x, REASON_METHOD_NOT_ALLOWED)
    if x.request.method_id == M_OPTIONS:
        set_reply(x, REASON_FIXED_REPLY)
        x.reply.status = 204
    methods |= <uint32_t>1 << <int>M_OPTIONS
    for method in range(1, METHODS):
        if methods & (<uint32_t>1 << method):
            if at != begin:
                at = _put(at, b", ")
            at = _put(at, _METHODS[method])
    if fields_append(
        &x.reply.fields, &x.arena, NAME_ALLOW, span(b"Allow", 5), span(begin, at - begin)
    ) == NULL:
        set_reply(x, REASON_MEMORY)


cdef char* _put(char* at, const char* text) noexcept:
    """Append a NUL-terminated text."""
    cdef size_t n = strlen(text)
    memcpy(at, text, n)
    return at + n


cdef char* _put_number(char* at, unsigned int value) noexcept:
    """Append three digits."""
    at[0] = 48 + value // 100 % 10
    at[1] = 48 + value // 10 % 10
    at[2] = 48 + value % 10
    return at + 3


cdef bint _wants_html(Exchange x) noexcept:
    """Whether Accept names text/html and does not name a JSON type before it."""
    cdef Field* f
    cdef Snapshot snapshot = <Snapshot>x.snapshot
    if snapshot is None or not snapshot.error_html:
        return False
    f = fields_find(&x.request.fields, NAME_ACCEPT)
    cdef Span v
    cdef size_t i
    if f == NULL:
        return False
    v = span(f.value, f.value_n)
    for i in range(v.n):
        if _has(v, i, b"text/html"):
            return True
        if _has(v, i, b"application/json") or _has(v, i, b"application/problem"):
            return False
    return False


cdef bint _has(Span v, size_t at, const char* lowered) noexcept:
    """Whether `lowered` stands at `at`, in any case."""
    cdef size_t i, n = strlen(lowered)
    if at + n > v.n:
        return False
    for i in range(n):
        if (v.p[at + i] | 32) != lowered[i] and v.p[at + i] != lowered[i]:
            return False
    return True


cdef Span _problem(Exchange x, const ReasonRow* row, uint16_t status) noexcept:
    """The problem document of a reason; empty when there is no memory."""
    cdef char* p = <char*>arena_alloc(&x.arena, PAGE_BYTES)
    cdef char* at = p
    if p == NULL:
        return span(NULL, 0)
    at = _put(at, b'{"type":"urn:fastgw:reason:')
    at = _put(at, row.name)
    at = _put(at, b'","title":"')
    at = _put(at, row.title)
    at = _put(at, b'","status":')
    at = _put_number(at, status)
    at = _put(at, b',"reason":"')
    at = _put(at, row.name)
    if x.request_id_n:
        at = _put(at, b'","request_id":"')
        memcpy(at, x.request_id, x.request_id_n)
        at += x.request_id_n
    at = _put(at, b'"}\n')
    return span(p, at - p)


cdef Span _page(Exchange x, const ReasonRow* row, uint16_t status) noexcept:
    """The same for a browser."""
    cdef char* p = <char*>arena_alloc(&x.arena, PAGE_BYTES)
    cdef char* at = p
    if p == NULL:
        return span(NULL, 0)
    at = _put(at, b"<!doctype html>\n<title>")
    at = _put_number(at, status)
    at = _put(at, b" ")
    at = _put(at, row.title)
    at = _put(at, b"</title>\n<h1>")
    at = _put_number(at, status)
    at = _put(at, b" ")
    at = _put(at, row.title)
    at = _put(at, b"</h1>\n<p>Reason: <code>")
    at = _put(at, row.name)
    if x.request_id_n:
        at = _put(at, b"</code>, request <code>")
        memcpy(at, x.request_id, x.request_id_n)
        at += x.request_id_n
    at = _put(at, b"</code></p>\n")
    return span(p, at - p)


cdef bint _add(Exchange x, int name, const char* text, Span value) noexcept:
    """Append a field of the gateway's own to the response."""
    return fields_append(
        &x.response.fields, &x.arena, <NameId>name, span(text, strlen(text)), value
    ) != NULL


cdef bint _own_page(Exchange x, ErrorPage page) noexcept:
    """The configured document as the answer; False without memory."""
    cdef ResponseHead* head = &x.response
    cdef bytes kind = page.content_type
    if page.status:
        head.status = page.status
    if page.body.render(x, &x.reply.body) != RENDER_DONE:
        return False
    head.content_length = x.reply.body.n
    head.framing = BODY_LENGTH
    return _add(
        x, NAME_CONTENT_TYPE, b"Content-Type", span(<const char*>kind, len(kind))
    ) and (
        fields_find(&head.fields, NAME_CACHE_CONTROL) != NULL
        or _add(x, NAME_CACHE_CONTROL, b"Cache-Control", span(b"no-store", 8))
    )


cdef bint build_response(Exchange x) noexcept:
    """Make `x.response` of `x.reply`; False when there is no memory for it."""
    cdef const ReasonRow* row = reason_row(x.reply.reason)
    cdef ResponseHead* head = &x.response
    cdef const char* kind
    cdef ErrorPage page
    cdef bint html
    memset(head, 0, sizeof(ResponseHead))
    head.status = x.reply.status if x.reply.status else row.status
    head.minor = 1
    head.flags = H_KEEP_ALIVE
    if not fields_copy(&head.fields, &x.arena, &x.reply.fields):
        return False
    if x.reply.body.n == 0 and not x.reply.plain and head.status >= 400:
        page = find_page(x, head.status, x.reply.reason)
        if page is not None:
            return _own_page(x, page)
        html = _wants_html(x)
        x.reply.body = _page(x, row, head.status) if html else _problem(x, row, head.status)
        kind = _HTML if html else _JSON
        if x.reply.body.p == NULL or not _add(
            x, NAME_CONTENT_TYPE, b"Content-Type", span(kind, strlen(kind))
        ):
            return False
        if fields_find(&head.fields, NAME_CACHE_CONTROL) == NULL and not _add(
            x, NAME_CACHE_CONTROL, b"Cache-Control", span(b"no-store", 8)
        ):
            return False
    head.content_length = x.reply.body.n
    head.framing = BODY_NONE if head.status in (204, 304) else BODY_LENGTH
    return True


cdef void build_bare_response(Exchange x) noexcept:
    """The answer that needs no memory: 503 `memory`, the same for everyone."""
    cdef ResponseHead* head = &x.response
    memset(head, 0, sizeof(ResponseHead))
    set_reply(x, REASON_MEMORY)
    x.reply.body = span(_NO_MEMORY, strlen(_NO_MEMORY))
    head.status = reason_row(REASON_MEMORY).status
    head.minor = 1
    head.flags = H_KEEP_ALIVE
    # Full as it is, the table has to grow before anything is changed in it: the constant
    # row is never written to.
    head.fields.rows = &_bare_row
    head.fields.n = head.fields.cap = 1
    head.fields.seen = <uint64_t>1 << <int>NAME_CONTENT_TYPE
    head.content_length = x.reply.body.n
    head.framing = BODY_LENGTH


cdef void drop_body_facts(Fields* t, Arena* arena) noexcept:
    """Remove the fields that speak of a body which has been changed since."""
    fields_remove(t, arena, NAME_ETAG, span(NULL, 0))
    fields_remove(t, arena, NAME_DIGEST, span(NULL, 0))
    fields_remove(t, arena, NAME_CONTENT_DIGEST, span(NULL, 0))
    fields_remove(t, arena, NAME_REPR_DIGEST, span(NULL, 0))
    fields_remove(t, arena, NAME_ACCEPT_RANGES, span(NULL, 0))
