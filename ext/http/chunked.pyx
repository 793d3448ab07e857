"""Decoding chunked bodies; see chunked.pxd."""

from fastgw.ext.base.span cimport span
from fastgw.ext.http.fieldlines cimport (
    FieldLines, LINES_BAD, LINES_LIMIT, LINES_MORE, LINES_ROWS, LinesStop, lines_begin,
    lines_take, name_bit, read_field_lines,
)
from fastgw.ext.http.names cimport (
    NAME_AUTHORIZATION, NAME_CONNECTION, NAME_CONTENT_ENCODING, NAME_CONTENT_LENGTH,
    NAME_CONTENT_RANGE, NAME_CONTENT_TYPE, NAME_COOKIE, NAME_EXPECT, NAME_FORWARDED, NAME_HOST,
    NAME_LOCATION, NAME_PROXY_AUTHORIZATION, NAME_SET_COOKIE, NAME_TE, NAME_TRAILER,
    NAME_TRANSFER_ENCODING, NAME_UPGRADE, NAME_X_API_KEY, NAME_X_FORWARDED_CLIENT_CERT,
    NAME_X_FORWARDED_FOR, NAME_X_FORWARDED_HOST, NAME_X_FORWARDED_PORT,
    NAME_X_FORWARDED_PROTO, NAME_X_REAL_IP,
)
from fastgw.ext.http.scan cimport TOKEN, hex_value, is_class
from libc.string cimport memchr

cdef enum:
    HTAB = 9
    LF = 10
    CR = 13
    SP = 32
    QUOTE = 34
    SEMICOLON = 59
    EQUALS = 61
    BACKSLASH = 92
    DEL = 127
    SIZE_DIGITS = 16


cdef enum State:
    SIZE                        # digits of a size
    EXT_NAME                    # behind ';': the first byte of an extension's name
    EXT_NAME_REST
    EXT_VALUE                   # behind '=': the first byte of its value
    EXT_VALUE_REST
    EXT_QUOTED                  # inside a quoted value
    EXT_ESCAPED                 # behind a backslash in it
    EXT_AFTER                   # behind a quoted value
    SIZE_LF                     # the LF of a size line
    DATA                        # `left` bytes of the body
    DATA_CR                     # the CRLF behind a chunk
    DATA_LF
    TRAILERS                    # field lines, or the empty line that ends it all
    END_LF                      # the LF of that line
    DONE
    BROKEN


cdef void chunked_begin(ChunkDecoder* d, uint32_t head_limit, uint32_t field_limit) noexcept nogil:
    """Expect the first chunk."""
    d.state = SIZE
    d.left = 0
    d.digits = 0
    d.line = 0
    d.head_limit, d.field_limit = head_limit, field_limit
    d.searched = 0


cdef inline uint64_t _forbidden() noexcept nogil:
    """Bits of the names that no trailer may have (RFC 9110 section 6.5.1)."""
    return (
        name_bit(NAME_CONTENT_LENGTH) | name_bit(NAME_TRANSFER_ENCODING) | name_bit(NAME_TE)
        | name_bit(NAME_TRAILER) | name_bit(NAME_CONNECTION) | name_bit(NAME_UPGRADE)
        | name_bit(NAME_EXPECT) | name_bit(NAME_HOST) | name_bit(NAME_LOCATION)
        | name_bit(NAME_AUTHORIZATION) | name_bit(NAME_PROXY_AUTHORIZATION)
        | name_bit(NAME_COOKIE) | name_bit(NAME_SET_COOKIE) | name_bit(NAME_X_API_KEY)
        | name_bit(NAME_CONTENT_ENCODING) | name_bit(NAME_CONTENT_TYPE)
        | name_bit(NAME_CONTENT_RANGE) | name_bit(NAME_FORWARDED) | name_bit(NAME_X_REAL_IP)
        | name_bit(NAME_X_FORWARDED_FOR) | name_bit(NAME_X_FORWARDED_PROTO)
        | name_bit(NAME_X_FORWARDED_HOST) | name_bit(NAME_X_FORWARDED_PORT)
        | name_bit(NAME_X_FORWARDED_CLIENT_CERT)
    )


cdef inline int _size_byte(ChunkDecoder* d, char c) noexcept nogil:
    """The next state after a byte of a size."""
    cdef int value = hex_value(c)
    if value >= 0:
        d.digits += 1
        if d.digits > SIZE_DIGITS:
            return BROKEN
        d.left = d.left << 4 | <uint64_t>value
        return SIZE
    # Sizes past 2**63 can't be summed up; nobody has such a body.
    if d.digits == 0 or d.left >> 63:
        return BROKEN
    return _after_value(c)


cdef inline int _after_value(char c) noexcept nogil:
    """What may follow a size or an extension: another one, or the end of the line."""
    if c == SEMICOLON:
        return EXT_NAME
    return SIZE_LF if c == CR else BROKEN


cdef int _quoted_byte(char c, int state) noexcept nogil:
    """The next state inside a quoted value: text without controls (RFC 9110 section 5.6.4)."""
    if c != HTAB and (0 <= c < SP or c == DEL):
        return BROKEN
    if state == EXT_ESCAPED:
        return EXT_QUOTED
    if c == BACKSLASH:
        return EXT_ESCAPED
    return EXT_AFTER if c == QUOTE else EXT_QUOTED


cdef int _extension_byte(char c, int state) noexcept nogil:
    """The next state after a byte of an extension: `;token`, `;token=token`,
    `;token="text"`. No white space: what RFC 9112 tolerates there nobody sends."""
    if state == EXT_QUOTED or state == EXT_ESCAPED:
        return _quoted_byte(c, state)
    if state != EXT_AFTER and is_class(c, TOKEN):
        return EXT_NAME_REST if state in (EXT_NAME, EXT_NAME_REST) else EXT_VALUE_REST
    if state == EXT_NAME_REST and c == EQUALS:
        return EXT_VALUE
    if state == EXT_VALUE and c == QUOTE:
        return EXT_QUOTED
    return _after_value(c) if state in (EXT_NAME_REST, EXT_VALUE_REST, EXT_AFTER) else BROKEN


cdef inline int _line_byte(ChunkDecoder* d, char c) noexcept nogil:
    """The next state after a byte of a size line."""
    if d.state == SIZE_LF:
        if c != LF:
            return BROKEN
        d.digits = 0
        d.line = 0
        return DATA if d.left else TRAILERS
    d.line += 1
    if d.line > CHUNK_LINE_MAX and c != CR:
        return BROKEN
    return _size_byte(d, c) if d.state == SIZE else _extension_byte(c, d.state)


cdef inline int _end_byte(ChunkDecoder* d, char c) noexcept nogil:
    """The next state after a byte of the line end behind a chunk."""
    if d.state == DATA_CR:
        return DATA_LF if c == CR else BROKEN
    return SIZE if c == LF else BROKEN


cdef inline bint _worth_reading(const ChunkDecoder* d, const char* p, size_t n) noexcept nogil:
    """As request.pxd's: whether a line of the trailers has ended, or their limit is met."""
    return (
        d.searched == 0 or n >= d.head_limit or d.searched > n
        or memchr(p + d.searched, LF, n - d.searched) != NULL
    )


cdef ChunkEvent _trailers(ChunkDecoder* d, const char* start, const char* end, size_t* used,
                          Fields* out) noexcept nogil:
    """Field lines behind the last chunk, once they are all there."""
    cdef FieldLines lines
    cdef LinesStop stop
    cdef const char* p = start
    cdef size_t n = end - start
    if not _worth_reading(d, start, n):
        d.searched = n
        return CHUNK_MORE
    lines_begin(&lines, out.rows, out.cap, d.field_limit)
    stop = read_field_lines(&lines, &p, start + min(n, <size_t>d.head_limit))
    if stop == LINES_ROWS:
        return CHUNK_SPACE
    if stop == LINES_MORE and n < d.head_limit:
        d.searched = n
        return CHUNK_MORE
    if stop == LINES_LIMIT or stop == LINES_MORE:
        d.state = BROKEN
        return CHUNK_TOO_LARGE
    if stop == LINES_BAD or lines.seen & _forbidden():
        d.state = BROKEN
        return CHUNK_BAD
    lines_take(&lines, out)
    used[0] += p - start
    d.state = DONE
    return CHUNK_END


cdef ChunkEvent _data(ChunkDecoder* d, const char* p, size_t n, size_t* used,
                      Span* data) noexcept nogil:
    """As much of the current chunk as there is."""
    data[0] = span(p, <size_t>min(<uint64_t>n, d.left))
    d.left -= data.n
    used[0] += data.n
    if d.left == 0:
        d.state = DATA_CR
    return CHUNK_DATA


cdef ChunkEvent _end(ChunkDecoder* d, const char* p, const char* end, size_t* used,
                     Fields* out) noexcept nogil:
    """The end of a body: an empty line, or trailers before it."""
    if d.state == TRAILERS and p[0] != CR:
        return _trailers(d, p, end, used, out)
    if d.state == TRAILERS:
        d.state = END_LF
        used[0] += 1
        p += 1
        if p == end:
            return CHUNK_MORE
    if p[0] != LF:
        d.state = BROKEN
        return CHUNK_BAD
    used[0] += 1
    d.state = DONE
    out.n, out.seen = 0, 0
    return CHUNK_END


cdef ChunkEvent chunked_feed(ChunkDecoder* d, const char* p, size_t n, size_t* used,
                             Span* data, Fields* trailers) noexcept nogil:
    """Go on to the next event; see chunked.pxd."""
    cdef const char* start = p
    cdef const char* end = p + n
    used[0] = 0
    while p < end and d.state not in (DATA, TRAILERS, END_LF, DONE, BROKEN):
        d.state = <uint8_t>(
            _end_byte(d, p[0]) if d.state in (DATA_CR, DATA_LF) else _line_byte(d, p[0])
        )
        p += 1
    used[0] = p - start
    if d.state == BROKEN:
        return CHUNK_BAD
    if d.state == DONE:
        return CHUNK_END
    if p == end:
        return CHUNK_MORE
    if d.state == DATA:
        return _data(d, p, end - p, used, data)
    return _end(d, p, end, used, trailers)
