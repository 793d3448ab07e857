"""Authority: host and port, of a Host field or of a target in absolute form.

Stricter than RFC 3986 section 3.2.2: a name is made of labels of letters, digits, '-', '_'
and '~' between single dots. Sub-delimiters and percent-encoded bytes stand in no DNS name,
and hops read them differently ("a,b" is a list to some).
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t
from fastgw.ext.base.span cimport Span


cdef enum:
    HOST_MAX = 255              # bytes of a host; no DNS name is longer (RFC 1035 section 2.3.4)


cdef enum AuthorityResult:
    AUTHORITY_OK
    AUTHORITY_BAD               # empty, userinfo, a bad byte, label, port or IP literal
    AUTHORITY_SCRATCH           # the host must be lowered and `room` is too small


cdef struct Authority:
    Span host                   # lower case, without one trailing dot; IPv6 in brackets
    uint16_t port               # 0 when there is none


# `scratch` is written to, and pointed into, only if the host holds upper case.
cdef AuthorityResult parse_authority(Span text, char* scratch, size_t room,
                                     Authority* out) noexcept nogil
