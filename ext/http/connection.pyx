"""Connection, Keep-Alive, TE, Upgrade; see connection.pxd."""

from libc.stdint cimport uint64_t
from fastgw.ext.base.reasons cimport REASON_BAD_HEADER, REASON_HEAD_TOO_LARGE, REASON_NONE
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.http.fieldlines cimport name_bit
from fastgw.ext.http.head cimport (
    F_HOP, Field, H_HAS_CONNECTION, H_KEEP_ALIVE, H_TE_TRAILERS, H_UPGRADE, same_name,
)
from fastgw.ext.http.lists cimport LIST_BAD, LIST_END, ListItem, next_item
from fastgw.ext.http.names cimport (
    NAME_AUTHORIZATION, NAME_CACHE_CONTROL, NAME_CONNECTION, NAME_CONTENT_ENCODING,
    NAME_CONTENT_LENGTH, NAME_CONTENT_RANGE, NAME_CONTENT_TYPE, NAME_COOKIE, NAME_EXPECT,
    NAME_HOST, NAME_OTHER, NAME_RANGE, NAME_SET_COOKIE, NAME_TE, NAME_TRANSFER_ENCODING,
    NAME_UPGRADE, NAME_VARY, NAME_X_API_KEY, NameId, name_id,
)
from fastgw.ext.http.scan cimport name_eq


cdef enum Option:
    OPTION_CLOSE = 1 << 0
    OPTION_KEEP_ALIVE = 1 << 1
    OPTION_UPGRADE = 1 << 2
    OPTION_OTHER = 1 << 3


cdef inline uint64_t _end_to_end() noexcept nogil:
    """Bits of the names that Connection can't name: framing, routing, who is let in, and
    controls meant for every recipient (RFC 9110 section 7.6.1 names Cache-Control)."""
    return (
        name_bit(NAME_HOST) | name_bit(NAME_CONTENT_LENGTH) | name_bit(NAME_TRANSFER_ENCODING)
        | name_bit(NAME_EXPECT) | name_bit(NAME_AUTHORIZATION) | name_bit(NAME_COOKIE)
        | name_bit(NAME_SET_COOKIE) | name_bit(NAME_X_API_KEY) | name_bit(NAME_CACHE_CONTROL)
        | name_bit(NAME_VARY) | name_bit(NAME_RANGE) | name_bit(NAME_CONTENT_TYPE)
        | name_bit(NAME_CONTENT_ENCODING) | name_bit(NAME_CONTENT_RANGE)
    )


cdef void _hide_named(FieldLines* lines, Span name) noexcept nogil:
    """Flag every row that a Connection option names."""
    cdef NameId id = name_id(name.p, name.n)
    cdef uint32_t i
    cdef Field* row
    cdef Field named
    if name_bit(id) & _end_to_end():
        return
    if id != NAME_OTHER and id < 64 and not lines.seen & name_bit(id):
        return
    named.name, named.name_n = name.p, <uint32_t>name.n
    for i in range(lines.n):
        row = &lines.rows[i]
        if row.id == id and (id != NAME_OTHER or same_name(row, &named)):
            row.flags |= F_HOP


cdef uint32_t _option(FieldLines* lines, Span name) noexcept nogil:
    """What one member of the list asks for."""
    if name.n == 5 and name_eq(name.p, b"close", 5):
        return OPTION_CLOSE
    if name.n == 10 and name_eq(name.p, b"keep-alive", 10):
        return OPTION_KEEP_ALIVE
    if name.n == 7 and name_eq(name.p, b"upgrade", 7):
        return OPTION_UPGRADE
    _hide_named(lines, name)
    # TE is hop-by-hop anyway, and must be named wherever it is sent.
    return 0 if name.n == 2 and name_eq(name.p, b"te", 2) else OPTION_OTHER


cdef Reason _options(FieldLines* lines, Span rest, uint32_t* left,
                     uint32_t* options) noexcept nogil:
    """Every member of one Connection field."""
    cdef ListItem item
    cdef int found
    while True:
        found = next_item(&rest, &item)
        if found == LIST_END:
            return REASON_NONE
        if found == LIST_BAD or item.has_parameters:
            return REASON_BAD_HEADER
        # Each member costs a walk over the rows: no more of them than rows may be.
        if left[0] == 0:
            return REASON_HEAD_TOO_LARGE
        left[0] -= 1
        if not item.empty:
            options[0] |= _option(lines, item.name)


cdef Reason _all_options(FieldLines* lines, uint32_t* options) noexcept nogil:
    """Every Connection field."""
    cdef Field* row = &lines.rows[lines.at[<int>NAME_CONNECTION]]
    cdef uint32_t left = lines.limit
    cdef uint32_t i
    cdef Reason why
    # What nearly everyone sends needs no list.
    if row.value_n == 10 and name_eq(row.value, b"keep-alive", 10) and (
        not lines.repeated & name_bit(NAME_CONNECTION)
    ):
        options[0] = OPTION_KEEP_ALIVE
        return REASON_NONE
    if not lines.repeated & name_bit(NAME_CONNECTION):
        return _options(lines, span(row.value, row.value_n), &left, options)
    for i in range(lines.n):
        row = &lines.rows[i]
        if row.id == NAME_CONNECTION:
            why = _options(lines, span(row.value, row.value_n), &left, options)
            if why != REASON_NONE:
                return why
    return REASON_NONE


cdef bint _takes_trailers(FieldLines* lines) noexcept nogil:
    """Whether a TE field names `trailers`. What is malformed is as good as absent: the
    field goes no further, and not sending trailers is always allowed."""
    cdef uint32_t i
    cdef Field* row
    cdef Span rest
    cdef ListItem item
    for i in range(lines.n):
        row = &lines.rows[i]
        if row.id == NAME_TE:
            rest = span(row.value, row.value_n)
            while next_item(&rest, &item) not in (LIST_END, LIST_BAD):
                if item.name.n == 8 and name_eq(item.name.p, b"trailers", 8):
                    return True
    return False


cdef Reason read_connection(FieldLines* lines, int minor, uint32_t* flags) noexcept nogil:
    """Set the head's flags; see connection.pxd."""
    cdef uint32_t options = 0
    cdef Reason why
    if lines.seen & name_bit(NAME_CONNECTION):
        why = _all_options(lines, &options)
        if why != REASON_NONE:
            return why
    # RFC 9112 section 9.3: 1.1 persists unless closed, 1.0 only when both say so.
    if not options & OPTION_CLOSE and (minor >= 1 or options & OPTION_KEEP_ALIVE):
        flags[0] |= H_KEEP_ALIVE
    if options & OPTION_OTHER:
        flags[0] |= H_HAS_CONNECTION
    # RFC 9110 section 7.8: Upgrade is ignored in 1.0, and without its connection option.
    if options & OPTION_UPGRADE and minor >= 1 and lines.seen & name_bit(NAME_UPGRADE):
        flags[0] |= H_UPGRADE
    if minor >= 1 and lines.seen & name_bit(NAME_TE) and _takes_trailers(lines):
        flags[0] |= H_TE_TRAILERS
    return REASON_NONE
