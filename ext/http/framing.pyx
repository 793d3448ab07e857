"""Content-Length and Transfer-Encoding; see framing.pxd."""

from libc.stddef cimport size_t
from fastgw.ext.base.span cimport span
from fastgw.ext.http.fieldlines cimport name_bit
from fastgw.ext.http.head cimport BODY_CHUNKED, BODY_LENGTH, BODY_NONE, Field
from fastgw.ext.http.lists cimport LIST_BAD, LIST_END, ListItem, next_item
from fastgw.ext.http.names cimport NAME_CONTENT_LENGTH, NAME_TRANSFER_ENCODING
from fastgw.ext.http.scan cimport name_eq

cdef enum:
    ZERO = 48
    LENGTH_DIGITS = 18          # below 10**18, so that sums and signed types have room


cdef bint read_length(Span value, uint64_t* out) noexcept nogil:
    """1*DIGIT and nothing else; False for empty, signed, listed or overlong values."""
    cdef uint64_t sum = 0
    cdef unsigned int digit
    cdef size_t i
    if value.n == 0 or value.n > LENGTH_DIGITS:
        return False
    for i in range(value.n):
        digit = <unsigned int><unsigned char>value.p[i] - ZERO
        if digit > 9:
            return False
        sum = sum * 10 + digit
    out[0] = sum
    return True


cdef FramingResult _coding(const Field* row) noexcept nogil:
    """Exactly `chunked`, or why not."""
    cdef Span rest = span(row.value, row.value_n)
    cdef const char* end = rest.p + rest.n
    cdef ListItem item
    cdef int found
    if rest.n == 7 and name_eq(rest.p, b"chunked", 7):
        return FRAMING_OK
    if rest.n == 0:
        return FRAMING_BAD
    # A list that names chunked, but not once and last, is a contradiction (RFC 9112 section
    # 6.1); one of other codings is a request for what is not offered here.
    while True:
        found = next_item(&rest, &item)
        if found == LIST_END:
            return FRAMING_CODING
        if found == LIST_BAD or item.empty:
            return FRAMING_BAD
        if item.name.n == 7 and name_eq(item.name.p, b"chunked", 7) and (
            item.name.p + 7 != end
        ):
            return FRAMING_BAD


cdef FramingResult read_framing(const FieldLines* lines, int minor, Framing* framing,
                                uint64_t* length) noexcept nogil:
    """What the two fields say."""
    cdef uint64_t both = name_bit(NAME_CONTENT_LENGTH) | name_bit(NAME_TRANSFER_ENCODING)
    cdef const Field* row
    framing[0] = BODY_NONE
    if not lines.seen & both:
        return FRAMING_OK
    if lines.seen & both == both or lines.repeated & both:
        return FRAMING_BAD
    if lines.seen & name_bit(NAME_CONTENT_LENGTH):
        row = &lines.rows[lines.at[<int>NAME_CONTENT_LENGTH]]
        framing[0] = BODY_LENGTH
        return FRAMING_OK if read_length(span(row.value, row.value_n), length) else FRAMING_BAD
    # RFC 9112 section 6.1: in HTTP/1.0 the framing of such a message is faulty.
    if minor == 0:
        return FRAMING_BAD
    framing[0] = BODY_CHUNKED
    return _coding(&lines.rows[lines.at[<int>NAME_TRANSFER_ENCODING]])
