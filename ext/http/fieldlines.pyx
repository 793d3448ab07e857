"""The loop over field lines; see fieldlines.pxd."""

from libc.stdint cimport uint16_t
from fastgw.ext.http.head cimport F_HOP
from fastgw.ext.http.names cimport (
    NAME_CONNECTION, NAME_CONTENT_LENGTH, NAME_EXPECT, NAME_HTTP2_SETTINGS, NAME_KEEP_ALIVE,
    NAME_OTHER, NAME_PROXY_AUTHENTICATE, NAME_PROXY_AUTHORIZATION, NAME_PROXY_CONNECTION,
    NAME_TE, NAME_TRANSFER_ENCODING, NAME_UPGRADE, name_id_before,
)
from fastgw.ext.http.scan cimport is_token_before, scan_colon, scan_ctl


cdef enum:
    CR = 13
    LF = 10
    SP = 32
    HTAB = 9
    COLON = 58


cdef inline uint64_t _hop_names() noexcept nogil:
    """Bits of the names whose rows never cross the gateway.

    RFC 9110 section 7.6.1 lists Connection, Proxy-Connection, Keep-Alive, TE,
    Transfer-Encoding and Upgrade. HTTP2-Settings belongs to an upgrade that is never made.
    Proxy-Auth*: to its clients a gateway is an origin, so credentials for a proxy are not
    meant for what stands behind it (RFC 9110 section 11.7). Content-Length and Expect are
    end-to-end, but codecs write them from the head's framing and flags. Trailer stays: it
    describes trailers, which cross the gateway."""
    return (
        name_bit(NAME_CONNECTION) | name_bit(NAME_PROXY_CONNECTION)
        | name_bit(NAME_KEEP_ALIVE) | name_bit(NAME_TE) | name_bit(NAME_TRANSFER_ENCODING)
        | name_bit(NAME_UPGRADE) | name_bit(NAME_HTTP2_SETTINGS)
        | name_bit(NAME_PROXY_AUTHENTICATE) | name_bit(NAME_PROXY_AUTHORIZATION)
        | name_bit(NAME_CONTENT_LENGTH) | name_bit(NAME_EXPECT)
    )


cdef inline void _keep(FieldLines* s, const char* name, size_t name_n,
                       const char* value, const char* value_end, NameId id) noexcept nogil:
    """Fill the next row, its value without white space at the end."""
    cdef Field* row = &s.rows[s.n]
    cdef uint64_t bit = name_bit(id)
    while value_end > value and ((value_end - 1)[0] == SP or (value_end - 1)[0] == HTAB):
        value_end -= 1
    row.id = <uint16_t>id
    row.flags = F_HOP if bit & _hop_names() else 0
    row.name_n = <uint32_t>name_n
    row.value_n = <uint32_t>(value_end - value)
    row.reserved = 0
    row.name = name
    row.value = value
    s.repeated |= s.seen & bit
    s.seen |= bit
    s.at[<int>id if id < 16 else 0] = s.n
    s.n += 1


cdef inline LinesStop _crlf(const char* p, const char* end) noexcept nogil:
    """Whether a line ends here."""
    if p == end:
        return LINES_MORE
    if p[0] != CR:
        return LINES_BAD
    if end - p < 2:
        return LINES_MORE
    return LINES_WHOLE if p[1] == LF else LINES_BAD


cdef LinesStop read_field_lines(FieldLines* s, const char** p, const char* end) noexcept nogil:
    """Read lines up to the empty one; `p` moves past it."""
    cdef const char* name = p[0]
    cdef const char* colon
    cdef const char* value
    cdef const char* stop
    cdef NameId id
    cdef LinesStop ended
    while name < end:
        if name[0] == CR:
            p[0] = name + 2
            return _crlf(name, end)
        if s.n >= s.limit:
            return LINES_LIMIT
        colon = scan_colon(name, end)
        if colon == end:
            return LINES_MORE
        if colon[0] != COLON or colon == name:
            return LINES_BAD
        id = name_id_before(name, colon - name, end)
        # A well-known name is a token; the scan has stopped at every other byte that folds
        # onto one of its letters.
        if id == NAME_OTHER and not is_token_before(name, colon - name, end):
            return LINES_BAD
        value = colon + 1
        while value < end and (value[0] == SP or value[0] == HTAB):
            value += 1
        stop = scan_ctl(value, end)
        ended = _crlf(stop, end)
        if ended != LINES_WHOLE:
            return ended
        if s.n >= s.cap:
            return LINES_ROWS
        _keep(s, name, colon - name, value, stop, id)
        name = stop + 2
    return LINES_MORE
