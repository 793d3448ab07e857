"""Look-ups; see lookup.pxd. Values stay encoded, so they can be written into a head."""

from libc.string cimport memchr, memcmp
from fastgw.ext.base.span cimport span
from fastgw.ext.http.head cimport Field, fields_find, fields_next
from fastgw.ext.http.names cimport NAME_COOKIE


cdef Span cookie_value(Fields* fields, Span name) noexcept nogil:
    """The value of a cookie (RFC 6265 section 4.2); p == NULL when there is none."""
    cdef Field* f = fields_find(fields, NAME_COOKIE)
    cdef Span found
    while f != NULL:
        found = _value(span(f.value, f.value_n), name, 59)
        if found.p != NULL:
            return found
        f = fields_next(fields, f)
    return span(NULL, 0)


cdef Span query_value(Span query, Span name) noexcept nogil:
    """The value of a parameter; p == NULL when there is none."""
    return _value(query, name, 38) if query.n else span(NULL, 0)


cdef Span _value(Span text, Span name, int separator) noexcept nogil:
    """The value of the first `name=value` of a list."""
    cdef const char* p = text.p
    cdef const char* end = text.p + text.n
    cdef const char* stop
    cdef size_t n
    while p < end:
        while p < end and p[0] == 32:
            p += 1
        stop = <const char*>memchr(p, separator, end - p)
        stop = end if stop == NULL else stop
        n = stop - p
        if n >= name.n and memcmp(p, name.p, name.n) == 0:
            if n == name.n:
                return span(stop, 0)
            if p[name.n] == 61:
                return span(p + name.n + 1, n - name.n - 1)
        p = stop + 1
    return span(NULL, 0)
