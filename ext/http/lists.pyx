"""Walking through a field's list; see lists.pxd."""

from fastgw.ext.base.span cimport span
from fastgw.ext.http.scan cimport TOKEN, is_class

cdef enum:
    HTAB = 9
    SP = 32
    QUOTE = 34
    COMMA = 44
    SEMICOLON = 59
    EQUALS = 61
    BACKSLASH = 92


cdef inline const char* _skip(const char* p, const char* end) noexcept nogil:
    """Past spaces and tabs."""
    while p < end and (p[0] == SP or p[0] == HTAB):
        p += 1
    return p


cdef inline const char* _token(const char* p, const char* end) noexcept nogil:
    """Past a token's bytes."""
    while p < end and is_class(p[0], TOKEN):
        p += 1
    return p


cdef const char* _value(const char* p, const char* end) noexcept nogil:
    """Past a token or quoted string; NULL when neither is there."""
    cdef const char* start = p
    if p == end or p[0] != QUOTE:
        p = _token(p, end)
        return p if p > start else NULL
    p += 1
    while p < end and p[0] != QUOTE:
        p += 2 if p[0] == BACKSLASH else 1
    return p + 1 if p < end else NULL


cdef const char* _parameters(const char* p, const char* end) noexcept nogil:
    """Past `*( OWS ";" OWS token "=" value )`, which begins at a ';'; NULL if broken."""
    cdef const char* name
    while p < end and p[0] == SEMICOLON:
        name = _skip(p + 1, end)
        p = _token(name, end)
        if p == name or p == end or p[0] != EQUALS:
            return NULL
        p = _value(p + 1, end)
        if p == NULL:
            return NULL
        p = _skip(p, end)
    return p


cdef ListResult next_item(Span* rest, ListItem* item) noexcept nogil:
    """The next element, empty ones included."""
    cdef const char* end = rest.p + rest.n
    cdef const char* p
    cdef const char* name
    if rest.n == 0:
        return LIST_END
    name = _skip(rest.p, end)
    p = _token(name, end)
    item.name = span(name, p - name)
    item.empty = p == name
    p = _skip(p, end)
    item.has_parameters = p < end and p[0] == SEMICOLON
    if item.has_parameters:
        if item.empty:
            return LIST_BAD
        p = _parameters(p, end)
    if p == NULL or (p < end and p[0] != COMMA):
        return LIST_BAD
    if p < end:
        p += 1
    rest[0] = span(p, end - p)
    return LIST_ITEM
