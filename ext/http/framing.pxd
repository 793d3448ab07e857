"""Framing: how long a message's body is (RFC 9112 section 6).

The most attacked part of HTTP/1.1, so there is one reading only: one Content-Length of
digits, or one Transfer-Encoding that is exactly `chunked`, never both.
"""

from libc.stdint cimport uint64_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.fieldlines cimport FieldLines
from fastgw.ext.http.head cimport Framing


cdef enum FramingResult:
    FRAMING_OK
    FRAMING_BAD                 # contradicting, repeated, malformed, or not of this version
    FRAMING_CODING              # well formed, but another coding than chunked


# BODY_NONE here means that neither field is there: requests then have no body, responses
# last until the connection ends.
cdef FramingResult read_framing(const FieldLines* lines, int minor, Framing* framing,
                                uint64_t* length) noexcept nogil
cdef bint read_length(Span value, uint64_t* out) noexcept nogil
