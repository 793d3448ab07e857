"""One cookie or query parameter of a request, by name: its first value, as it was sent."""

from fastgw.ext.base.span cimport Span
from fastgw.ext.http.head cimport Fields

cdef Span cookie_value(Fields* fields, Span name) noexcept nogil
cdef Span query_value(Span query, Span name) noexcept nogil
