"""Request heads: request line, fields and what they mean, in one pass (RFC 9112 section 3).

    >0  the head is whole and takes this many bytes; a RequestHead is filled
     0  HEAD_MORE: more bytes are needed
    <0  minus a Reason: the request is refused
        HEAD_SPACE: `space` was too small; call again with the same bytes, `limits.fields`
        rows and `scratch_bound(limits)` bytes of scratch, which always do

Everything in the head points into the bytes at `p`, into the scratch or to constants.
Refusals come with the line that is at fault, if not before it has ended, and are the same
however the bytes are cut.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memchr
from fastgw.ext.http.authority cimport HOST_MAX
from fastgw.ext.http.head cimport Field, RequestHead
from fastgw.ext.route.plan cimport Limits


cdef enum:
    HEAD_MORE = 0
    HEAD_SPACE = -1000
    METHOD_MAX = 32             # bytes of a method; longer ones are 501 (RFC 9112 section 3)


# What the caller lends to be filled. Few heads need the scratch: those whose host holds upper
# case and those whose path the path rule changes.
cdef struct HeadSpace:
    Field* rows
    uint32_t cap                # rows there is room for
    char* scratch               # may be NULL when `room` is 0
    size_t room                 # bytes of scratch


# `searched`: 0 before the first call for a head, then untouched by the caller; bytes that it
# counts were seen already, so that a head arriving byte by byte is not read again each time.
# `head.scheme` is set for targets in absolute form only; the codec knows the listener's.
cdef int64_t parse_request(const char* p, size_t n, size_t* searched, const Limits* limits,
                           HeadSpace* space, RequestHead* head) noexcept nogil


cdef inline size_t scratch_bound(const Limits* limits) noexcept nogil:
    """The most scratch that a head can need."""
    return <size_t>limits.target + HOST_MAX


cdef inline bint worth_reading(const char* p, size_t n, size_t searched,
                               const Limits* limits) noexcept nogil:
    """Whether bytes past `searched` can change what a parser said: a line has ended, or a
    limit is crossed. So a head is read once a line at most, whatever it arrives in."""
    if searched == 0 or n >= limits.head:
        return True
    if n <= searched:
        return False
    return (
        searched <= <size_t>limits.target + METHOD_MAX + 3 < n
        or memchr(p + searched, 10, n - searched) != NULL
    )
