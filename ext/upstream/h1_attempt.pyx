"""Attempts over HTTP/1.1; see h1_attempt.pxd."""

cimport cython
from libc.string cimport memset
from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Outcome
from fastgw.ext.http.chunk_writer cimport write_chunk, write_trailers
from fastgw.ext.http.head cimport BODY_CHUNKED, Fields
from fastgw.ext.io.connect cimport connect_into
from fastgw.ext.io.stream cimport S_DRAIN_FIRST
from fastgw.ext.upstream.h1 cimport U_CONNECTING, U_TUNNEL, H1Connection
from fastgw.ext.upstream.h1_link cimport D_CONNECT, D_HEAD
from fastgw.ext.upstream.h1_request cimport announce_client, write_request_head

cdef enum:
    USER_TIMEOUT_MS = 90000     # the kernel's last resort, past the default `idle`


cdef H1Attempt new_attempt(Exchange x, Endpoint endpoint, HostMode mode, bytes host_text):
    """An attempt of `x` at `endpoint`; None fails in `begin`, as the last one failed."""
    cdef H1Attempt a = H1Attempt.__new__(H1Attempt)
    a.aim(x, endpoint, mode, host_text)
    return a


@cython.no_gc
@cython.final
cdef class H1Attempt(LinkedAttempt):
    """See h1.pxd."""

    cdef void begin(self) noexcept:
        """An idle connection if there is one, else a new one."""
        cdef Endpoint e = <Endpoint>self.endpoint
        cdef H1Connection c
        if self.endpoint is None:
            self.refuse_all()
            return
        self.account(e)
        if not self.x.fresh_only:
            c = <H1Connection>e.pool.acquire(self)
            if c is not None:
                self.connection = c
                c.start(self)
                self.x.on_attempt_ready(self)
                return
        self.connect(e)

    cdef void connect(self, Endpoint e) noexcept:
        """Open a connection; how it ends is told later, never within this call."""
        cdef H1Connection c = H1Connection()
        c.pool = e.pool
        c.state = U_CONNECTING
        c.attempt = self
        c.stream = e.new_stream()
        connect_into(c.stream, self.x.engine, c, e.address, e.address_n, USER_TIMEOUT_MS)
        if e.send_proxy and e.tls is not None:
            announce_client(c.stream, self.x, e.send_proxy)     # before TLS begins
        c.stream.flags |= S_DRAIN_FIRST
        e.pool.busy += 1
        self.connection = c
        c.set_deadline(D_CONNECT, self.x.timeouts.connect)

    cdef void send_head(self, bint last) noexcept:
        """See contract.pxd."""
        cdef H1Connection c = self.connection
        if not write_request_head(c.stream, self.x, self, self.host()):
            c.fail(c.unwritten())
            return
        self.chunked = self.x.request.framing == BODY_CHUNKED
        if last:
            c.request_whole()
        elif self.x.awaits_continue:
            c.set_deadline(D_HEAD, self.x.timeouts.response_head)

    cdef bint send_chunk(self, Chunk* c, bint last) noexcept:
        """See contract.pxd."""
        cdef H1Connection conn = self.connection
        cdef bint room = True
        if conn is None or conn.stream is None:
            chunk_release(c)
            return False
        if conn.state == U_TUNNEL:
            return self.send_opaque(c, last)
        self.accepted = conn.stream.bytes_out - conn.sent_before
        if self.chunked:
            room = write_chunk(conn.stream, c, last)
        elif c.n:
            room = conn.stream.write(c)
        else:
            chunk_release(c)
        if last:
            conn.request_whole()
        elif not room or conn.deadline.kind == D_HEAD:
            conn.watch()
        return room

    cdef bint send_opaque(self, Chunk* c, bint last) noexcept:
        """Bytes of a tunnel; the client's end is passed on as a FIN."""
        cdef H1Connection conn = self.connection
        cdef bint room = True
        if c.n:
            room = conn.stream.write(c)
        else:
            chunk_release(c)
        conn.watch()
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
            c.fail(c.unwritten())
            return
        c.request_whole()

    cdef void ask_body(self, bint on) noexcept:
        """See contract.pxd."""
        cdef H1Connection c = self.connection
        if c is None or c.stream is None or self.whole:
            return
        if on:
            c.resume_reading()
            return
        c.asked = False
        if not c.reading:
            c.stream.pause()
        c.watch()

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
            outcome.head_seen = self.head_seen
            c.attempt = None
            c.flush = c.state == U_TUNNEL
            c.cut = not c.flush
            c.pool.discard(c)
        self.end(&outcome)
