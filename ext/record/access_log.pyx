"""The access log; see access_log.pxd."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memmove, strlen
from posix.unistd cimport close, write
from fastgw.ext.base.reasons cimport decider_name, reason_row
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.exchange.waiting cimport waiting_name
from fastgw.ext.http.write cimport put, put_decimal
from fastgw.ext.upstream.contract cimport Endpoint

cdef enum:
    BUFFER_BYTES = 1048576      # lines that wait for the reader
    LINE_BOUND = 768            # a line besides the strings in it
    LONGEST = 2048              # bytes of a string that are logged


# -- JSON ------------------------------------------------------------------------------------

cdef char* _put_text(char* at, const char* text) noexcept nogil:
    return put(at, text, strlen(text))


cdef char* _put_string(char* at, Span s) noexcept nogil:
    """A JSON string. Controls are escaped, and so is everything past ASCII: what clients send
    need not be UTF-8, and must never reach a terminal raw."""
    cdef size_t i
    cdef size_t n = min(s.n, <size_t>LONGEST)
    cdef unsigned char c
    at = put(at, b'"', 1)
    for i in range(n):
        c = s.p[i]
        if 32 <= c < 127 and c != 34 and c != 92:
            at[0] = c
            at += 1
        elif c == 34 or c == 92:
            at[0] = 92
            at[1] = c
            at += 2
        else:
            at = put(at, b"\\u00", 4)
            at[0] = b"0123456789abcdef"[c >> 4]
            at[1] = b"0123456789abcdef"[c & 15]
            at += 2
    return put(at, b'"', 1)


cdef char* _put_pair(char* at, const char* name, Span value) noexcept nogil:
    at = _put_text(at, name)
    return _put_string(at, value)


cdef char* _put_count(char* at, const char* name, uint64_t value) noexcept nogil:
    at = _put_text(at, name)
    return put_decimal(at, value)


cdef char* _put_2(char* at, int value) noexcept nogil:
    at[0] = 48 + value // 10 % 10
    at[1] = 48 + value % 10
    return at + 2


cdef char* _put_time(char* at, int64_t unix_ms) noexcept nogil:
    """RFC 3339 with milliseconds, UTC. Days to date: the era arithmetic of a 400-year cycle."""
    cdef int64_t day = unix_ms // 86400000
    cdef int64_t ms = unix_ms % 86400000
    cdef int64_t z = day + 719468
    cdef int64_t era = z // 146097
    cdef int64_t doe = z - era * 146097
    cdef int64_t yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    cdef int64_t doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    cdef int64_t mp = (5 * doy + 2) // 153
    cdef int64_t month = mp + 3 if mp < 10 else mp - 9
    cdef int64_t year = yoe + era * 400 + (1 if month <= 2 else 0)
    at = put_decimal(at, year)
    at = put(at, b"-", 1)
    at = _put_2(at, month)
    at = put(at, b"-", 1)
    at = _put_2(at, doy - (153 * mp + 2) // 5 + 1)
    at = put(at, b"T", 1)
    at = _put_2(at, ms // 3600000)
    at = put(at, b":", 1)
    at = _put_2(at, ms // 60000 % 60)
    at = put(at, b":", 1)
    at = _put_2(at, ms // 1000 % 60)
    at = put(at, b".", 1)
    at[0] = 48 + ms // 100 % 10
    at = _put_2(at + 1, ms % 100)
    return put(at, b"Z", 1)


cdef char* _put_ms(char* at, const char* name, int64_t us) noexcept nogil:
    """Microseconds as milliseconds with three decimals."""
    if us < 0:
        us = 0
    at = _put_count(at, name, us // 1000)
    at[0] = 46
    at[1] = 48 + us // 100 % 10
    at[2] = 48 + us // 10 % 10
    at[3] = 48 + us % 10
    return at + 4


@cython.final
cdef class LogWriter(Handle):
    """See access_log.pxd. Takes `out` over: a descriptor that should not block."""

    def __cinit__(self, Engine engine not None, int out):
        self.engine = engine
        self.out = out
        self.buffer = <char*>malloc(BUFFER_BYTES)
        if self.buffer == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.buffer)
        if self.out >= 0:
            close(self.out)

    cdef char* reserve(self, size_t n) noexcept:
        """Room for `n` bytes, or NULL: the line is dropped and counted."""
        if self.used + n > BUFFER_BYTES:
            self.write_out()
        if self.used + n > BUFFER_BYTES:
            self.dropped += 1
            return NULL
        return self.buffer + self.used

    cdef void commit(self, size_t n) noexcept:
        """A line is there; it is written when the turn ends."""
        self.used += n
        self.lines += 1
        self.engine.do_later(self)

    cdef void on_later(self) noexcept:
        self.write_out()

    cdef void write_out(self) noexcept:
        """Write what is there; what the reader does not take now waits for the next line."""
        cdef ssize_t n
        if self.used == 0:
            return
        n = write(self.out, self.buffer, self.used)
        if n > 0:
            self.used -= n
            memmove(self.buffer, self.buffer + n, self.used)


@cython.final
cdef class AccessLog(Recorder):
    """See access_log.pxd."""

    def __init__(self, Engine engine not None, int out, Recorder following=None) -> None:
        self.engine = engine
        self.writer = LogWriter(engine, out)
        self.following = following

    @property
    def dropped(self) -> int:
        """Lines that there was no room for."""
        return self.writer.dropped

    def flush(self) -> None:
        """Write what waits, as far as the reader takes it."""
        self.writer.write_out()

    cdef void record(self, Exchange x) noexcept:
        """Put a line into the buffer."""
        cdef char* begin = self.writer.reserve(self.bound(x))
        if begin != NULL:
            self.writer.commit(self.put_line(begin, x) - begin)
        if self.following is not None:
            self.following.record(x)

    cdef size_t bound(self, Exchange x) noexcept:
        """The most that a line can need: six bytes for each byte of a string."""
        return LINE_BOUND + 6 * (
            min(x.request.method.n, <size_t>LONGEST) + min(x.request.path.n, <size_t>LONGEST)
            + min(x.request.host.n, <size_t>LONGEST) + 512
        )

    cdef char* put_line(self, char* at, Exchange x) noexcept:
        """Everything that is known about an exchange that ended."""
        cdef Span reason = span(NULL, 0)
        cdef const char* decider = decider_name(x.decided_by)
        cdef const char* waits = waiting_name(x.waiting_on)
        if x.reason:
            reason = span(reason_row(x.reason).name, reason_row(x.reason).name_n)
        at = put(at, b'{"time":"', 9)
        at = _put_time(at, (<Shared>x.dispatcher).unix_ms())
        at = _put_pair(at, b'","request_id":', span(x.request_id, x.request_id_n))
        if x.facts != NULL:
            at = _put_pair(at, b',"client":', span(x.facts.client.text, x.facts.client.text_n))
        at = _put_pair(at, b',"method":', x.request.method)
        at = _put_pair(at, b',"host":', x.request.host)
        at = _put_pair(at, b',"path":', x.request.path)
        at = _put_count(at, b',"status":', x.response.status)
        at = _put_pair(at, b',"reason":', reason)
        at = _put_pair(at, b',"decided_by":', span(decider, strlen(decider)))
        at = _put_pair(at, b',"waiting_on":', span(waits, strlen(waits)))
        if x.route != NULL:
            at = _put_pair(at, b',"route":', x.route_name)
        if x.endpoint is not None:
            at = _put_pair(at, b',"upstream":', (<Endpoint>x.endpoint).label())
        at = _put_count(at, b',"tries":', x.tries)
        at = _put_count(at, b',"request_bytes":', x.request_bytes)
        at = _put_count(at, b',"response_bytes":', x.response_bytes)
        at = _put_ms(at, b',"total_ms":', x.times.end - x.times.begin)
        if x.times.response:
            at = _put_ms(at, b',"upstream_ms":', x.times.response - x.times.attempt)
        return put(at, b"}\n", 2)
