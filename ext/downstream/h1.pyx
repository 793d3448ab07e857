"""HTTP/1.1 from the client; see h1.pxd."""

cimport cython
from libc.string cimport memcpy, memset
from fastgw.ext.base.buffers cimport BufferPool, buffer_hold, buffer_release, chunk_keep, chunk_release
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.debug cimport debug_assert
from fastgw.ext.base.networks cimport Networks
from fastgw.ext.base.reasons cimport (
    REASON_BAD_CHUNK, REASON_BAD_PATH, REASON_BODY_TIMEOUT, REASON_CLIENT_EOF,
    REASON_CLIENT_RESET, REASON_CLIENT_STALLED, REASON_HEAD_TIMEOUT, REASON_HEAD_TOO_LARGE, REASON_KEEPALIVE_TIMEOUT,
    REASON_MEMORY, REASON_NONE,
)
from fastgw.ext.base.span cimport Span
from fastgw.ext.downstream.h1_response cimport (
    W_CHUNKED, W_CLOSE, W_NOTHING, W_TUNNEL, choose_framing, write_informational,
    write_response_head,
)
from fastgw.ext.http.chunk_writer cimport write_chunk, write_trailers
from fastgw.ext.http.chunked cimport (
    CHUNK_BAD, CHUNK_DATA, CHUNK_END, CHUNK_MORE, CHUNK_TOO_LARGE, ChunkEvent, chunked_begin, chunked_feed,
)
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, Field, Fields, H_EXPECT_100, H_KEEP_ALIVE, ResponseHead,
)
from fastgw.ext.http.keep cimport keep_request, keep_trailers
from fastgw.ext.http.request cimport HeadSpace, parse_request
from fastgw.ext.io.options cimport unacknowledged
from fastgw.ext.io.stream cimport S_READABLE
from fastgw.ext.route.plan cimport Limits
from fastgw.ext.route.snapshot cimport Snapshot

cdef enum:
    ROWS = 512                  # field lines that are looked at; limits.fields is at most this
    BULK = 32768                # bytes of body from which on buffers are passed by reference
    DISCARD_BYTES = 65536       # unread body that is read away to keep a connection
    LINGER_BYTES = 1048576      # bytes read away from a connection that is being closed

cdef enum ReadDeadline:
    K_KEEPALIVE, K_HEAD, K_BODY, K_LINGER

cdef Field _rows[512]           # where a head's rows stand until it is whole
cdef char _scratch[65536]       # where a path or host is normalised until it is whole


cdef void _read_due(void* owner, int kind) noexcept:
    (<H1Downstream>owner).on_read_deadline(kind)


cdef void _write_due(void* owner, int kind) noexcept:
    (<H1Downstream>owner).on_write_deadline()


@cython.final
cdef class H1Server(Acceptor):
    """See h1.pxd."""

    def __init__(self, Dispatcher dispatcher not None) -> None:
        self.dispatcher = dispatcher
        self.connections = set()

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
        d.trusted = snapshot.trusted is not None and (
            (<Networks>snapshot.trusted).contains(s.facts.peer.ip)
        )
        self.connections.add(d)
        d.set_read_deadline(K_KEEPALIVE, snapshot.timeouts.keepalive)

    cdef void forget(self, H1Downstream d) noexcept:
        """A connection is gone."""
        self.connections.discard(d)
        if not self.connections and self.on_empty is not None:
            try:
                self.on_empty()
            except Exception:
                pass

    def drain(self, on_empty) -> None:
        """Close what is idle, let the rest end with its answer; then call `on_empty()`."""
        cdef H1Downstream d
        self.dispatcher.draining = True
        self.on_empty = on_empty
        for d in list(self.connections):
            if d.state == R_HEAD and d.partial == NULL and d.x is None:
                d.close()
        if not self.connections:
            on_empty()

    def abort(self) -> None:
        """Close every connection at once."""
        cdef H1Downstream d
        for d in list(self.connections):
            d.lose(REASON_CLIENT_RESET)

    def __len__(self) -> int:
        return len(self.connections)


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
cdef class H1Downstream(Downstream):
    """See h1.pxd."""

    def __cinit__(self):
        deadline_init(&self.reads, <void*>self, _read_due)
        deadline_init(&self.writes, <void*>self, _write_due)

    def __dealloc__(self):
        self.drop_partial()
        chunk_release(&self.kept)

    # -- reading --------------------------------------------------------------------------

    cdef void on_bytes(self, Chunk* c) noexcept:
        """Bytes from the client."""
        debug_assert(self.kept.n == 0)      # the stream is paused while something is kept
        self.consume(c)

    cdef void consume(self, Chunk* c) noexcept:
        """Work through received bytes until they, or somebody's appetite, end.

        Telling the exchange may end it, and answer the next request as well: nothing is known
        afterwards but the state."""
        cdef size_t used
        self.consuming = True
        while c.n:
            if self.state == R_HEAD and not self.crowded():
                used = self.take_head(c.p, c.n)
            elif self.state == R_LENGTH and self.wants_body():
                used = self.take_length(c)
            elif self.state == R_CHUNKED and self.wants_body():
                used = self.take_chunked(c)
            elif self.state == R_TUNNEL and self.asked:
                used = self.take_opaque(c)
            elif self.state == R_DISCARD or self.state == R_LINGER:
                used = self.read_away(c)
            elif self.state == R_CLOSED:
                break
            else:
                self.keep(c)
                break
            c.p += used
            c.n -= used
        self.consuming = False
        chunk_release(c)

    cdef bint crowded(self) noexcept:
        """Whether the client should first read the answers it has."""
        return self.stream.queued >= self.stream.mark

    cdef bint wants_body(self) noexcept:
        """Whether the exchange takes body now; a client that did not wait for its 100 is told on."""
        if not self.asked and self.expects:
            self.expects = False
            self.x.on_body_waiting()
        return self.asked or self.state == R_DISCARD or self.state == R_LINGER

    cdef void keep(self, Chunk* c) noexcept:
        """Put bytes by; the stream pauses until they are wanted."""
        if self.stream is None:
            return
        if not chunk_keep(c, self.stream.engine.pool, &self.kept):
            self.kept.n, self.kept.owner = 0, NULL
            self.lose(REASON_MEMORY)
            return
        c.owner, c.n = NULL, 0
        self.stream.pause()

    cdef void resume_reading(self) noexcept:
        """Deal with what was put by, then with what the socket has."""
        cdef Chunk c
        if self.consuming or self.stream is None:
            return
        if self.kept.n:
            c = self.kept
            self.kept.n, self.kept.owner = 0, NULL
            self.consume(&c)
        if self.stream is not None and self.kept.n == 0:
            self.stream.resume()

    # -- heads ----------------------------------------------------------------------------

    cdef size_t take_head(self, const char* p, size_t n) noexcept:
        """Parse as soon as there is enough; how many of the new bytes were used."""
        cdef Snapshot snapshot = self.server.dispatcher.snapshot
        cdef HeadSpace space
        cdef RequestHead head
        cdef size_t before = 0
        cdef int64_t got
        if self.begun_us == 0:
            self.begun_us = self.stream.engine.now_us
        if self.partial != NULL:
            before = self.partial.used
            if not self.gather(p, n):
                return n
            p = self.partial.data
        space.rows, space.cap = _rows, ROWS
        space.scratch, space.room = _scratch, sizeof(_scratch)
        memset(&head, 0, sizeof(head))
        got = parse_request(p, before + n, &self.searched, &snapshot.limits, &space, &head)
        if got == 0:
            if self.partial == NULL:
                self.set_read_deadline(K_HEAD, snapshot.timeouts.request_head)
                self.gather(p, n)
            return n
        self.searched = 0
        if got < 0:
            self.refuse_head(<Reason>-got)
            return n
        self.begin_request(&head, p, got)
        return got - before

    cdef bint gather(self, const char* p, size_t n) noexcept:
        """Append to the head that is not whole yet; False, and closed, without memory."""
        cdef BufferPool pool = self.stream.engine.pool
        cdef Buffer* bigger
        cdef size_t used = self.partial.used if self.partial != NULL else 0
        if self.partial == NULL or used + n > self.partial.cap:
            bigger = pool.take(used + n)
            if bigger == NULL:
                self.refuse_head(REASON_MEMORY)
                return False
            if used:
                memcpy(bigger.data, self.partial.data, used)
            self.drop_partial()
            self.partial = bigger
        memcpy(self.partial.data + used, p, n)
        self.partial.used = used + n
        return True

    cdef void drop_partial(self) noexcept:
        """The head is whole, or refused."""
        if self.partial != NULL:
            buffer_release(self.partial)
            self.partial = NULL

    cdef Exchange new_exchange(self) noexcept:
        """The exchange of the request whose head was just read."""
        cdef Exchange x = self.server.dispatcher.new_exchange(self)
        x.times.begin = self.begun_us
        x.trusted = self.trusted
        self.begun_us = 0
        self.x = x
        self.served += 1
        self.writing = W_NOTHING
        self.head_sent = False
        self.asked = False
        return x

    cdef void begin_request(self, RequestHead* head, const char* p, size_t n) noexcept:
        """A whole, acceptable head."""
        cdef Exchange x = self.new_exchange()
        cdef Snapshot snapshot = <Snapshot>x.snapshot
        cdef bint last = head.framing == BODY_NONE
        if head.framing == BODY_LENGTH and head.content_length == 0:
            head.framing = BODY_NONE
            last = True
        x.request = head[0]
        self.stream.engine.wheel.clear(&self.reads)
        if not keep_request(&x.request, &x.arena, p, n):
            memset(&x.request, 0, sizeof(RequestHead))
            self.drop_partial()
            self.refuse_request(x, REASON_MEMORY)
            return
        self.drop_partial()
        self.old = head.minor == 0
        self.client_closes = not head.flags & H_KEEP_ALIVE
        self.persistent = head.flags & H_KEEP_ALIVE and (
            snapshot.limits.requests == 0 or self.served < snapshot.limits.requests
        )
        self.expects = head.flags & H_EXPECT_100 and not last
        self.await_body(head)
        if head.path_used & ~snapshot.allow_any:
            x.on_refused(REASON_BAD_PATH)
            return
        x.on_request_head(last)

    cdef void await_body(self, const RequestHead* head) noexcept:
        """What is to be read next."""
        cdef const Limits* limits = &(<Snapshot>self.x.snapshot).limits
        if head.framing == BODY_LENGTH:
            self.state = R_LENGTH
            self.left = head.content_length
            if self.left >= BULK:
                self.stream.set_bulk(True)
        elif head.framing == BODY_CHUNKED:
            self.state = R_CHUNKED
            chunked_begin(&self.chunks, limits.head, limits.fields)
        else:
            self.state = R_WHOLE

    cdef void refuse_head(self, Reason why) noexcept:
        """A head that is not acceptable: answer, and trust nothing that follows."""
        cdef Exchange x = self.new_exchange()
        self.drop_partial()
        self.stream.engine.wheel.clear(&self.reads)
        self.refuse_request(x, why)

    cdef void refuse_request(self, Exchange x, Reason why) noexcept:
        """Answer in the request's place; the connection ends after it."""
        self.server.refused += 1
        self.persistent = False
        self.old = False
        self.expects = False
        self.state = R_LINGER
        self.budget = LINGER_BYTES
        x.on_refused(why)

    # -- bodies ---------------------------------------------------------------------------

    cdef size_t take_length(self, Chunk* c) noexcept:
        """Bytes of a body of known length."""
        cdef size_t n = min(self.left, c.n)
        self.left -= n
        self.deliver(c.p, n, c.owner, self.left == 0)
        return n

    cdef size_t take_chunked(self, Chunk* c) noexcept:
        """One piece of a chunked body, or its end."""
        cdef Span data
        cdef Fields trailers
        cdef size_t used = 0
        cdef ChunkEvent said = self.feed_chunked(c, &used, &data, &trailers)
        if said == CHUNK_DATA:
            self.deliver(data.p, data.n, c.owner, False)
        elif said == CHUNK_END:
            self.end_chunked(&trailers)
        elif said != CHUNK_MORE:
            self.broken(REASON_HEAD_TOO_LARGE if said == CHUNK_TOO_LARGE else REASON_BAD_CHUNK)
            return c.n
        return used

    cdef ChunkEvent feed_chunked(
        self, Chunk* c, size_t* used, Span* data, Fields* trailers
    ) noexcept:
        """Ask the decoder. Trailers that are not whole are gathered, for it wants them in one
        piece; `used` counts bytes of `c`."""
        cdef size_t before = self.partial.used if self.partial != NULL else 0
        cdef const char* p = c.p
        cdef ChunkEvent said
        memset(trailers, 0, sizeof(Fields))
        trailers.rows, trailers.cap = _rows, ROWS
        if self.partial != NULL:
            if not self.gather(c.p, c.n):
                return CHUNK_BAD
            p = self.partial.data
        said = chunked_feed(&self.chunks, p, before + c.n, used, data, trailers)
        if said == CHUNK_MORE:
            if used[0] < before + c.n and self.partial == NULL:
                if not self.gather(p + used[0], c.n - used[0]):
                    return CHUNK_BAD
            used[0] = c.n
        else:
            used[0] -= before
        return said

    cdef void end_chunked(self, Fields* trailers) noexcept:
        """The last chunk and the trailers were read."""
        cdef Exchange x = self.x
        cdef Fields* kept = NULL
        if trailers.n:
            kept = keep_trailers(trailers, &x.arena)
            if kept == NULL:
                self.lose(REASON_MEMORY)
                return
        self.drop_partial()
        if kept == NULL:
            self.deliver(NULL, 0, NULL, True)
            return
        self.request_whole()
        x.on_request_trailers(kept)

    cdef void request_whole(self) noexcept:
        """Nothing more of this request is to be read."""
        self.state = R_WHOLE
        self.asked = False
        self.stream.engine.wheel.clear(&self.reads)
        self.stream.set_bulk(False)

    cdef void deliver(self, const char* p, size_t n, Buffer* owner, bint last) noexcept:
        """Hand a piece of the body on."""
        cdef Exchange x = self.x
        cdef Chunk c
        cdef bint room
        self.expects = False
        c.p, c.n, c.owner = p, n, owner
        if owner != NULL:
            buffer_hold(owner)
        if last:
            self.request_whole()
            x.on_request_chunk(&c, True)
            return
        room = x.on_request_chunk(&c, False)
        if self.x is not x or (self.state != R_LENGTH and self.state != R_CHUNKED):
            return
        self.asked = room
        self.watch_body()

    cdef void watch_body(self) noexcept:
        """While the gateway is ready to read, the client must send."""
        if self.asked:
            self.set_read_deadline(K_BODY, self.x.timeouts.body_idle)
        else:
            self.stream.engine.wheel.clear(&self.reads)

    cdef void broken(self, Reason why) noexcept:
        """The body can't be read on: nothing behind it can be either."""
        self.persistent = False
        self.state = R_LINGER
        self.budget = LINGER_BYTES
        self.x.on_refused(why)

    cdef size_t take_opaque(self, Chunk* c) noexcept:
        """Bytes of a tunnel."""
        cdef Exchange x = self.x
        cdef Chunk piece = c[0]
        cdef bint room
        if piece.owner != NULL:
            buffer_hold(piece.owner)
        room = x.on_request_chunk(&piece, False)
        if self.x is x:
            self.asked = room
        return c.n

    cdef size_t read_away(self, Chunk* c) noexcept:
        """Bytes that nobody wants; past the budget the connection ends."""
        cdef size_t used
        if self.state == R_LINGER:
            if c.n >= self.budget:
                self.lose(REASON_NONE)
            else:
                self.budget -= c.n
            return c.n
        used = self.skip_body(c)
        if self.state != R_DISCARD:
            return used
        if used >= self.budget:
            self.linger()
        else:
            self.budget -= used
        return used

    cdef size_t skip_body(self, Chunk* c) noexcept:
        """Read over a piece of the body, or its end."""
        cdef Span data
        cdef Fields trailers
        cdef size_t used = 0
        cdef ChunkEvent said
        if not self.chunked_in:
            used = min(self.left, c.n)
            self.left -= used
            if self.left == 0:
                self.next_request()
            return used
        said = self.feed_chunked(c, &used, &data, &trailers)
        if said == CHUNK_END:
            self.drop_partial()
            self.next_request()
        elif said != CHUNK_DATA and said != CHUNK_MORE:
            self.linger()
            return c.n
        return used

    # -- told by the exchange ---------------------------------------------------------------

    cdef void ask_body(self, Exchange x, bint on) noexcept:
        """See contract.pxd. The first `on` sends the 100 that the client waits for."""
        self.asked = on
        if self.state != R_LENGTH and self.state != R_CHUNKED and self.state != R_TUNNEL:
            return
        if not on:
            self.stream.engine.wheel.clear(&self.reads)
            return
        if self.expects:
            self.expects = False
            self.write_text(b"HTTP/1.1 100 Continue\r\n\r\n", 25)
        if self.state != R_TUNNEL:
            self.watch_body()
        self.resume_reading()

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

    cdef void send_head(self, Exchange x, bint last) noexcept:
        """See contract.pxd."""
        cdef WriteFraming framing = choose_framing(x, last, self.old)
        self.persistent = self.may_persist(x, framing)
        self.writing = framing
        self.head_sent = True
        if not write_response_head(self.stream, x, framing, self.persistent, self.old):
            self.lose(REASON_MEMORY)

    cdef void send_informational(self, Exchange x, ResponseHead* head) noexcept:
        """See contract.pxd; HTTP/1.0 knows no 1xx."""
        if not self.old and not self.head_sent and not write_informational(self.stream, head):
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
        if self.writing == W_TUNNEL:
            self.set_read_deadline(K_BODY, x.timeouts.idle)
            if last:
                self.stream.half_close()
        if not room and not last:
            self.mark_stall()
        return room

    cdef void send_trailers(self, Exchange x, Fields* trailers) noexcept:
        """See contract.pxd; only chunked framing has a place for them."""
        if self.writing == W_CHUNKED and not write_trailers(self.stream, trailers):
            self.lose(REASON_MEMORY)

    cdef void open_tunnel(self, Exchange x) noexcept:
        """See contract.pxd."""
        self.state = R_TUNNEL
        self.asked = False
        self.persistent = False
        self.set_read_deadline(K_BODY, x.timeouts.idle)

    cdef void reset(self, Exchange x, Reason why) noexcept:
        """See contract.pxd. Where only the connection's end shows the body's end, or nothing
        was said at all, an orderly close would look like success: reset."""
        self.x = None
        if self.stream is not None:
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

    # -- between requests -------------------------------------------------------------------

    cdef void next_request(self) noexcept:
        """The request was read whole and answered."""
        if not self.persistent or self.eof:
            self.end_connection()
            return
        self.state = R_HEAD
        self.set_read_deadline(K_KEEPALIVE, self.server.dispatcher.snapshot.timeouts.keepalive)
        self.resume_reading()

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
        self.set_read_deadline(K_LINGER, self.server.dispatcher.snapshot.timeouts.linger)
        self.mark_stall()
        self.stream.half_close()
        self.resume_reading()

    cdef void close(self) noexcept:
        """End the connection once what is queued was sent."""
        self.state = R_CLOSED
        self.stream.engine.wheel.clear(&self.reads)
        self.mark_stall()
        self.stream.close()

    # -- ends -------------------------------------------------------------------------------

    cdef void on_stream_room(self) noexcept:
        """The client takes bytes again."""
        self.stream.engine.wheel.clear(&self.writes)
        if self.x is not None:
            self.x.on_room()
        elif self.state == R_HEAD:
            self.resume_reading()

    cdef void on_client_half_closed(self) noexcept:
        """A FIN was seen though bytes may be unread. A request that is whole can be judged now."""
        if self.state == R_WHOLE:
            self.on_client_end()

    cdef void on_client_end(self) noexcept:
        """The client ended its side. Before the request is whole that ends it; afterwards
        `on_client_eof` decides."""
        cdef Exchange x = self.x
        cdef Chunk empty
        self.eof = True
        if self.state == R_TUNNEL:
            empty.p, empty.n, empty.owner = NULL, 0, NULL
            self.state = R_CLOSED
            x.on_request_chunk(&empty, True)
        elif x is None:
            self.close()
        elif self.state != R_WHOLE or x.route == NULL or x.route.client_eof == 0:
            self.lose(REASON_CLIENT_EOF)

    cdef void on_stream_gone(self, Reason why) noexcept:
        """The connection is gone, by whoever's doing."""
        cdef Exchange x = self.x
        self.x = None
        if self.stream is not None:
            self.let_go()
        if x is not None:
            x.on_gone(REASON_CLIENT_RESET)

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
        self.stream = None
        s.engine.wheel.clear(&self.reads)
        s.engine.wheel.clear(&self.writes)
        s.engine.keep(self)
        self.drop_partial()
        chunk_release(&self.kept)
        self.kept.n = 0
        self.server.forget(self)

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
        elif kind == K_BODY and self.x is not None and self.state != R_TUNNEL:
            self.broken(REASON_BODY_TIMEOUT)
        elif kind == K_KEEPALIVE:
            self.server.timeouts += 1
            self.lose(REASON_KEEPALIVE_TIMEOUT)
        else:
            self.lose(REASON_CLIENT_STALLED)

    cdef uint64_t taken(self) noexcept:
        """Bytes that the client took; with none queued, those that the kernel took."""
        if self.stream.queued:
            return self.stream.bytes_out - unacknowledged(self.stream.fd)
        return self.stream.bytes_out

    cdef void mark_stall(self) noexcept:
        """From now on some bytes must reach the client within `idle`, while any are queued."""
        cdef Snapshot snapshot = self.server.dispatcher.snapshot
        cdef uint32_t idle = self.x.timeouts.idle if self.x is not None else snapshot.timeouts.idle
        self.sent_at_mark = self.taken()
        if idle:
            self.stream.engine.wheel.set(&self.writes, self.stream.engine.now_ms + idle)

    cdef void on_write_deadline(self) noexcept:
        """No room for `idle`, unless bytes did move."""
        if self.stream.queued and self.taken() == self.sent_at_mark:
            self.lose(REASON_CLIENT_STALLED)
        elif self.stream.queued:
            self.mark_stall()
