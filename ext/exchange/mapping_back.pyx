"""Mapping back; see mapping_back.pxd."""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from libc.string cimport memchr, memcmp, memcpy
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.span cimport Span, lower, span, span_eq
from fastgw.ext.http.head cimport (
    F_HIDDEN, F_REMOVAL, Field, Fields, fields_append, fields_hide,
)
from fastgw.ext.http.names cimport (
    NAME_CONTENT_LOCATION, NAME_LOCATION, NAME_REFRESH, NAME_SET_COOKIE, NameId,
)
from fastgw.ext.route.plan cimport REWRITE_MAP_BACK, RewriteRow
from fastgw.ext.route.snapshot cimport Snapshot, plan_text
from fastgw.ext.upstream.contract cimport Endpoint


# What is turned into what, and where the new text goes.
cdef struct Mapping:
    Span strip                  # what the client's paths begin with
    Span prefix                 # what the upstream's begin with
    Span names[2]               # what the upstream is called: Host as sent, its address
    Span authority              # what the client calls it
    Span host                   # the same without port
    Span scheme                 # the client's
    char* at                    # end of the new text
    bint changed                # the new text differs


cdef bint map_back(Exchange x) noexcept:
    cdef const RewriteRow* row
    cdef Fields* t = &x.response.fields
    cdef Mapping m
    cdef uint32_t i, n = t.n
    if x.route.rewrite < 0:
        return True
    row = &(<Snapshot>x.snapshot).rewrites[x.route.rewrite]
    if not row.flags & REWRITE_MAP_BACK:
        return True
    _fill(&m, x, row)
    for i in range(n):
        if t.rows[i].flags & (F_HIDDEN | F_REMOVAL):
            continue
        if t.rows[i].id in (
            NAME_LOCATION, NAME_CONTENT_LOCATION, NAME_REFRESH, NAME_SET_COOKIE
        ) and not _map_row(&m, x, i):
            return False
    return True


cdef void _fill(Mapping* m, Exchange x, const RewriteRow* row) noexcept:
    """Who is called what."""
    cdef Endpoint endpoint
    m.strip = plan_text(<Snapshot>x.snapshot, row.strip)
    m.prefix = plan_text(<Snapshot>x.snapshot, row.prefix)
    m.authority, m.host, m.scheme = x.request.authority, x.request.host, x.request.scheme
    m.names[0] = x.winner.host() if x.winner is not None else span(NULL, 0)
    m.names[1] = span(NULL, 0)
    if x.winner is not None and isinstance(x.winner.endpoint, Endpoint):
        endpoint = <Endpoint>x.winner.endpoint
        if endpoint.authority is not None:
            m.names[1] = span(<const char*>endpoint.authority, len(endpoint.authority))


cdef bint _map_row(Mapping* m, Exchange x, uint32_t i) noexcept:
    """Replace a row by what it says to the client, if that differs."""
    cdef Field f = x.response.fields.rows[i]
    cdef Span value = span(f.value, f.value_n)
    cdef size_t places = 1 + _count(value, 59)
    cdef char* begin = <char*>arena_alloc(
        &x.arena,
        value.n + places * (m.strip.n + m.authority.n + m.scheme.n + m.host.n + 4) + 1,
    )
    if begin == NULL:
        return False
    m.at, m.changed = begin, False
    if f.id == NAME_SET_COOKIE:
        _map_cookie(m, value)
    elif f.id == NAME_REFRESH:
        _map_refresh(m, value)
    else:
        _map_reference(m, value)
    if not m.changed:
        return True
    return fields_hide(&x.response.fields, &x.arena, &x.response.fields.rows[i]) and (
        fields_append(
            &x.response.fields, &x.arena, <NameId>f.id, span(f.name, f.name_n),
            span(begin, m.at - begin),
        ) != NULL
    )


# -- small things --------------------------------------------------------------------------

cdef size_t _count(Span text, char wanted) noexcept:
    """How often a byte is in a text."""
    cdef size_t i, n = 0
    for i in range(text.n):
        n += text.p[i] == wanted
    return n


cdef inline void _put(Mapping* m, const char* p, size_t n) noexcept:
    """Append bytes."""
    if n:
        memcpy(m.at, p, n)
        m.at += n


cdef bint _begins(Span text, const char* lowered, size_t n) noexcept:
    """Whether a text begins with some letters, in any case."""
    cdef size_t i
    if text.n < n:
        return False
    for i in range(n):
        if lower(<unsigned char>text.p[i]) != <unsigned char>lowered[i]:
            return False
    return True


cdef bint _same_fold(Span a, Span b) noexcept:
    """Whether two texts are the same but for case."""
    cdef size_t i
    if a.n != b.n:
        return False
    for i in range(a.n):
        if lower(<unsigned char>a.p[i]) != lower(<unsigned char>b.p[i]):
            return False
    return True


cdef Span _without_port(Span authority) noexcept:
    """The host of an authority; the colons within brackets belong to an address."""
    cdef size_t n = authority.n
    while n and 48 <= authority.p[n - 1] <= 57:
        n -= 1
    return span(authority.p, n - 1) if n and authority.p[n - 1] == 58 else authority


cdef inline Span _from(Span text, size_t at) noexcept:
    """The rest of a text."""
    return span(text.p + at, text.n - at)


# -- references ----------------------------------------------------------------------------

cdef void _map_path(Mapping* m, Span path) noexcept:
    """Append a path (a query may follow) as the client knows it; one that is not below the
    upstream's prefix stays."""
    cdef size_t n = 0
    while n < path.n and path.p[n] not in (63, 35):
        n += 1
    if m.prefix.n and not (
        n >= m.prefix.n and memcmp(path.p, m.prefix.p, m.prefix.n) == 0
        and (n == m.prefix.n or path.p[m.prefix.n] == 47)
    ):
        _put(m, path.p, path.n)
        return
    m.changed = True
    _put(m, m.strip.p, m.strip.n)
    if m.strip.n == 0 and n == m.prefix.n:
        _put(m, b"/", 1)
    _put(m, path.p + m.prefix.n, path.n - m.prefix.n)


cdef void _map_reference(Mapping* m, Span value) noexcept:
    """Append a URI reference (RFC 3986 section 4.1)."""
    cdef size_t scheme = 0
    if value.n and value.p[0] == 47 and not (value.n > 1 and value.p[1] == 47):
        _map_path(m, value)
        return
    if _begins(value, b"http://", 7):
        scheme = 7
    elif _begins(value, b"https://", 8):
        scheme = 8
    elif _begins(value, b"//", 2):
        scheme = 2
    if scheme:
        _map_absolute(m, value, scheme)
    else:
        _put(m, value.p, value.n)


cdef void _map_absolute(Mapping* m, Span value, size_t scheme) noexcept:
    """The same with an authority after `scheme` bytes: the client's own keeps its scheme,
    the upstream's becomes the client's, another one is none of ours."""
    cdef Span rest = _from(value, scheme)
    cdef Span authority
    cdef size_t n = 0
    while n < rest.n and rest.p[n] not in (47, 63, 35):
        n += 1
    authority = span(rest.p, n)
    if _same_fold(authority, m.authority):
        _put(m, value.p, scheme + n)
    elif _is_upstream(m, authority) and m.authority.n:
        m.changed = True
        if scheme > 2:
            _put(m, m.scheme.p, m.scheme.n)
            _put(m, b":", 1)
        _put(m, b"//", 2)
        _put(m, m.authority.p, m.authority.n)
    else:
        _put(m, value.p, value.n)
        return
    _map_path(m, _from(rest, n))


cdef bint _is_upstream(Mapping* m, Span authority) noexcept:
    """Whether an authority is the upstream's, a port left out or not."""
    cdef int i
    cdef Span host = _without_port(authority)
    for i in range(2):
        if m.names[i].n and (
            _same_fold(authority, m.names[i])
            or (host.n == authority.n and _same_fold(host, _without_port(m.names[i])))
        ):
            return True
    return False


cdef void _map_refresh(Mapping* m, Span value) noexcept:
    """Append `5; url=/path`, whose reference may be quoted."""
    cdef const char* found = <const char*>memchr(value.p, 59, value.n) if value.n else NULL
    cdef size_t at
    if found == NULL:
        return
    at = found + 1 - value.p
    while at < value.n and value.p[at] == 32:
        at += 1
    if not _begins(_from(value, at), b"url=", 4):
        return
    at += 4
    if at < value.n and value.p[at] in (34, 39):
        at += 1
    _put(m, value.p, at)
    _map_reference(m, _from(value, at))


# -- cookies -------------------------------------------------------------------------------

cdef void _map_cookie(Mapping* m, Span value) noexcept:
    """Append a cookie (RFC 6265 section 4.1) with its Path and Domain turned back."""
    cdef const char* p = value.p
    cdef const char* end = value.p + value.n
    cdef const char* stop
    while p < end:
        stop = <const char*>memchr(p, 59, end - p)
        stop = end if stop == NULL else stop
        if p == value.p:
            _put(m, p, stop - p)
        else:
            _put(m, b";", 1)
            _map_attribute(m, span(p, stop - p))
        p = stop + 1
    if value.n and value.p[value.n - 1] == 59:
        _put(m, b";", 1)


cdef void _map_attribute(Mapping* m, Span text) noexcept:
    """Append one attribute of a cookie."""
    cdef size_t at = 0
    while at < text.n and text.p[at] == 32:
        at += 1
    if _begins(_from(text, at), b"path=/", 6):
        _put(m, text.p, at + 5)
        _map_path(m, _from(text, at + 5))
    elif _begins(_from(text, at), b"domain=", 7):
        _put(m, text.p, at + 7)
        _map_domain(m, _from(text, at + 7))
    else:
        _put(m, text.p, text.n)


cdef void _map_domain(Mapping* m, Span text) noexcept:
    """Append a domain: the upstream's becomes the client's."""
    cdef Span name = _from(text, 1) if text.n and text.p[0] == 46 else text
    cdef int i
    for i in range(2):
        if name.n and _same_fold(name, _without_port(m.names[i])) and m.host.n and (
            not span_eq(name, m.host)
        ):
            m.changed = True
            _put(m, m.host.p, m.host.n)
            return
    _put(m, text.p, text.n)
