"""An attempt over HTTP/1.1; see h1_attempt.pxd."""

cimport cython
from libc.string cimport memset
from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.base.debug cimport ATTEMPTS, debug_born, debug_died
from fastgw.ext.base.reasons cimport (
    REASON_CONNECT_FAILED, REASON_MEMORY, REASON_NO_ENDPOINT,
)
from fastgw.ext.base.span cimport span
from fastgw.ext.http.chunk_writer cimport write_chunk, write_trailers
from fastgw.ext.http.head cimport BODY_CHUNKED, Fields
from fastgw.ext.io.connect cimport connect_stream
from fastgw.ext.io.stream cimport S_DRAIN_FIRST
from fastgw.ext.upstream.h1_connection cimport (
    D_CONNECT, D_IDLE, U_CONNECTING, U_TUNNEL, H1Connection,
)
from fastgw.ext.upstream.h1_request cimport write_request_head

cdef enum:
    USER_TIMEOUT_MS = 90000     # the kernel's last resort, past the default `idle`


cdef H1Attempt new_attempt(Exchange x, Endpoint endpoint, HostMode mode, bytes host_text):
    """An attempt of `x` at `endpoint`; None fails in `begin`, as the last one failed."""
    cdef H1Attempt a = H1Attempt.__new__(H1Attempt)
    a.x = x
    a.endpoint = endpoint
    a.host_mode = mode
    a.host_text = host_text
    debug_born(ATTEMPTS)
    return a


@cython.no_gc
@cython.final
cdef class H1Attempt(Borrower):
    """See h1_attempt.pxd."""

    def __dealloc__(self):
        debug_died(ATTEMPTS)

    cdef void begin(self) noexcept:
        """An idle connection if there is one, else a new one."""
        cdef Endpoint e = <Endpoint>self.endpoint
        cdef H1Connection c
        if self.endpoint is None:
            self.refuse(self.why_none())
            return
        self.begun = True
        e.begin()
        if not self.x.fresh_only:
            c = <H1Connection>e.pool.acquire(self)
            if c is not None:
                self.connection = c
                c.start(self)
                self.on_connected()
                return
        self.connect(e)

    cdef Reason why_none(self) noexcept:
        """No endpoint is left: why the last one that was tried failed, or that there is none."""
        cdef list tried = self.x.tried
        if not tried:
            return REASON_NO_ENDPOINT
        return (<Endpoint>tried[len(tried) - 1]).last_failure

    cdef void connect(self, Endpoint e) noexcept:
        """Open a connection; how it ends is told later, never within this call."""
        cdef H1Connection c = H1Connection()
        c.endpoint = e
        c.pool = e.pool
        c.state = U_CONNECTING
        c.attempt = self
        c.stream = connect_stream(
            self.x.engine, c, e.address, e.address_n, USER_TIMEOUT_MS
        )
        if c.stream is None:
            c.attempt = None
            self.refuse(REASON_CONNECT_FAILED)
            return
        c.stream.flags |= S_DRAIN_FIRST         # an answer before an RST counts
        e.pool.busy += 1
        self.connection = c
        c.set_deadline(D_CONNECT, self.x.timeouts.connect)

    cdef void refuse(self, Reason why) noexcept:
        """Fail before there is a connection."""
        cdef Outcome outcome
        cdef Exchange x = self.x
        memset(&outcome, 0, sizeof(outcome))
        outcome.reason = why
        outcome.nowhere = self.endpoint is None
        self.end(&outcome)
        x.on_attempt_failed(self, &outcome)

    cdef void on_connected(self) noexcept:
        """See h1_connection.pxd."""
        self.x.on_attempt_ready(self)

    cdef void send_head(self, bint last) noexcept:
        """See contract.pxd."""
        cdef H1Connection c = self.connection
        if not write_request_head(c.stream, self.x, self, self.host()):
            c.fail(REASON_MEMORY)
            return
        self.chunked = self.x.request.framing == BODY_CHUNKED
        if last:
            c.request_whole()

    cdef Span host(self) noexcept:
        """What the Host field says."""
        cdef bytes text = self.host_text
        if self.host_mode == HOST_KEEP and self.x.request.authority.n:
            return self.x.request.authority
        if self.host_mode != HOST_FIXED:
            text = (<Endpoint>self.endpoint).authority
        return span(<const char*>text, len(text))

    cdef bint send_chunk(self, Chunk* c, bint last) noexcept:
        """See contract.pxd."""
        cdef H1Connection conn = self.connection
        cdef bint room = True
        if conn is None or conn.stream is None:
            chunk_release(c)
            return False
        if conn.state == U_TUNNEL:
            return self.send_opaque(c, last)
        if self.chunked:
            room = write_chunk(conn.stream, c, last)
        elif c.n:
            room = conn.stream.write(c)
        else:
            chunk_release(c)
        if last:
            conn.request_whole()
        elif not room:
            conn.mark_stall()
        return room

    cdef bint send_opaque(self, Chunk* c, bint last) noexcept:
        """Bytes of a tunnel; the client's end is passed on as a FIN."""
        cdef H1Connection conn = self.connection
        cdef bint room = True
        if c.n:
            room = conn.stream.write(c)
        else:
            chunk_release(c)
        conn.set_deadline(D_IDLE, self.x.timeouts.idle)
        if last:
            conn.stream.half_close()
            conn.request_whole()
        return room

    cdef void send_trailers(self, Fields* trailers) noexcept:
        """See contract.pxd; without chunked framing there is no place for them."""
        cdef H1Connection c = self.connection
        if c is None or c.stream is None:
            return
        if self.chunked and not write_trailers(c.stream, trailers):
            c.fail(REASON_MEMORY)
            return
        c.request_whole()

    cdef void ask_body(self, bint on) noexcept:
        """See contract.pxd."""
        cdef H1Connection c = self.connection
        if c is None or c.stream is None:
            return
        if on:
            c.resume_reading()
            return
        c.asked = False
        if not c.reading:
            c.stream.pause()
        c.stream.engine.wheel.clear(&c.deadline)

    cdef void open_tunnel(self) noexcept:
        """See contract.pxd; the connection reads opaque bytes since the 101."""

    cdef void cancel(self, Reason why) noexcept:
        """See contract.pxd."""
        cdef Outcome outcome
        cdef H1Connection c = self.connection
        if self.x is None:
            return
        memset(&outcome, 0, sizeof(outcome))
        outcome.reason = why
        self.connection = None
        if c is not None:
            outcome.connected = c.state != U_CONNECTING
            c.attempt = None
            c.persistent = False
            c.pool.discard(c)
        self.end(&outcome)

    cdef void on_lost(self, const Outcome* outcome) noexcept:
        """See h1_connection.pxd."""
        self.end(outcome)

    cdef void on_finished(self) noexcept:
        """See h1_connection.pxd."""
        cdef Outcome outcome
        memset(&outcome, 0, sizeof(outcome))
        outcome.connected = outcome.sent = outcome.head_seen = True
        self.end(&outcome)

    cdef void end(self, const Outcome* outcome) noexcept:
        """Account for it, once, and let the exchange go."""
        cdef Exchange x = self.x
        self.x = None
        if self.begun:
            self.begun = False
            (<Endpoint>self.endpoint).end(outcome, x.engine.now_ms)
