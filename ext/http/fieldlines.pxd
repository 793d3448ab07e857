"""Field lines: the one loop that reads them, for both heads and for trailers.

Strict (RFC 9112 section 5): every line ends in CRLF, a name is a token right before its
colon, no line is folded, values hold no control but HTAB. Bytes of 0x80 and above may
stand in values (obs-text), never in names.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from fastgw.ext.http.head cimport Field, Fields
from fastgw.ext.http.names cimport NameId


cdef enum LinesStop:
    LINES_WHOLE                 # the empty line was reached
    LINES_MORE                  # the bytes end before the empty line
    LINES_BAD                   # a line breaks the rules
    LINES_LIMIT                 # more lines than `limit`
    LINES_ROWS                  # more lines than `cap`: the caller's table is too small


cdef struct FieldLines:
    Field* rows                 # where rows go; the caller's
    uint32_t cap                # rows there is room for
    uint32_t limit              # field lines that are allowed
    uint32_t n                  # rows filled
    uint64_t seen               # bit per NameId < 64
    uint64_t repeated           # bit per NameId < 64 seen more than once
    uint32_t at[16]             # the last row of each NameId from 1 to 15, where seen


cdef inline uint64_t name_bit(NameId id) noexcept nogil:
    """The bit of a name in `seen`; 0 for those past 63."""
    return <uint64_t>(id < 64) << (<int>id & 63)


cdef inline Field* row_of(FieldLines* s, NameId id) noexcept nogil:
    """The last row of a name from 1 to 15; NULL when there is none."""
    return &s.rows[s.at[<int>id]] if s.seen & name_bit(id) else NULL


cdef inline void lines_begin(FieldLines* s, Field* rows, uint32_t cap,
                             uint32_t limit) noexcept nogil:
    """Start with an empty table."""
    s.rows, s.cap, s.limit = rows, cap, limit
    s.n = 0
    s.seen = s.repeated = 0


cdef inline void lines_take(FieldLines* s, Fields* out) noexcept nogil:
    """Make the rows a head's table."""
    out.rows, out.n, out.cap, out.seen = s.rows, s.n, s.cap, s.seen


# Read lines from `p` up to the empty line; `p` moves past it when it was there.
cdef LinesStop read_field_lines(FieldLines* s, const char** p, const char* end) noexcept nogil
