"""Conditions; see conditions.pxd."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.http.head cimport (
    Field, Fields, fields_find, fields_find_name, fields_next,
)
from fastgw.ext.http.names cimport NAME_COOKIE, NAME_OTHER, NameId
from fastgw.ext.io.tls.identity cimport TLS_NAME, tls_text
from fastgw.ext.route.matcher cimport matcher_pattern, matcher_text
from fastgw.ext.route.plan cimport (
    OP_EXACT, OP_PRESENT, TEST_CLIENT, TEST_COOKIE, TEST_HEADER, TEST_LISTENER, TEST_QUERY,
    TEST_SERVER_NAME, RangeRow, TestRow,
)
from fastgw.ext.route.regex cimport re_find

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET
        AF_INET6

cdef enum:
    DECODED_BYTES = 8192        # of a parameter's value that a pattern is compared with


cdef bint tests_fit(
    const Matcher* m, const ExtraRow* extra, const RequestHead* head, const Facts* facts
) noexcept nogil:
    """Whether a request passes all tests."""
    cdef uint32_t i
    for i in range(extra.tests_n):
        if not _fits(m, &m.tests[extra.tests + i], head, facts):
            return False
    return True


cdef bint _fits(
    const Matcher* m, const TestRow* t, const RequestHead* head, const Facts* facts
) noexcept nogil:
    cdef int kind = t.kind
    if kind == TEST_HEADER:
        return _header_fits(m, t, <Fields*>&head.fields)
    if kind == TEST_QUERY:
        return _query_fits(m, t, head.query)
    if kind == TEST_COOKIE:
        return _cookies_fit(m, t, <Fields*>&head.fields)
    if facts == NULL:
        return False
    if kind == TEST_LISTENER:
        return facts.listener < 64 and t.bits >> facts.listener & 1
    if kind == TEST_CLIENT:
        return facts.client.family in (AF_INET, AF_INET6) and _in_ranges(
            m.ranges + t.first, t.n, facts.client.ip
        )
    return kind == TEST_SERVER_NAME and _name_fits(m, t, _server_name(facts))


cdef bint _value_fits(const Matcher* m, const TestRow* t, Span value) noexcept nogil:
    """Whether one value passes the test."""
    cdef void* pattern
    if t.op == OP_PRESENT:
        return True
    if t.op == OP_EXACT:
        return value.n == t.value.n and (
            memcmp(value.p, m.strings + t.value.at, value.n) == 0
        )
    pattern = matcher_pattern(m, t.regex)
    return pattern != NULL and re_find(pattern, value, True, NULL, 0)


# -- headers and cookies -----------------------------------------------------------------------

cdef Field* _first(const Matcher* m, const TestRow* t, Fields* fields) noexcept nogil:
    """The first row of the test's header."""
    if t.id != NAME_OTHER:
        return fields_find(fields, <NameId>t.id)
    return fields_find_name(fields, matcher_text(m, t.name))


cdef bint _header_fits(const Matcher* m, const TestRow* t, Fields* fields) noexcept nogil:
    """Whether any line of a header passes."""
    cdef Field* f = _first(m, t, fields)
    while f != NULL:
        if _value_fits(m, t, span(f.value, f.value_n)):
            return True
        f = fields_next(fields, f)
    return False


cdef bint _cookies_fit(const Matcher* m, const TestRow* t, Fields* fields) noexcept nogil:
    """Whether any cookie of the test's name passes (RFC 6265 section 4.2)."""
    cdef Field* f = fields_find(fields, NAME_COOKIE)
    while f != NULL:
        if _pairs_fit(m, t, span(f.value, f.value_n), 59, False):
            return True
        f = fields_next(fields, f)
    return False


# -- query -------------------------------------------------------------------------------------

cdef bint _query_fits(const Matcher* m, const TestRow* t, Span query) noexcept nogil:
    """Whether any parameter of the test's name passes."""
    return query.n != 0 and _pairs_fit(m, t, query, 38, True)


cdef bint _pairs_fit(
    const Matcher* m, const TestRow* t, Span text, int separator, bint encoded
) noexcept nogil:
    """Whether any `name=value` of a list passes."""
    cdef const char* p = text.p
    cdef const char* end = text.p + text.n
    cdef const char* stop
    cdef const char* equals
    cdef Span name, value
    while p < end:
        while p < end and not encoded and p[0] == 32:
            p += 1
        stop = <const char*>memchr(p, separator, end - p)
        stop = end if stop == NULL else stop
        equals = <const char*>memchr(p, 61, stop - p)
        name = span(p, (stop if equals == NULL else equals) - p)
        value = span(equals + 1, stop - equals - 1) if equals != NULL else span(stop, 0)
        if _pair_fits(m, t, name, value, encoded):
            return True
        p = stop + 1
    return False


cdef bint _pair_fits(
    const Matcher* m, const TestRow* t, Span name, Span value, bint encoded
) noexcept nogil:
    """Whether one pair has the test's name and passes."""
    cdef char decoded[DECODED_BYTES]
    cdef Span wanted = matcher_text(m, t.name)
    if not _is_coded(name) or not encoded:
        if name.n != wanted.n or memcmp(name.p, wanted.p, name.n) != 0:
            return False
    elif not _same_decoded(name, wanted):
        return False
    if not encoded or not _is_coded(value) or t.op == OP_PRESENT:
        return _value_fits(m, t, value)
    if t.op == OP_EXACT:
        return _same_decoded(value, matcher_text(m, t.value))
    if value.n > DECODED_BYTES:
        return False
    value.n = _decode(value, decoded)
    value.p = decoded
    return _value_fits(m, t, value)


cdef bint _is_coded(Span text) noexcept nogil:
    """Whether a text may say something else than its bytes."""
    return memchr(text.p, 37, text.n) != NULL or memchr(text.p, 43, text.n) != NULL


cdef inline int _digit(char c) noexcept nogil:
    """The value of a hexadecimal digit, -1 for anything else."""
    if 48 <= c <= 57:
        return c - 48
    c |= 32
    return c - 87 if 97 <= c <= 102 else -1


cdef inline int _next_byte(const char** at, const char* end) noexcept nogil:
    """The next byte of an encoded text; a `%` without two digits is itself."""
    cdef const char* p = at[0]
    cdef int high, low
    if p[0] == 37 and end - p > 2:
        high, low = _digit(p[1]), _digit(p[2])
        if high >= 0 and low >= 0:
            at[0] = p + 3
            return high << 4 | low
    at[0] = p + 1
    return 32 if p[0] == 43 else <uint8_t>p[0]


cdef bint _same_decoded(Span text, Span wanted) noexcept nogil:
    """Whether an encoded text says `wanted`."""
    cdef const char* p = text.p
    cdef const char* end = text.p + text.n
    cdef size_t i = 0
    while p < end and i < wanted.n:
        if _next_byte(&p, end) != <uint8_t>wanted.p[i]:
            return False
        i += 1
    return p == end and i == wanted.n


cdef size_t _decode(Span text, char* out) noexcept nogil:
    """Decode into `out`; how many bytes."""
    cdef const char* p = text.p
    cdef const char* end = text.p + text.n
    cdef size_t n = 0
    while p < end:
        out[n] = <char>_next_byte(&p, end)
        n += 1
    return n


# -- the connection --------------------------------------------------------------------------

cdef bint _in_ranges(const RangeRow* rows, uint32_t n, const uint8_t* ip) noexcept nogil:
    """Whether an address is in one of some ordered ranges."""
    cdef uint32_t low = 0, high = n, middle
    while low < high:
        middle = low + (high - low) // 2
        if memcmp(ip, rows[middle].high, 16) > 0:
            low = middle + 1
        else:
            high = middle
    return low < n and memcmp(ip, rows[low].low, 16) >= 0


cdef Span _server_name(const Facts* facts) noexcept with gil:
    """The server name that the client's TLS asked for; empty when there is none."""
    return tls_text(facts, TLS_NAME)


cdef bint _name_fits(const Matcher* m, const TestRow* t, Span name) noexcept nogil:
    """Whether a server name is one of the test's: exact, or below `.suffix`."""
    cdef uint32_t i
    cdef Span wanted
    for i in range(t.n):
        wanted = matcher_text(m, m.names[t.first + i])
        if name.n == wanted.n or (wanted.n and wanted.p[0] == 46 and name.n > wanted.n):
            if memcmp(name.p + (name.n - wanted.n), wanted.p, wanted.n) == 0:
                return name.n > 0 and (wanted.p[0] == 46) == (name.n > wanted.n)
    return False
