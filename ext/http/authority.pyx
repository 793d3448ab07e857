"""Hosts and ports; see authority.pxd."""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy
from fastgw.ext.base.span cimport lower, span
from fastgw.ext.http.scan cimport HOST, UPPER, classes, is_class

cdef extern from "arpa/inet.h" nogil:
    int AF_INET6
    int inet_pton(int family, const char* text, void* out)

cdef enum:
    DOT = 46
    COLON = 58
    OPEN_BRACKET = 91
    CLOSE_BRACKET = 93
    ZERO = 48
    IPV6_TEXT = 45              # the longest IPv6 address in text


cdef inline const char* _name_end(const char* p, const char* end, bint* upper) noexcept nogil:
    """Past a registered name; NULL when it is empty or has an empty label."""
    cdef const char* start = p
    cdef const char* label = p
    cdef int found, any = 0
    while p < end:
        found = classes(p[0])
        any |= found
        if not found & HOST:
            if p[0] != DOT or p == label:
                break
            label = p + 1
        p += 1
    upper[0] = any & UPPER
    return p if p > start else NULL


cdef const char* _literal_end(const char* p, const char* end, bint* upper) noexcept nogil:
    """Past an IPv6 address in brackets; NULL when it is none (zones are refused)."""
    cdef char text[IPV6_TEXT + 1]
    cdef char address[16]
    cdef const char* start = p + 1
    cdef size_t n
    p = start
    while p < end and p[0] != CLOSE_BRACKET:
        upper[0] |= is_class(p[0], UPPER) != 0
        p += 1
    n = p - start
    if p == end or n > IPV6_TEXT:
        return NULL
    memcpy(text, start, n)
    text[n] = 0
    return p + 1 if inet_pton(AF_INET6, text, address) == 1 else NULL


cdef bint _port(const char* p, const char* end, uint16_t* out) noexcept nogil:
    """`":" *DIGIT` up to 65535, or nothing at all."""
    cdef uint32_t value = 0
    cdef unsigned int digit
    out[0] = 0
    if p == end:
        return True
    if p[0] != COLON or end - p > 6:
        return False
    p += 1
    while p < end:
        digit = <unsigned int><unsigned char>p[0] - ZERO
        if digit > 9:
            return False
        value = value * 10 + digit
        p += 1
    out[0] = <uint16_t>value
    return value <= 65535


cdef AuthorityResult parse_authority(Span text, char* scratch, size_t room,
                                     Authority* out) noexcept nogil:
    """Split and check an authority."""
    cdef const char* p = text.p
    cdef const char* end = p + text.n
    cdef const char* stop
    cdef bint upper = False
    cdef size_t i, n
    if text.n == 0:
        return AUTHORITY_BAD
    if p[0] == OPEN_BRACKET:
        stop = _literal_end(p, end, &upper)
    else:
        stop = _name_end(p, end, &upper)
    if stop == NULL or not _port(stop, end, &out.port):
        return AUTHORITY_BAD
    n = stop - p
    if n > HOST_MAX:
        return AUTHORITY_BAD
    if p[n - 1] == DOT:
        n -= 1
    if upper:
        if room < n:
            return AUTHORITY_SCRATCH
        for i in range(n):
            scratch[i] = <char>lower(<unsigned char>p[i])
        p = scratch
    out.host = span(p, n)
    return AUTHORITY_OK
