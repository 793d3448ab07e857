"""Chunked bodies: a decoder that copies nothing, and the encoder's few bytes (RFC 9112
section 7.1).

CRLF and nothing else ends a line; sizes have 1 to 16 hexadecimal digits; extensions are
checked, ignored and capped, never passed on. The decoder stops right behind the body, so what
is left belongs to the next message.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.head cimport Field, Fields


cdef enum:
    CHUNK_LINE_MAX = 256        # bytes of a size line with its extensions, CRLF not counted
    CHUNK_HEADER = 18           # the most bytes that `chunk_header` writes


cdef enum ChunkEvent:
    CHUNK_MORE                  # all that could be used was; come back with more bytes
    CHUNK_DATA                  # `data` is the next piece of the body
    CHUNK_END                   # the body is over; `trailers` is filled
    CHUNK_SPACE                 # `cap` is too small for the trailers; come back with more rows
    CHUNK_BAD                   # malformed: the connection can't be used further
    CHUNK_TOO_LARGE             # the trailers exceed the limits of a head


cdef struct ChunkDecoder:
    uint64_t left               # bytes of the current chunk that are still to come
    uint8_t state               # chunked.pyx: what is expected next
    uint8_t digits              # of the size, so far
    uint16_t line               # bytes of the size line, so far
    uint32_t head_limit         # bytes of trailers, as of a head
    uint32_t field_limit        # field lines of trailers, as of a head
    size_t searched             # bytes of unfinished trailers that were looked at


# Start a body. The limits are those of a head (plan.pxd Limits.head, .fields).
cdef void chunked_begin(ChunkDecoder* d, uint32_t head_limit, uint32_t field_limit) noexcept nogil

# Decode from p[0] up to the next event; `used` of the bytes are done with. With CHUNK_MORE
# fewer than `n` are used only inside of trailers: the caller keeps the rest and offers it
# again with what follows it. `trailers.rows` and `.cap` are the caller's; rows point into `p`.
# Fields that decide how a message is read, routed or let in are CHUNK_BAD in trailers: the
# body has been passed on by then, so dropping them would hide an attack and merging them make
# it work (RFC 9110 section 6.5.1). Other hop-by-hop fields are flagged F_HOP, as in a head.
cdef ChunkEvent chunked_feed(ChunkDecoder* d, const char* p, size_t n, size_t* used,
                             Span* data, Fields* trailers) noexcept nogil


cdef inline size_t chunk_header(char* out, uint64_t n) noexcept nogil:
    """Write the size line of a chunk of `n` bytes, which must not be 0; its length."""
    cdef const char* digits = b"0123456789abcdef"
    cdef int shift = 60
    cdef size_t at = 0
    while shift > 0 and not n >> shift:
        shift -= 4
    while shift >= 0:
        out[at] = digits[n >> shift & 15]
        at += 1
        shift -= 4
    out[at] = 13
    out[at + 1] = 10
    return at + 2
