"""Normalising paths; see uri.pxd."""

from libc.string cimport memcpy
from fastgw.ext.base.span cimport span
from fastgw.ext.http.scan cimport UNRESERVED, hex_value, is_class
from fastgw.ext.route.plan cimport (
    ALLOW_BACKSLASH, ALLOW_DOT_PARAMS, ALLOW_DOUBLE_ENCODING, ALLOW_ENCODED_BACKSLASH,
    ALLOW_ENCODED_SLASH, ALLOW_INVALID_ESCAPE, ALLOW_NUL,
)

cdef enum:
    PERCENT = 37
    DOT = 46
    SLASH = 47
    SEMICOLON = 59
    BACKSLASH = 92
    NUL = 0


# What has been written: a prefix of the input as long as it is no different.
cdef struct Writer:
    const char* source
    char* out
    size_t n                    # bytes written
    size_t segment              # where the current segment begins
    size_t broken               # past the last '%' that begins no escape; 0 = none
    bint moved                  # the bytes are in `out`, no longer in `source`
    uint32_t used


cdef inline const char* _written(Writer* w) noexcept nogil:
    """What has been written so far."""
    if w.moved:
        return w.out
    return w.source


cdef inline void _put(Writer* w, char c) noexcept nogil:
    """One byte more; the first that differs from the input moves everything to `out`."""
    if not w.moved:
        if w.source[w.n] == c:
            w.n += 1
            return
        memcpy(w.out, w.source, w.n)
        w.moved = True
    w.out[w.n] = c
    w.n += 1


cdef inline char _upper_hex(char c) noexcept nogil:
    """A hexadecimal digit in upper case."""
    return c - 32 if c >= 97 else c


cdef uint32_t _escape_bit(int code) noexcept nogil:
    """The bit of an escape that is refused by default, else 0."""
    if code == NUL:
        return ALLOW_NUL
    if code == SLASH:
        return ALLOW_ENCODED_SLASH
    if code == BACKSLASH:
        return ALLOW_ENCODED_BACKSLASH
    return 0


cdef size_t _escape(Writer* w, const char* p, const char* end) noexcept nogil:
    """Write what stands at a '%'; how many bytes of the input that was."""
    cdef int high = hex_value(p[1]) if end - p > 2 else -1
    cdef int low = hex_value(p[2]) if end - p > 2 else -1
    cdef int code = high * 16 + low
    if high < 0 or low < 0:
        w.used |= ALLOW_INVALID_ESCAPE
        _put(w, PERCENT)
        w.broken = w.n
        return 1
    # A decoded byte right behind a lone '%' could complete it to an escape: a second reading.
    if is_class(<char>code, UNRESERVED) and not (w.broken and w.n - w.broken < 2):
        _put(w, <char>code)
        return 3
    w.used |= _escape_bit(code)
    _put(w, PERCENT)
    _put(w, _upper_hex(p[1]))
    _put(w, _upper_hex(p[2]))
    return 3


cdef bint _begins_parameters(const char* p, size_t n) noexcept nogil:
    """Whether `p` begins with ';', raw or escaped (some servers decode first)."""
    return n > 0 and (p[0] == SEMICOLON or (
        n > 2 and p[0] == PERCENT and p[1] == 51 and p[2] == 66
    ))


cdef void _up(Writer* w) noexcept nogil:
    """Take back the segment before the current one, but never the root."""
    cdef const char* b = _written(w)
    w.n = w.segment
    if w.n > 1:
        w.n -= 1
        while b[w.n - 1] != SLASH:
            w.n -= 1
    w.segment = w.n


cdef bint _end_segment(Writer* w) noexcept nogil:
    """Judge a written segment; True if it was a dot segment, and is gone."""
    cdef const char* b = _written(w) + w.segment
    cdef size_t n = w.n - w.segment
    cdef size_t dots = 0
    while dots < n and b[dots] == DOT:
        dots += 1
    if dots == 0 or dots > 2:
        return False
    if dots < n:
        if _begins_parameters(b + dots, n - dots):
            w.used |= ALLOW_DOT_PARAMS
        return False
    if dots == 2:
        _up(w)
    else:
        w.n = w.segment
    return True


cdef bint _double_encoded(const char* p, const char* end) noexcept nogil:
    """Whether `%25` stands before the digits of '.', '/', '\\' or '%'."""
    cdef int code
    while end - p >= 5:
        if p[0] == PERCENT and p[1] == 50 and p[2] == 53:
            if hex_value(p[3]) >= 0 and hex_value(p[4]) >= 0:
                code = hex_value(p[3]) * 16 + hex_value(p[4])
                if code in (DOT, SLASH, BACKSLASH, PERCENT):
                    return True
        p += 1
    return False


cdef void _write(Writer* w, const char* p, const char* end) noexcept nogil:
    """Walk through the input, segment by segment."""
    while p < end:
        if p[0] == SLASH:
            # `/.` and `/..` leave the slash before them, which is this one.
            if not _end_segment(w):
                _put(w, SLASH)
                w.segment = w.n
            w.broken = 0
            p += 1
        elif p[0] == PERCENT:
            p += _escape(w, p, end)
        else:
            if p[0] == BACKSLASH:
                w.used |= ALLOW_BACKSLASH
            _put(w, p[0])
            p += 1
    _end_segment(w)


cdef NormalPath normalise_path(Span path, char* out) noexcept nogil:
    """The path as everything behind the parser sees it."""
    cdef NormalPath result
    cdef Writer w
    if path.n == 0:
        result.path, result.used, result.moved = path, 0, False
        return result
    w.source, w.out = path.p, out
    w.n = w.segment = 1
    w.broken = 0
    w.moved = False
    w.used = 0
    _write(&w, path.p + 1, path.p + path.n)
    result.path = span(_written(&w), w.n)
    if _double_encoded(result.path.p, result.path.p + result.path.n):
        w.used |= ALLOW_DOUBLE_ENCODING
    result.used = w.used
    result.moved = w.moved
    return result
