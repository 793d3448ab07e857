"""BodyTemplate: a body with variables, whose values are escaped for where they stand.

The variables are those of template.pxd. What a client sends must not become markup or end a
string, so values are escaped as the content type asks: HTML and XML (`&amp;` and its like),
JSON (inside of strings); in anything else control bytes become spaces.
"""

from libc.stdint cimport uint16_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.policy.template cimport Part, Rendered


cdef enum:
    MAX_BODY_PARTS = 512        # pieces of one body; more are an error at load


cdef enum Escape:
    ESCAPE_TEXT                 # control bytes become spaces
    ESCAPE_MARKUP               # HTML, XML
    ESCAPE_JSON                 # within a string


cdef class BodyTemplate:
    """An immutable compiled body."""
    cdef readonly str source          # as configured
    cdef readonly bint fixed          # holds no variable
    cdef readonly Escape escape
    cdef list templates               # keeps alive what the parts point to
    cdef Part* parts                  # owned
    cdef uint16_t n                   # parts in use

    cdef Rendered render(self, Exchange x, Span* out) noexcept
