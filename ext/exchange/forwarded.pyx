"""Forwarding fields; see forwarded.pxd.

One trust rule: what an untrusted peer says about itself is removed; a trusted one's list is
continued and its scheme, host, port and request id are kept. Hop-by-hop fields were marked
by the parser before, so a client can't use `Connection` to remove what is added here.

The rows stand in one piece of memory in wire form: writing them is one copy.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.span cimport lower, span
from fastgw.ext.exchange.client_address cimport ClientField, client_field, take_client
from fastgw.ext.exchange.request_id cimport REQUEST_ID_BYTES, new_request_id
from fastgw.ext.http.head cimport (
    Field, Fields, fields_append, fields_find, fields_hide, fields_remove,
)
from fastgw.ext.http.names cimport (
    NAME_FORWARDED, NAME_OTHER, NAME_X_FORWARDED_CLIENT_CERT, NAME_X_FORWARDED_FOR,
    NAME_X_FORWARDED_HOST,
    NAME_X_FORWARDED_PORT, NAME_X_FORWARDED_PREFIX, NAME_X_FORWARDED_PROTO, NAME_X_REAL_IP,
    NAME_X_REQUEST_ID, NameId,
)
from fastgw.ext.http.write cimport put, put_decimal, put_span
from fastgw.ext.io.stream cimport Address

cdef enum:
    EXTRA = 416                 # names, separators, address (46 bytes, thrice), port, id
    REQUEST_ID_MAX = 39         # of a trusted peer's request id
    F_SKIPPED = 7               # F_HIDDEN | F_REMOVAL | F_HOP

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET, AF_INET6, AF_UNIX

cdef NameId _OURS[9]
_OURS[0], _OURS[1], _OURS[2] = NAME_X_FORWARDED_FOR, NAME_X_FORWARDED_PROTO, NAME_X_FORWARDED_HOST
_OURS[3], _OURS[4], _OURS[5] = NAME_X_FORWARDED_PORT, NAME_X_REAL_IP, NAME_FORWARDED
_OURS[6], _OURS[7], _OURS[8] = (
    NAME_X_REQUEST_ID, NAME_X_FORWARDED_PREFIX, NAME_X_FORWARDED_CLIENT_CERT
)
cdef const char* _CONSUMER = b"x-consumer-"
cdef uint64_t _UNKNOWN = <uint64_t>1 << <int>NAME_OTHER   # some row has an unknown name
cdef uint64_t _MASK = 0
for _i in range(9):
    _MASK |= <uint64_t>1 << <int>_OURS[_i]



cdef char* _end_row(Exchange x, NameId id, char* begin, size_t name_n, char* at) noexcept:
    """Make a row of the `name: value` that stands from `begin` to `at`."""
    cdef Field* f = fields_append(
        &x.request.fields, &x.arena, id, span(begin, name_n),
        span(begin + name_n + 2, at - begin - name_n - 2),
    )
    if f != NULL:
        f.flags = 0
    return put(at, b"\r\n", 2)


cdef size_t _inbound_bytes(Fields* t, NameId id) noexcept:
    """Room for every value of a name, with separators."""
    cdef size_t n = 0
    cdef uint32_t i
    for i in range(t.n):
        if t.rows[i].id == id and not t.rows[i].flags & F_SKIPPED:
            n += t.rows[i].value_n + 2
    return n


cdef char* _put_inbound(char* at, Fields* t, NameId id) noexcept:
    """Append every value of a name, each with a separator behind it."""
    cdef uint32_t i
    for i in range(t.n):
        if t.rows[i].id == id and not t.rows[i].flags & F_SKIPPED and t.rows[i].value_n:
            at = put(at, t.rows[i].value, t.rows[i].value_n)
            at = put(at, b", ", 2)
    return at


cdef void _remove_inbound(Exchange x) noexcept:
    """Nothing that an untrusted peer says about itself, or about who it is, goes on."""
    cdef uint64_t seen = x.request.fields.seen
    cdef int i
    if seen & _MASK:
        for i in range(9):
            fields_remove(&x.request.fields, &x.arena, _OURS[i], span(NULL, 0))
    if seen & _UNKNOWN:
        _remove_identity(x)


cdef void _remove_identity(Exchange x) noexcept:
    """Fields by which gateways tell upstreams who a client is (X-Consumer-...), and the one by
    which a CDN would name its address."""
    cdef Fields* t = &x.request.fields
    cdef ClientField field = client_field(x)
    cdef uint32_t i, n = t.n
    for i in range(n):
        if t.rows[i].id == NAME_OTHER and not t.rows[i].flags & F_SKIPPED and (
            _is_identity(&t.rows[i])
        ):
            fields_hide(t, &x.arena, &t.rows[i])
    if field is not None and field.id == NAME_OTHER:
        fields_remove(
            t, &x.arena, NAME_OTHER, span(<const char*>field.lowered, len(field.lowered))
        )


cdef bint _is_identity(const Field* f) noexcept:
    """Whether the name begins with X-Consumer-, in any case."""
    cdef int i
    if f.name_n <= 11:
        return False
    for i in range(11):
        if lower(<unsigned char>f.name[i]) != <unsigned char>_CONSUMER[i]:
            return False
    return True


cdef char* _put_for(Exchange x, char* at, const Address* hop, bint listed) noexcept:
    """X-Forwarded-For, continued by the hop before us, and X-Real-IP, which is the client; a hop
    on a unix socket has no address to name."""
    cdef const Address* client = &x.facts.client
    cdef char* begin = at
    if hop.family == AF_UNIX:
        return at
    at = put(at, b"X-Forwarded-For: ", 17)
    if listed:
        at = _put_inbound(at, &x.request.fields, NAME_X_FORWARDED_FOR)
        fields_remove(&x.request.fields, &x.arena, NAME_X_FORWARDED_FOR, span(NULL, 0))
    at = put(at, hop.text, hop.text_n)
    at = _end_row(x, NAME_X_FORWARDED_FOR, begin, 15, at)
    if listed and fields_find(&x.request.fields, NAME_X_REAL_IP) != NULL:
        return at
    begin = at
    at = put(at, b"X-Real-IP: ", 11)
    at = put(at, client.text, client.text_n)
    return _end_row(x, NAME_X_REAL_IP, begin, 9, at)


cdef bint _told(Exchange x, bint listed, NameId id) noexcept:
    """Whether a trusted peer has said it already."""
    return listed and fields_find(&x.request.fields, id) != NULL


cdef char* _put_place(Exchange x, char* at, bint listed) noexcept:
    """X-Forwarded-Proto, -Host and -Port: what the client asked for."""
    cdef char* begin = at
    if not _told(x, listed, NAME_X_FORWARDED_PROTO):
        at = put(at, b"X-Forwarded-Proto: http", 23)
        if x.facts.tls:
            at = put(at, b"s", 1)
        at = _end_row(x, NAME_X_FORWARDED_PROTO, begin, 17, at)
        begin = at
    if x.request.authority.n and not _told(x, listed, NAME_X_FORWARDED_HOST):
        at = put(at, b"X-Forwarded-Host: ", 18)
        at = put_span(at, x.request.authority)
        at = _end_row(x, NAME_X_FORWARDED_HOST, begin, 16, at)
        begin = at
    if x.facts.local.port and not _told(x, listed, NAME_X_FORWARDED_PORT):
        at = put(at, b"X-Forwarded-Port: ", 18)
        at = put_decimal(at, x.facts.local.port)
        at = _end_row(x, NAME_X_FORWARDED_PORT, begin, 16, at)
    return at


cdef char* _put_forwarded(Exchange x, char* at, const Address* client, bint listed) noexcept:
    """Forwarded (RFC 7239): IPv6 addresses and hosts with a port are quoted."""
    cdef char* begin = at
    at = put(at, b"Forwarded: ", 11)
    if listed:
        at = _put_inbound(at, &x.request.fields, NAME_FORWARDED)
        fields_remove(&x.request.fields, &x.arena, NAME_FORWARDED, span(NULL, 0))
    if client.family == AF_INET:
        at = put(at, b"for=", 4)
        at = put(at, client.text, client.text_n)
    elif client.family == AF_INET6:
        at = put(at, b'for="[', 6)
        at = put(at, client.text, client.text_n)
        at = put(at, b']"', 2)
    else:
        at = put(at, b"for=unknown", 11)
    if x.request.authority.n:
        at = put(at, b';host="', 7)
        at = put_span(at, x.request.authority)
        at = put(at, b'"', 1)
    at = put(at, b";proto=http", 11)
    if x.facts.tls:
        at = put(at, b"s", 1)
    return _end_row(x, NAME_FORWARDED, begin, 9, at)


cdef char* _put_request_id(Exchange x, char* at) noexcept:
    """X-Request-Id, the same in the log and in error pages."""
    cdef char* begin = at
    fields_remove(&x.request.fields, &x.arena, NAME_X_REQUEST_ID, span(NULL, 0))
    at = put(at, b"X-Request-Id: ", 14)
    at = put(at, x.request_id, x.request_id_n)
    return _end_row(x, NAME_X_REQUEST_ID, begin, 12, at)


cdef bint add_forwarded(Exchange x) noexcept:
    """Append the rows to the request's head; False without memory.

    Exchanges without a client (x.facts is NULL) carry what the exchange that began them had."""
    cdef Fields* t = &x.request.fields
    cdef bint listed = x.trusted
    cdef size_t room = EXTRA + 2 * x.request.authority.n
    cdef char* at
    if x.facts == NULL:
        return True
    if not listed:
        _remove_inbound(x)
    else:
        room += _inbound_bytes(t, NAME_X_FORWARDED_FOR) + _inbound_bytes(t, NAME_FORWARDED)
    at = <char*>arena_alloc(&x.arena, room)
    if at == NULL:
        return False
    at = _put_for(x, at, &x.downstream.facts.client, listed)
    at = _put_place(x, at, listed)
    at = _put_forwarded(x, at, &x.downstream.facts.client, listed)
    _put_request_id(x, at)
    return True


cdef bint _usable_id(const Field* f) noexcept:
    """Whether a request id may be taken over: visible ASCII of a sane length."""
    cdef uint32_t i
    if not 0 < f.value_n <= REQUEST_ID_MAX:
        return False
    for i in range(f.value_n):
        if not 33 <= f.value[i] <= 126 or f.value[i] == 34 or f.value[i] == 92:
            return False
    return True


cdef void take_request_id(Exchange x, int64_t unix_ms) noexcept:
    """What a trusted peer says of the request (its id, and whose it is), or a new id."""
    cdef Field* f = NULL
    if x.trusted and x.facts != NULL:
        take_client(x)
        f = fields_find(&x.request.fields, NAME_X_REQUEST_ID)
    if f != NULL and _usable_id(f):
        memcpy(x.request_id, f.value, f.value_n)
        x.request_id_n = f.value_n
        return
    new_request_id(x.request_id, unix_ms)
    x.request_id_n = REQUEST_ID_BYTES
