"""Answer; see answer.pxd."""

from libc.string cimport memchr, memcmp
from fastgw.ext.load.clock cimport now_ns
from fastgw.ext.load.histogram cimport count_value
from fastgw.ext.load.syscalls cimport memmem, strncasecmp

cdef enum:
    MOST_DIGITS = 18            # of a number that surely fits into 64 bits
    OP_TEXT = 1
    OP_BINARY = 2
    OP_CLOSE = 8
    OP_PING = 9
    OP_PONG = 10


cdef size_t take_answer(
    Answer* a, const Step* s, const char* p, size_t n, Verdict* verdict
) noexcept nogil:
    """Read on; how many bytes were taken. What is left over with A_MORE comes again, with more
    behind it; what is left over with A_DONE belongs to the next answer."""
    cdef size_t taken = 0
    cdef int64_t m
    verdict[0] = A_MORE
    while verdict[0] == A_MORE:
        if a.reading == R_HEAD:
            m = _take_head(a, s, p + taken, n - taken, verdict)
        elif a.reading == R_CHUNK_LINE:
            m = _take_chunk_line(a, p + taken, n - taken, verdict)
        elif a.reading == R_TRAILER:
            m = _take_trailer(a, s, p + taken, n - taken, verdict)
        elif a.reading == R_FRAME:
            m = _take_frame(s, p + taken, n - taken, verdict)
        else:
            m = _take_body(a, s, p + taken, n - taken, verdict)
        if m == 0:
            break
        taken += <size_t>m
    return taken


cdef bint ended_well(Answer* a, const Step* s) noexcept nogil:
    """The connection has ended: whether that was the end of this answer."""
    return a.reading == R_CLOSE and (s.want_n < 0 or a.seen == s.want_n)


cdef int64_t _number(const char* p, const char* end, int base) noexcept nogil:
    """The number at p after blanks; -1: none, or too long a one."""
    cdef int64_t found = 0
    cdef int digits = 0, d
    while p < end and (p[0] == c' ' or p[0] == c'\t'):
        p += 1
    while p < end:
        d = p[0]
        if c'0' <= d <= c'9':
            d -= c'0'
        elif base == 16 and c'a' <= (d | 32) <= c'f':
            d = (d | 32) - c'a' + 10
        else:
            break
        if digits == (15 if base == 16 else MOST_DIGITS):
            return -1
        found = found * base + d
        digits += 1
        p += 1
    return found if digits else -1


cdef bint _says(const char* p, const char* end, const char* what, size_t n) noexcept nogil:
    """Whether a value, to the end of its line, holds a word."""
    while p + n <= end and p[0] != c'\r':
        if strncasecmp(p, what, n) == 0:
            return True
        p += 1
    return False


cdef int64_t _take_head(
    Answer* a, const Step* s, const char* p, size_t n, Verdict* verdict
) noexcept nogil:
    """A whole head, or nothing."""
    cdef const char* stop = <const char*>memmem(p, n, b"\r\n\r\n", 4)
    cdef const char* line = p
    cdef int64_t status, length = -1
    cdef bint chunked = False
    if stop == NULL:
        return 0
    if stop - p < 12 or memcmp(p, <const char*>b"HTTP/1.", 7):
        verdict[0] = A_BROKEN
        return 0
    a.closes = p[7] == c'0'
    status = _number(p + 8, p + 12, 10)
    while True:
        line = <const char*>memchr(line, c'\n', <size_t>(stop + 2 - line))
        if line == NULL or line >= stop:
            break
        line += 1
        if (line[0] | 32) == c'c':
            if strncasecmp(line, b"content-length:", 15) == 0:
                length = _number(line + 15, stop, 10)
            elif strncasecmp(line, b"connection:", 11) == 0:
                a.closes = _says(line + 11, stop, b"close", 5) or (
                    a.closes and not _says(line + 11, stop, b"keep-alive", 10)
                )
        elif (line[0] | 32) == c't' and strncasecmp(line, b"transfer-encoding:", 18) == 0:
            chunked = _says(line + 18, stop, b"chunked", 7)
    if 100 <= status < 200 and status != 101:
        return stop + 4 - p             # an interim answer: the next head is the real one
    _begin_body(a, s, status, length, chunked, verdict)
    return stop + 4 - p


cdef void _begin_body(
    Answer* a, const Step* s, int64_t status, int64_t length, bint chunked, Verdict* verdict
) noexcept nogil:
    """The framing by RFC 9112 section 6.3."""
    if s.status:
        a.wrong_status = status != s.status
    else:
        a.wrong_status = not 200 <= status <= 399
    a.seen = 0
    a.left = length
    if status == 101 or status == 204 or status == 304 or s.no_body:
        verdict[0] = A_DONE
    elif chunked:
        a.reading = R_CHUNK_LINE
    elif length < 0:
        a.reading = R_CLOSE
        a.closes = True
    elif length == 0:
        _end_body(a, s, verdict)
    else:
        a.reading = R_LENGTH


cdef void _end_body(Answer* a, const Step* s, Verdict* verdict) noexcept nogil:
    a.reading = R_HEAD
    # The body of an error page is nobody's expectation.
    if s.want_n >= 0 and a.seen != s.want_n and not a.wrong_status:
        verdict[0] = A_BODY
    else:
        verdict[0] = A_DONE


cdef int64_t _take_body(
    Answer* a, const Step* s, const char* p, size_t n, Verdict* verdict
) noexcept nogil:
    """As much of a body, or of a chunk, as there is."""
    cdef int64_t m = <int64_t>n
    if a.reading != R_CLOSE and m > a.left:
        m = a.left
    if m and not _is_right(a, s, p, m):
        verdict[0] = A_BODY
        return 0
    if m and a.events != NULL:
        _take_events(a, p, m)
    a.seen += m
    if a.reading == R_CLOSE:
        return m
    a.left -= m
    if a.left:
        return m
    if a.reading == R_LENGTH:
        _end_body(a, s, verdict)
        return m
    if <int64_t>n - m < 2:
        return m                        # the chunk's CRLF is still to come
    if memcmp(p + m, <const char*>b"\r\n", 2):
        verdict[0] = A_BROKEN
        return 0
    a.reading = R_CHUNK_LINE
    return m + 2


cdef bint _is_right(Answer* a, const Step* s, const char* p, int64_t m) noexcept nogil:
    """Whether these bytes of the body are those that were expected."""
    if s.want_n < 0 or a.wrong_status:
        return True
    return a.seen + m <= s.want_n and memcmp(s.want + a.seen, p, <size_t>m) == 0


cdef int64_t _take_chunk_line(
    Answer* a, const char* p, size_t n, Verdict* verdict
) noexcept nogil:
    """The size of a chunk."""
    cdef const char* end = <const char*>memchr(p, c'\n', n)
    if end == NULL:
        return 0
    a.left = _number(p, end, 16)
    if a.left < 0:
        verdict[0] = A_BROKEN
        return 0
    a.reading = R_CHUNK if a.left else R_TRAILER
    return end + 1 - p


cdef int64_t _take_trailer(
    Answer* a, const Step* s, const char* p, size_t n, Verdict* verdict
) noexcept nogil:
    """A line of the trailers; the empty one ends them."""
    cdef const char* end = <const char*>memchr(p, c'\n', n)
    if end == NULL:
        return 0
    if end - p <= 1:
        _end_body(a, s, verdict)
    return end + 1 - p


cdef int64_t _take_frame(
    const Step* s, const char* text, size_t n, Verdict* verdict
) noexcept nogil:
    """A whole frame from a server (not masked); control frames but close are passed over."""
    cdef const unsigned char* p = <const unsigned char*>text
    cdef size_t head = 2
    cdef int64_t length, i
    cdef int op
    if n < 2:
        return 0
    length = p[1] & 127
    if length >= 126:
        head = 4 if length == 126 else 10
        if n < head:
            return 0
        length = 0
        for i in range(2, <int64_t>head):
            length = length << 8 | p[i]
    op = p[0] & 15
    if p[1] & 128 or length < 0 or op == OP_CLOSE:
        verdict[0] = A_BROKEN
        return 0
    if <int64_t>(n - head) < length:
        return 0
    if op == OP_TEXT or op == OP_BINARY:
        verdict[0] = A_DONE
        if s.want_n >= 0 and (length != s.want_n or memcmp(p + head, s.want, <size_t>length)):
            verdict[0] = A_BODY
    elif op != OP_PING and op != OP_PONG:
        verdict[0] = A_BROKEN
    return <int64_t>head + length


cdef void _take_events(Answer* a, const char* p, int64_t n) noexcept nogil:
    """Events are `data: N` lines, N the time in ns at which each was sent."""
    cdef int64_t i, now = 0
    for i in range(n):
        if c'0' <= p[i] <= c'9':
            a.number = (0 if a.number < 0 else a.number) * 10 + (p[i] - c'0')
        elif a.number >= 0:
            if now == 0:
                now = now_ns()
            count_value(a.events.delays, now - a.number)
            a.events.count += 1
            a.number = -1
