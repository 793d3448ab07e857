"""HTTP/1.1 from the client; see h1.pxd."""

cimport cython
from libc.string cimport memcpy
from fastgw.ext.base.buffers cimport Chunk, chunk_release
from fastgw.ext.base.networks cimport Networks
from fastgw.ext.base.reasons cimport REASON_DRAINING, REASON_MEMORY, Reason
from fastgw.ext.downstream.h1_ends cimport (
    K_KEEPALIVE, R_CHUNKED, R_HEAD, R_LENGTH, R_LINGER, R_TUNNEL, R_WHOLE,
)
from fastgw.ext.downstream.h1_response cimport (
    W_CHUNKED, W_CLOSE, W_LENGTH, W_NOTHING, W_TUNNEL, choose_framing, write_informational,
    write_response_head,
)
from fastgw.ext.exchange.tunnel cimport drain_tunnel
from fastgw.ext.http.chunk_writer cimport write_chunk, write_trailers
from fastgw.ext.http.head cimport Fields, ResponseHead
from fastgw.ext.io.address cimport learn_local
from fastgw.ext.io.stream cimport Stream
from fastgw.ext.route.snapshot cimport Snapshot

cdef enum:
    DISCARD_BYTES = 65536       # more unread body than this ends the connection


@cython.final
cdef class H1Server(H1Connections):
    """See h1.pxd."""

    cdef void on_accept(self, Stream s) noexcept:
        """A client connected."""
        cdef H1Downstream d = H1Downstream.__new__(H1Downstream)
        cdef H1Codec codec = H1Codec.__new__(H1Codec)
        cdef Snapshot snapshot = self.dispatcher.snapshot
        self.accepted += 1
        codec.down = d
        s.codec = codec
        d.server = self
        d.stream = s
        d.facts = s.facts
        d.accepted_us = s.engine.now_us
        d.trusted = snapshot.trusted is not None and (
            (<Networks>snapshot.trusted).contains(s.facts.client.ip)
        )
        if self.learns:
            learn_local(s)
        self.connections.add(d)
        d.set_read_deadline(K_KEEPALIVE, snapshot.timeouts.keepalive)

    def drain(self, on_empty) -> None:
        """Close what is idle, let the rest end with its answer; then call `on_empty()`."""
        cdef H1Downstream d
        self.dispatcher.draining = True
        self.on_empty = on_empty
        for d in list(self.connections):
            if d.state == R_HEAD and d.partial == NULL and d.kept.n == 0:
                d.close()
            elif d.writing == W_TUNNEL and d.x is not None:
                drain_tunnel(d.x)
        if not self.connections:
            on_empty()

    def abort(self) -> None:
        """Close every connection at once."""
        cdef H1Downstream d
        for d in list(self.connections):
            d.lose(REASON_DRAINING)


@cython.no_gc
@cython.final
cdef class H1Codec(Codec):
    """See h1.pxd."""

    cdef void on_bytes(self, Chunk* c) noexcept:
        self.down.on_bytes(c)

    cdef void on_room(self) noexcept:
        self.down.on_stream_room()

    cdef void on_eof(self) noexcept:
        self.down.on_client_end()

    cdef void on_half_closed(self) noexcept:
        self.down.on_client_half_closed()

    cdef void on_gone(self, Reason why) noexcept:
        self.down.on_stream_gone(why)


@cython.no_gc
@cython.final
cdef class H1Downstream(H1Reading):
    """See h1.pxd."""

    # -- the request's body -----------------------------------------------------------------

    cdef void ask_body(self, Exchange x, bint on) noexcept:
        """See contract.pxd. The first `on` sends the 100 that the client waits for."""
        self.asked = on
        if self.state != R_LENGTH and self.state != R_CHUNKED and self.state != R_TUNNEL:
            return
        if not on:
            if self.state != R_TUNNEL:
                self.stream.engine.wheel.clear(&self.reads)
            return
        if self.expects:
            self.expects = False
            if not self.write_text(b"HTTP/1.1 100 Continue\r\n\r\n", 25):
                return
        if self.state != R_TUNNEL:
            self.watch_body()
        self.resume_reading()
        if self.state == R_TUNNEL and self.eof and self.kept.n == 0:
            self.end_opaque()           # its FIN came before the tunnel was open

    # -- the answer -------------------------------------------------------------------------

    cdef bint write_text(self, const char* p, size_t n) noexcept:
        """Queue a constant; False, and closed, without memory."""
        cdef char* at = self.stream.reserve(n)
        if at == NULL:
            self.lose(REASON_MEMORY)
            return False
        memcpy(at, p, n)
        self.stream.commit(n)
        return True

    cdef bint may_persist(self, Exchange x, WriteFraming framing) noexcept:
        """Whether the client may send another request on this connection.

        An answer of the gateway's own to a body of which much is to come, or to a client that
        still waits for its 100, ends the connection: reading on would cost more than it is
        worth, or guess whether the body is sent at all (RFC 9110 section 10.1.1)."""
        if not self.persistent or self.eof or framing == W_CLOSE or framing == W_TUNNEL:
            return False
        if self.server.dispatcher.draining or self.expects:
            return False
        if x.winner is None and self.state == R_LENGTH and self.left > DISCARD_BYTES:
            return False
        return True

    cdef void send_informational(self, Exchange x, ResponseHead* head) noexcept:
        """See contract.pxd; HTTP/1.0 knows no 1xx."""
        if not self.old and not self.head_sent and not write_informational(self.stream, head):
            self.lose(REASON_MEMORY)

    cdef void send_head(self, Exchange x, bint last) noexcept:
        """See contract.pxd."""
        cdef WriteFraming framing = choose_framing(x, last, self.old)
        self.persistent = self.may_persist(x, framing)
        self.writing = framing
        self.head_sent = True
        if not write_response_head(self.stream, x, framing, self.persistent, self.old):
            self.lose(REASON_MEMORY)

    cdef bint send_chunk(self, Exchange x, Chunk* c, bint last) noexcept:
        """See contract.pxd."""
        cdef bint room = True
        if self.writing == W_CHUNKED:
            room = write_chunk(self.stream, c, last)
        elif self.writing == W_NOTHING or c.n == 0:
            chunk_release(c)
        else:
            room = self.stream.write(c)
        if self.writing == W_TUNNEL and last:
            self.stream.half_close()
        if not room and not last:
            self.mark_stall()
        return room

    cdef Stream relay_end(self):
        """See contract.pxd."""
        return self.stream if self.writing == W_LENGTH else None

    cdef void send_trailers(self, Exchange x, Fields* trailers) noexcept:
        """See contract.pxd; only chunked framing has a place for them."""
        if self.writing == W_CHUNKED and not write_trailers(self.stream, trailers):
            self.lose(REASON_MEMORY)

    cdef void open_tunnel(self, Exchange x) noexcept:
        """See contract.pxd."""
        self.state = R_TUNNEL
        self.asked = False
        self.attend()

    cdef void reset(self, Exchange x, Reason why) noexcept:
        """See contract.pxd. Where only the connection's end shows the body's end, or nothing
        was said at all, an orderly close would look like success: reset. A tunnel has said
        goodbye in its own way, or can't; what it said shall arrive."""
        self.x = None
        if self.stream is not None and self.writing == W_TUNNEL:
            self.linger()
        elif self.stream is not None:
            self.stream.reset(why)
            self.let_go()

    cdef void finish(self, Exchange x) noexcept:
        """See contract.pxd."""
        self.x = None
        if self.stream is None:
            return
        self.stream.engine.wheel.clear(&self.writes)
        if self.state == R_WHOLE:
            self.next_request()
        elif self.state == R_LENGTH or self.state == R_CHUNKED:
            self.discard_rest()
        elif self.state == R_LINGER:
            self.linger()
        else:
            self.close()

    cdef void on_stream_room(self) noexcept:
        """The client takes bytes again."""
        self.stream.engine.wheel.clear(&self.writes)
        if self.x is not None:
            self.x.on_room()
        elif self.state == R_HEAD:
            self.resume_reading()
