"""Writing HTTP/1.1 heads: fields, status lines, framing; both sides' codecs use it.

A size function and a put function belong together: the codec reserves what the first
says and the second fills it. Fields as received stand in one piece of memory in wire form, so
runs of neighbours are copied with one memcpy.

A row is written unless it is hidden, a removal, hop-by-hop or Host, which the codec writes
from the head's facts; a row that a policy added
(F_OWN) only if its name is a token and its value holds no control byte, whoever made it:
the last line of defence against response splitting (CWE-113).
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.head cimport Fields


cdef size_t fields_bound(const Fields* t) noexcept nogil
cdef char* put_fields(char* at, const Fields* t, const uint8_t* hidden) noexcept nogil
cdef size_t status_line_bound(Span reason) noexcept nogil
cdef char* put_status_line(char* at, uint16_t status, Span reason) noexcept nogil
cdef char* put_decimal(char* at, uint64_t value) noexcept nogil


cdef inline char* put(char* at, const char* p, size_t n) noexcept nogil:
    """Append `n` bytes."""
    memcpy(at, p, n)
    return at + n


cdef inline char* put_span(char* at, Span s) noexcept nogil:
    """Append a span, which may be empty."""
    if s.n:
        memcpy(at, s.p, s.n)
    return at + s.n
