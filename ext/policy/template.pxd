"""Template: a text with variables, compiled at load, rendered without Python.

    {client.ip} {client.port} {request.id} {route} {method} {scheme} {host} {path} {query}
    {header.NAME} {cookie.NAME} {query.NAME}   the request's first value of that name, as it
                           was sent; empty if there is none
    {path.NAME}            a parameter of the route's path; empty if it has none of this name
    {now} {now.unix}       2026-11-24T10:50:00Z, and seconds since 1970
    {tls.name} {tls.version} {tls.cipher} {tls.client.subject} {tls.client.issuer}
    {tls.client.fingerprint} {tls.client.names} {tls.client.cert}       empty without
    {response.status} {upstream}                       only where there is a response
    {reason}               why the gateway answered itself: a name of docs/reasons.md
    {{ and }}              braces;  ?{query}           the mark only with a query

`{path}` is the normalised path before rewriting, `{host}` is without port. A rendered
value that holds a control byte is never handed out (`RENDER_UNSAFE`): the caller fails
closed. Values come from checked heads, so it takes a bug elsewhere to get there.
"""

from libc.stdint cimport uint8_t, uint16_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange


cdef enum:
    MAX_PARTS = 32              # pieces of one template; more are an error at load


cdef enum PartKind:
    PART_TEXT                   # literal bytes
    PART_HEADER                 # {header.NAME}
    PART_CLIENT_IP, PART_CLIENT_PORT, PART_REQUEST_ID, PART_ROUTE, PART_METHOD, PART_SCHEME
    PART_TLS                    # {tls. ...}: `id` is a TlsText
    PART_HOST, PART_PATH, PART_QUERY, PART_RESPONSE_STATUS, PART_UPSTREAM
    PART_COOKIE                 # {cookie.NAME}
    PART_QUERY_VALUE            # {query.NAME}
    PART_PARAMETER              # {path.NAME}
    PART_NOW, PART_NOW_UNIX, PART_REASON


cdef enum Rendered:
    RENDER_DONE
    RENDER_UNSAFE               # a control byte: the value must not be written
    RENDER_NO_MEMORY


cdef enum:
    SCRATCH_BYTES = 24          # for a value that is written out: a number or a date


cdef struct Part:
    uint8_t kind                # PartKind
    uint8_t mark                # PART_QUERY: a '?' goes before it if there is a query
    uint16_t id                 # PART_HEADER: NameId; PART_TLS: TlsText
    Span text                   # PART_TEXT: the bytes; PART_HEADER: the name in lower case;
                                # PART_COOKIE, _QUERY_VALUE, _PARAMETER: the name


cdef class Template:
    """An immutable compiled text."""
    cdef readonly str source          # as configured
    cdef readonly bint fixed          # holds no variable
    cdef Part parts[MAX_PARTS]
    cdef uint16_t n                   # parts in use
    cdef tuple texts                  # keeps alive what the parts point to

    cdef Rendered render(self, Exchange x, Span* out) noexcept


# What a part stands for: bytes that live at least as long as this call and `scratch`, which
# has SCRATCH_BYTES.
cdef Span part_value(Exchange x, const Part* part, char* scratch) noexcept
