"""Span: bytes that someone else owns, and the few comparisons the hot path needs."""

from libc.stddef cimport size_t
from libc.string cimport memcmp


cdef struct Span:
    const char* p               # first byte; may be NULL when n is 0
    size_t n                    # length in bytes


cdef inline Span span(const char* p, size_t n) noexcept nogil:
    """A span over `n` bytes at `p`."""
    cdef Span s
    s.p = p
    s.n = n
    return s


cdef inline bint span_eq(Span a, Span b) noexcept nogil:
    """Whether both hold the same bytes."""
    return a.n == b.n and memcmp(a.p, b.p, a.n) == 0


cdef inline unsigned char lower(unsigned char c) noexcept nogil:
    """ASCII lower case of one byte."""
    return c + 32 if 65 <= c <= 90 else c


cdef inline bint span_eq_fold(Span a, Span lowered) noexcept nogil:
    """Whether `a`, in ASCII lower case, is `lowered` (which must be lower case already)."""
    cdef size_t i
    if a.n != lowered.n:
        return False
    for i in range(a.n):
        if lower(<unsigned char>a.p[i]) != <unsigned char>lowered.p[i]:
            return False
    return True


cdef inline bytes span_bytes(Span s):
    """A bytes object with a copy."""
    return s.p[:s.n] if s.n else b""
