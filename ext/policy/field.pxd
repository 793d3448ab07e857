"""Field names and values that a configuration or a plugin brings: checked here, once.

Framing, hop-by-hop and Host are the codecs' own: nobody else may write or remove them
(RFC 9110 section 7.6.1, RFC 9112 section 6), because two parts that disagree about a
message's length are a smuggled request.
"""

from libc.stddef cimport size_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.head cimport Fields
from fastgw.ext.http.names cimport NameId


cdef extern from "http/scan.h" nogil:
    # First byte that is a control (but not HTAB) or DEL; `end` when there is none.
    const char* scan_ctl "fastgw_scan_ctl" (const char* p, const char* end)


cdef class FieldName:
    """A checked name: written as `text`, compared by `id` or `lowered`."""
    cdef readonly NameId id           # NAME_OTHER when not well known
    cdef readonly bytes text          # as it is written
    cdef readonly bytes lowered       # ASCII lower case

    cdef Span text_span(self) noexcept
    cdef Span lowered_span(self) noexcept


cdef inline bint is_clean(const char* p, size_t n) noexcept nogil:
    """Whether `n` bytes may stand in a field value (RFC 9110 section 5.5)."""
    return n == 0 or scan_ctl(p, p + n) == p + n


cdef bint append_copy(Fields* t, Exchange x, bytes name, bytes value) except False
