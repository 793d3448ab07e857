"""From request to request, and the end; see h1_ends.pxd."""

cimport cython
from fastgw.ext.base.buffers cimport buffer_release, chunk_release
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.reasons cimport (
    REASON_BODY_TIMEOUT, REASON_CLIENT_EOF, REASON_CLIENT_RESET, REASON_CLIENT_STALLED,
    REASON_HEAD_TIMEOUT, REASON_KEEPALIVE_TIMEOUT, REASON_NONE,
)
from fastgw.ext.io.progress cimport bytes_taken
from fastgw.ext.io.stream cimport S_PATIENT, S_READABLE, S_STARVED
from fastgw.ext.route.snapshot cimport Snapshot

cdef enum:
    DISCARD_BYTES = 65536       # unread body that is read away to keep a connection
    LEAVING_MS = 200            # until it is asked how far a client is that should have all

# `taken_at_mark` before anybody asked.
cdef uint64_t UNKNOWN = <uint64_t>-1


cdef void _read_due(void* owner, int kind) noexcept:
    (<H1Ends>owner).on_read_deadline(kind)


cdef void _write_due(void* owner, int kind) noexcept:
    (<H1Ends>owner).on_write_deadline()


cdef class H1Connections(Acceptor):
    """See h1_ends.pxd."""

    def __init__(self, Dispatcher dispatcher not None) -> None:
        self.dispatcher = dispatcher
        self.connections = set()

    cdef void forget(self, H1Ends d) noexcept:
        """A connection is gone."""
        self.connections.discard(d)
        if not self.connections and self.on_empty is not None:
            try:
                self.on_empty()
            except Exception as error:
                self.dispatcher.say("error", f"draining: {error!r}")

    def __len__(self) -> int:
        return len(self.connections)


@cython.no_gc
cdef class H1Ends(Downstream):
    """See h1_ends.pxd."""

    def __cinit__(self):
        deadline_init(&self.reads, <void*>self, _read_due)
        deadline_init(&self.writes, <void*>self, _write_due)

    def __dealloc__(self):
        self.drop_partial()
        chunk_release(&self.kept)

    # -- between requests -------------------------------------------------------------------

    cdef void next_request(self) noexcept:
        """The request was read whole and answered."""
        if not self.persistent or self.eof:
            self.end_connection()
            return
        self.state = R_HEAD
        self.set_read_deadline(K_KEEPALIVE, self.server.dispatcher.snapshot.timeouts.keepalive)
        self.resume_reading()
        self.leave_if_draining()

    cdef void leave_if_draining(self) noexcept:
        """A worker that ends serves no connection that is between requests. What was received
        is looked at first: a pipelined request gets its answer."""
        if (
            self.server.dispatcher.draining and self.state == R_HEAD and not self.consuming
            and self.partial == NULL and self.kept.n == 0
        ):
            self.end_connection()

    cdef void end_connection(self) noexcept:
        """Nothing more is served here. What the client may have sent already must not meet a
        closed socket, whose reset could destroy the answer on its way (RFC 9112 section 9.6)."""
        if self.kept.n or self.stream.flags & S_READABLE or (
            not self.eof and not self.client_closes
        ):
            self.linger()
        else:
            self.close()

    cdef void discard_rest(self) noexcept:
        """Answered before the request was read whole: read a little away, or end."""
        self.stream.set_bulk(False)
        if not self.persistent or (self.state == R_LENGTH and self.left > DISCARD_BYTES):
            self.linger()
            return
        self.chunked_in = self.state == R_CHUNKED
        self.state = R_DISCARD
        self.budget = DISCARD_BYTES
        self.set_read_deadline(K_LINGER, self.server.dispatcher.snapshot.timeouts.linger)
        self.resume_reading()

    cdef void linger(self) noexcept:
        """Say that nothing more will come, and read away what does, within bounds."""
        self.state = R_LINGER
        self.budget = LINGER_BYTES
        self.attend()
        self.drop_partial()
        self.set_read_deadline(K_LINGER, self.server.dispatcher.snapshot.timeouts.linger)
        self.mark_stall()
        self.stream.set_bulk(False)
        self.stream.half_close()
        self.resume_reading()

    cdef void close(self) noexcept:
        """End the connection once what is queued was sent."""
        self.state = R_CLOSED
        self.stream.engine.wheel.clear(&self.reads)
        self.mark_leaving()
        self.stream.close()

    # -- ends -------------------------------------------------------------------------------

    cdef void on_client_half_closed(self) noexcept:
        """A FIN was seen though bytes are unread. A request that is whole can be judged now,
        and of a connection that is being closed nothing is left to read."""
        if self.x is None and self.state == R_LINGER:
            self.close()
        elif self.state == R_WHOLE and self.x is not None and self.cancels_at_eof():
            self.lose(REASON_CLIENT_EOF)

    cdef void on_client_end(self) noexcept:
        """The client ended its side. Before the request is whole that ends it; afterwards
        `on_client_eof` decides."""
        self.eof = True
        if self.state == R_TUNNEL:
            self.end_opaque()
        elif self.x is None:
            self.close()
        elif self.state != R_WHOLE or self.cancels_at_eof():
            self.lose(REASON_CLIENT_EOF)

    cdef bint cancels_at_eof(self) noexcept:
        """Whether a client that ended its side is taken to have left."""
        return self.x.route == NULL or self.x.route.client_eof == 0

    cdef void end_opaque(self) noexcept:
        """The client's direction of a tunnel is over; the other one goes on."""
        cdef Chunk empty
        empty.p, empty.n, empty.owner = NULL, 0, NULL
        self.state = R_WHOLE
        self.asked = False
        self.x.on_request_chunk(&empty, True)

    cdef void on_stream_gone(self, Reason why) noexcept:
        """The connection is gone, by whoever's doing."""
        cdef Exchange x = self.x
        self.x = None
        if self.stream is not None:
            self.let_go()
        if x is not None:
            x.on_gone(why if why != REASON_NONE else REASON_CLIENT_RESET)

    cdef void lose(self, Reason why) noexcept:
        """Give the connection up, and the exchange with it."""
        cdef Exchange x = self.x
        self.x = None
        if self.stream is not None:
            self.stream.abort(why)
            self.let_go()
        if x is not None:
            x.on_gone(why)

    cdef void let_go(self) noexcept:
        """Nothing holds this connection any more."""
        cdef Stream s = self.stream
        self.state = R_CLOSED
        self.asked = False
        self.stream = None
        s.engine.wheel.clear(&self.reads)
        s.engine.wheel.clear(&self.writes)
        s.engine.keep(self)
        self.drop_partial()
        chunk_release(&self.kept)
        self.kept.n = 0
        self.server.forget(self)

    cdef void drop_partial(self) noexcept:
        """What was gathered is whole, or nobody's any more."""
        if self.partial != NULL:
            buffer_release(self.partial)
            self.partial = NULL

    # -- deadlines ----------------------------------------------------------------------------

    cdef void set_read_deadline(self, int kind, uint32_t after_ms) noexcept:
        """Set what the client must do next, and by when; 0 = no limit."""
        self.reads.kind = kind
        if after_ms:
            self.stream.engine.wheel.set(&self.reads, self.stream.engine.now_ms + after_ms)
        else:
            self.stream.engine.wheel.clear(&self.reads)

    cdef void on_read_deadline(self, int kind) noexcept:
        """The client did not do it."""
        if kind == K_HEAD:
            self.refuse_head(REASON_HEAD_TIMEOUT)
        elif kind == K_KEEPALIVE:
            self.on_keepalive_deadline()
        elif kind == K_LINGER:
            self.on_linger_deadline()
        elif kind == K_ATTENTION:
            self.attend()
        elif self.stream.flags & S_STARVED:
            # Not the client's fault: there is no memory to receive into.
            self.set_read_deadline(K_BODY, self.x.timeouts.body_idle)
        else:
            self.broken(REASON_BODY_TIMEOUT)

    cdef void attend(self) noexcept:
        """Be patient no more: hear of what the client does."""
        if self.stream.flags & S_PATIENT:
            self.stream.flags &= ~S_PATIENT
            self.stream.engine.do_later(self.stream)

    cdef void on_keepalive_deadline(self) noexcept:
        """No request came. A client that has answers to read first may still send one: then
        it must take bytes within `idle`."""
        if self.stream.queued or self.kept.n:
            if self.writes.at_ms == 0:
                self.mark_stall()
            self.set_read_deadline(
                K_KEEPALIVE, self.server.dispatcher.snapshot.timeouts.keepalive
            )
            return
        self.server.timeouts += 1
        self.lose(REASON_KEEPALIVE_TIMEOUT)

    cdef void on_linger_deadline(self) noexcept:
        """Long enough, counted from when the answer has left: while it is queued, the stall
        deadline watches the client."""
        if self.stream.queued:
            self.set_read_deadline(K_LINGER, self.server.dispatcher.snapshot.timeouts.linger)
        else:
            self.lose(REASON_NONE)

    cdef void mark_stall(self) noexcept:
        """From now on some bytes must reach the client within `idle`, while any are queued."""
        cdef Snapshot snapshot = self.server.dispatcher.snapshot
        cdef uint32_t idle = self.x.timeouts.idle if self.x is not None else snapshot.timeouts.idle
        self.taken_at_mark = bytes_taken(self.stream)
        if idle:
            self.stream.engine.wheel.set(&self.writes, self.stream.engine.now_ms + idle)

    cdef void mark_leaving(self) noexcept:
        """Like `mark_stall`, for what should be with the kernel when the turn ends: how far the
        client has come is asked only if it then is not."""
        self.taken_at_mark = UNKNOWN
        self.stream.engine.wheel.set(&self.writes, self.stream.engine.now_ms + LEAVING_MS)

    cdef void on_write_deadline(self) noexcept:
        """No room for `idle`, unless bytes did move."""
        if not self.stream.queued:
            return
        if self.taken_at_mark != UNKNOWN and bytes_taken(self.stream) == self.taken_at_mark:
            self.lose(REASON_CLIENT_STALLED)
        else:
            self.mark_stall()

    # -- of higher classes --------------------------------------------------------------------

    cdef void resume_reading(self) noexcept:
        pass

    cdef void refuse_head(self, Reason why) noexcept:
        pass

    cdef void broken(self, Reason why) noexcept:
        pass
