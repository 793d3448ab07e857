"""Text of log lines; see log_text.pxd."""

from libc.string cimport memcpy
from fastgw.ext.http.write cimport put, put_decimal

cdef enum:
    QUOTE = 34
    BACKSLASH = 92
    DEL = 127

cdef const char* _DIGITS = b"0123456789abcdef"
cdef const char* _MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"


# -- strings ---------------------------------------------------------------------------------

cdef inline uint64_t _each(uint8_t byte) noexcept nogil:
    """Eight copies of a byte."""
    return <uint64_t>0x0101010101010101 * byte


cdef inline uint64_t _zero_bytes(uint64_t v) noexcept nogil:
    """Has a bit set if some byte is zero."""
    return (v - _each(1)) & ~v & _each(0x80)


cdef inline uint64_t _odd_bytes(uint64_t v) noexcept nogil:
    """Has a bit set if some byte is no printable ASCII, a quote or a backslash."""
    return (
        (v & _each(0x80)) | ((v - _each(0x20)) & ~v & _each(0x80))
        | _zero_bytes(v ^ _each(QUOTE)) | _zero_bytes(v ^ _each(BACKSLASH))
        | _zero_bytes(v ^ _each(DEL))
    )


cdef inline bint _plain_8(const char* p) noexcept nogil:
    """Whether eight bytes need no escaping."""
    cdef uint64_t v
    memcpy(&v, p, 8)
    return _odd_bytes(v) == 0


cdef inline bint _plain_short(const char* p, size_t n) noexcept nogil:
    """Whether 1 to 7 bytes need no escaping. They are read as two overlapping halves, or as
    three single ones, beside spaces."""
    cdef uint32_t low, high
    cdef uint64_t v = _each(0x20)
    if n >= 4:
        memcpy(&low, p, 4)
        memcpy(&high, p + n - 4, 4)
        v = <uint64_t>high << 32 | low
    else:
        v = v << 24 | <uint8_t>p[0] | <uint8_t>p[n >> 1] << 8 | <uint8_t>p[n - 1] << 16
    return _odd_bytes(v) == 0


cdef inline void _copy_short(char* at, const char* p, size_t n) noexcept nogil:
    """Copy 1 to 7 bytes in two overlapping halves."""
    if n >= 4:
        memcpy(at, p, 4)
        memcpy(at + n - 4, p + n - 4, 4)
    else:
        at[0] = p[0]
        at[n >> 1] = p[n >> 1]
        at[n - 1] = p[n - 1]


cdef char* _put_byte(char* at, uint8_t c, TextForm form) noexcept nogil:
    """One byte, escaped if it must be."""
    if 32 <= c < DEL and c != QUOTE and c != BACKSLASH:
        at[0] = c
        return at + 1
    at[0] = BACKSLASH
    if c == QUOTE or c == BACKSLASH:
        at[1] = c
        return at + 2
    at = put(at + 1, b"u00", 3) if form == FORM_JSON else put(at + 1, b"x", 1)
    at[0] = _DIGITS[c >> 4]
    at[1] = _DIGITS[c & 15]
    return at + 2


cdef char* put_escaped(char* at, Span s, TextForm form) noexcept nogil:
    """Append a string without quotes; at most LONGEST bytes of it."""
    cdef const char* p = s.p
    cdef size_t n = s.n if s.n < <size_t>LONGEST else <size_t>LONGEST
    cdef size_t i
    while n >= 8:
        if _plain_8(p):
            memcpy(at, p, 8)
            at += 8
        else:
            for i in range(8):
                at = _put_byte(at, <uint8_t>p[i], form)
        p += 8
        n -= 8
    if n and _plain_short(p, n):
        _copy_short(at, p, n)
        return at + n
    for i in range(n):
        at = _put_byte(at, <uint8_t>p[i], form)
    return at


# -- numbers and times -----------------------------------------------------------------------

cdef char* put_ms(char* at, int64_t us) noexcept nogil:
    """Append microseconds as milliseconds with three decimals."""
    cdef uint64_t value = us if us > 0 else 0
    cdef uint32_t rest = <uint32_t>(value % 1000)
    at = put_decimal(at, value // 1000)
    at[0] = 46
    at[1] = 48 + rest // 100
    at[2] = 48 + rest // 10 % 10
    at[3] = 48 + rest % 10
    return at + 4


cdef inline char* _put_2(char* at, int64_t value) noexcept nogil:
    at[0] = 48 + value // 10 % 10
    at[1] = 48 + value % 10
    return at + 2


cdef char* _put_clock(char* at, int64_t second_of_day) noexcept nogil:
    """HH:MM:SS"""
    at = _put_2(at, second_of_day // 3600)
    at = put(at, b":", 1)
    at = _put_2(at, second_of_day // 60 % 60)
    at = put(at, b":", 1)
    return _put_2(at, second_of_day % 60)


cdef void _set_second(Clock* clock, int64_t second) noexcept nogil:
    """Write a second's texts. Days to date: the era arithmetic of a 400-year cycle."""
    cdef int64_t z = second // 86400 + 719468
    cdef int64_t era = z // 146097
    cdef int64_t doe = z - era * 146097
    cdef int64_t yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    cdef int64_t doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    cdef int64_t mp = (5 * doy + 2) // 153
    cdef int64_t day = doy - (153 * mp + 2) // 5 + 1
    cdef int64_t month = mp + 3 if mp < 10 else mp - 9
    cdef int64_t year = (yoe + era * 400 + (1 if month <= 2 else 0)) % 10000
    cdef char* at = clock.iso
    at = _put_2(_put_2(at, year // 100), year % 100)
    at = _put_2(put(at, b"-", 1), month)
    at = _put_2(put(at, b"-", 1), day)
    at = _put_clock(put(at, b"T", 1), second % 86400)
    put(at, b".", 1)
    at = _put_2(clock.clf, day)
    at = put(put(at, b"/", 1), _MONTHS + 3 * (month - 1), 3)
    at = _put_2(_put_2(put(at, b"/", 1), year // 100), year % 100)
    at = _put_clock(put(at, b":", 1), second % 86400)
    put(at, b" +0000", 6)
    clock.second = second


cdef char* put_iso(char* at, Clock* clock, int64_t unix_ms) noexcept nogil:
    """Append RFC 3339 with milliseconds, UTC."""
    cdef int64_t ms = unix_ms % 1000
    if unix_ms // 1000 != clock.second:
        _set_second(clock, unix_ms // 1000)
    at = put(at, clock.iso, sizeof(clock.iso))
    at[0] = 48 + ms // 100
    at = _put_2(at + 1, ms % 100)
    return put(at, b"Z", 1)


cdef char* put_clf(char* at, Clock* clock, int64_t unix_ms) noexcept nogil:
    """Append the time as the common log format has it, UTC."""
    if unix_ms // 1000 != clock.second:
        _set_second(clock, unix_ms // 1000)
    return put(at, clock.clf, sizeof(clock.clf))


cdef char* put_seconds(char* at, int64_t unix_ms) noexcept nogil:
    """Append seconds since the epoch with three decimals."""
    return put_ms(at, unix_ms)
