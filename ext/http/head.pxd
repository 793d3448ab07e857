"""Heads: tables of (name id, name, value) slices, whatever protocol brought them.

A head's bytes live in its exchange's arena. Edits append to the table and are a journal:
a removal is a row of its own that hides an earlier row, so that cutting the table back to
an earlier length undoes everything since (`fields_cut`). Names compare by id; only
names outside the well-known list (id NAME_OTHER) are compared byte by byte. Codecs write
the framing fields from `framing` and `content_length`, never from the rows.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from fastgw.ext.base.arena cimport Arena
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.names cimport NameId


cdef enum FieldFlag:
    F_HIDDEN  = 1 << 0          # removed by a later row
    F_REMOVAL = 1 << 1          # this row is a removal; value_n is the hidden row's index
    F_HOP     = 1 << 2          # hop-by-hop, or framing and Expect, which codecs write
                                # themselves: the row never crosses the gateway
    F_OWN     = 1 << 3          # added by the gateway, not received


cdef struct Field:
    uint16_t id                 # NameId; NAME_OTHER when not well known
    uint16_t flags              # FieldFlag
    uint32_t name_n
    uint32_t value_n
    uint32_t reserved
    const char* name            # as received; any case
    const char* value           # without surrounding white space


cdef struct Fields:
    Field* rows                 # in the exchange's arena
    uint32_t n                  # rows in use, removals included
    uint32_t cap                # rows there is room for
    uint64_t seen               # bit per NameId < 64: a visible or hidden row has it


cdef enum Framing:
    BODY_NONE                   # no body
    BODY_LENGTH                 # content_length bytes
    BODY_CHUNKED                # chunked, trailers may follow
    BODY_UNTIL_CLOSE            # responses only


cdef enum MethodId:
    M_OTHER, M_GET, M_HEAD, M_POST, M_PUT, M_DELETE, M_OPTIONS, M_PATCH, M_TRACE, M_CONNECT, M_QUERY


cdef enum HeadFlag:
    H_KEEP_ALIVE    = 1 << 0    # the sender lets the connection live after this message
    H_EXPECT_100    = 1 << 1    # Expect: 100-continue
    H_UPGRADE       = 1 << 2    # Upgrade with Connection: upgrade
    H_HAS_CONNECTION = 1 << 3   # Connection named fields beyond close/keep-alive/upgrade
    H_TE_TRAILERS   = 1 << 4    # TE: trailers
    H_ANNOUNCED     = 1 << 5    # content_length was sent, but no body follows (HEAD, 304)


cdef struct RequestHead:
    Fields fields
    Span method                 # as received, case matters
    MethodId method_id
    Span raw_target             # as received
    uint32_t path_used          # PathAllow bits (route/plan.pxd) that the path relies on
    Span path                   # normalised by the path rule: matched, logged, forwarded
    Span query                  # after '?', without it; p == NULL when there was no '?'
    Span authority              # Host, or the target's own authority when it has one
    Span host                   # authority without port and one trailing dot, lower case
    uint16_t port               # authority's port; 0 when it names none
    Span scheme                 # "http", "https"; of the listener unless trusted otherwise
    uint8_t minor               # HTTP/1.minor
    Framing framing
    uint64_t content_length     # with BODY_LENGTH
    uint32_t flags              # HeadFlag


cdef struct ResponseHead:
    Fields fields
    uint16_t status
    Span reason                 # as received; may be empty
    uint8_t minor
    Framing framing
    uint64_t content_length
    uint32_t flags              # HeadFlag


cdef inline bint is_idempotent(MethodId m) noexcept nogil:
    """RFC 9110 section 9.2.2, and QUERY."""
    return m in (M_GET, M_HEAD, M_PUT, M_DELETE, M_OPTIONS, M_TRACE, M_QUERY)


cdef Field* fields_find(Fields* t, NameId id) noexcept nogil
cdef Field* fields_find_name(Fields* t, Span lowered_name) noexcept nogil
cdef Field* fields_next(Fields* t, Field* after) noexcept nogil
cdef Field* fields_append(Fields* t, Arena* a, NameId id, Span name, Span value) noexcept
cdef bint fields_hide(Fields* t, Arena* a, Field* row) noexcept
cdef uint32_t fields_remove(Fields* t, Arena* a, NameId id, Span lowered_name) noexcept
cdef Field* fields_set(Fields* t, Arena* a, NameId id, Span name, Span value) noexcept
cdef void fields_cut(Fields* t, uint32_t mark) noexcept
cdef bint fields_copy(Fields* t, Arena* a, const Fields* source) noexcept
cdef bint same_name(const Field* a, const Field* b) noexcept nogil
