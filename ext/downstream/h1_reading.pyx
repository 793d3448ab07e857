"""Reading requests; see h1_reading.pxd."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset
from fastgw.ext.base.buffers cimport buffer_hold, chunk_keep, chunk_release
from fastgw.ext.base.debug cimport debug_assert
from fastgw.ext.base.reasons cimport (
    REASON_BAD_CHUNK, REASON_BAD_PATH, REASON_HEAD_TOO_LARGE, REASON_MEMORY, REASON_NONE,
)
from fastgw.ext.downstream.h1_ends cimport (
    K_ATTENTION, K_BODY, K_HEAD, LINGER_BYTES, R_CHUNKED, R_CLOSED, R_DISCARD, R_HEAD, R_LENGTH,
    R_LINGER, R_TUNNEL, R_WHOLE,
)
from fastgw.ext.downstream.h1_response cimport W_NOTHING
from fastgw.ext.http.chunked cimport (
    CHUNK_DATA, CHUNK_END, CHUNK_MORE, CHUNK_SPACE, CHUNK_TOO_LARGE, chunked_begin, chunked_feed,
)
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, Field, H_EXPECT_100, H_KEEP_ALIVE,
)
from fastgw.ext.http.keep cimport keep_request, keep_trailers
from fastgw.ext.http.request cimport HeadSpace, parse_request
from fastgw.ext.io.stream cimport S_PATIENT, stream_has_room
from fastgw.ext.route.plan cimport Limits
from fastgw.ext.route.snapshot cimport Snapshot

cdef enum:
    ROWS = 512                  # field lines that are looked at; limits.fields is at most this
    BULK = 32768                # bytes of body from which on buffers are passed by reference
    PATIENCE_MS = 200           # how long it may stay unseen that a client of one request left

cdef Field _rows[512]           # where a head's rows stand until it is whole
cdef char _scratch[65536]       # where a path or host is normalised until it is whole


@cython.no_gc
cdef class H1Reading(H1Ends):
    """See h1_reading.pxd."""

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
        while c.n and self.state != R_CLOSED:
            used = self.take(c)
            if used == 0:
                self.keep(c)
                break
            c.p += used
            c.n -= used
        self.consuming = False
        chunk_release(c)
        if self.state == R_HEAD:
            self.leave_if_draining()

    cdef size_t take(self, Chunk* c) noexcept:
        """How many bytes could be dealt with; 0 = they have to wait."""
        if self.state == R_HEAD:
            # A client should first read the answers that it has.
            return self.take_head(c.p, c.n) if stream_has_room(self.stream) else 0
        if self.state == R_LENGTH or self.state == R_CHUNKED:
            return self.take_body(c)
        if self.state == R_TUNNEL:
            return self.take_opaque(c) if self.asked else 0
        if self.state == R_DISCARD or self.state == R_LINGER:
            return self.read_away(c)
        return 0

    cdef size_t take_body(self, Chunk* c) noexcept:
        """The body, if it is asked for; a client that did not wait for its 100 is told on."""
        if not self.asked and self.expects:
            self.expects = False
            self.x.on_body_waiting()
        if not self.asked:
            return 0
        return self.take_length(c) if self.state == R_LENGTH else self.take_chunked(c)

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
                self.refuse_head(REASON_MEMORY)
                return n
            p = self.partial.data
        space.rows, space.cap = _rows, ROWS
        space.scratch, space.room = _scratch, sizeof(_scratch)
        memset(&head, 0, sizeof(head))
        got = parse_request(p, before + n, &self.searched, &snapshot.limits, &space, &head)
        if got == 0:
            if self.partial == NULL:
                self.set_read_deadline(K_HEAD, snapshot.timeouts.request_head)
                if not self.gather(p, n):
                    self.refuse_head(REASON_MEMORY)
            return n
        self.searched = 0
        if got < 0:
            self.refuse_head(<Reason>-got)
            return n
        self.begin_request(&head, p, got)
        return got - before

    cdef bint gather(self, const char* p, size_t n) noexcept:
        """Append to what is not whole yet; False without memory."""
        cdef Buffer* bigger
        cdef size_t used = self.partial.used if self.partial != NULL else 0
        if self.partial == NULL or used + n > self.partial.cap:
            bigger = self.stream.engine.pool.take(used + n)
            if bigger == NULL:
                return False
            if used:
                memcpy(bigger.data, self.partial.data, used)
            self.drop_partial()
            self.partial = bigger
        memcpy(self.partial.data + used, p, n)
        self.partial.used = used + n
        return True

    cdef Exchange new_exchange(self):
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
        """What is to be read next. A body pauses while memory is tight, and a large one is
        received into buffers that are passed on by reference: both are `bulk`. Behind a last
        request only the client's end can follow: it is asked for if the answer takes a while."""
        cdef const Limits* limits = &(<Snapshot>self.x.snapshot).limits
        if head.framing == BODY_LENGTH:
            self.state = R_LENGTH
            self.left = head.content_length
            if self.left >= BULK:
                self.stream.set_bulk(True)
        elif head.framing == BODY_CHUNKED:
            self.state = R_CHUNKED
            chunked_begin(&self.chunks, limits.head, limits.fields)
            self.stream.set_bulk(True)
        else:
            self.state = R_WHOLE
            if self.client_closes and self.stream.unwatched:
                self.stream.flags |= S_PATIENT
                self.set_read_deadline(K_ATTENTION, PATIENCE_MS)

    cdef void refuse_head(self, Reason why) noexcept:
        """A head that is not acceptable: answer, and trust nothing that follows."""
        cdef Exchange x = self.new_exchange()
        self.stream.engine.wheel.clear(&self.reads)
        self.refuse_request(x, why)

    cdef void refuse_request(self, Exchange x, Reason why) noexcept:
        """Answer in the request's place; the connection ends after it."""
        self.drop_partial()
        self.searched = 0
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
            self.broken(
                REASON_MEMORY if said == CHUNK_SPACE
                else REASON_HEAD_TOO_LARGE if said == CHUNK_TOO_LARGE else REASON_BAD_CHUNK
            )
            return c.n
        return used

    cdef ChunkEvent feed_chunked(
        self, Chunk* c, size_t* used, Span* data, Fields* trailers
    ) noexcept:
        """Ask the decoder. Trailers that are not whole are gathered, for it wants them in one
        piece; `used` counts bytes of `c`. CHUNK_SPACE: there was no memory for that (of rows
        there are enough for any limit)."""
        cdef size_t before = self.partial.used if self.partial != NULL else 0
        cdef const char* p = c.p
        cdef ChunkEvent said
        memset(trailers, 0, sizeof(Fields))
        trailers.rows, trailers.cap = _rows, ROWS
        if self.partial != NULL:
            if not self.gather(c.p, c.n):
                return CHUNK_SPACE
            p = self.partial.data
        said = chunked_feed(&self.chunks, p, before + c.n, used, data, trailers)
        if said == CHUNK_MORE:
            if used[0] < before + c.n and self.partial == NULL:
                if not self.gather(p + used[0], c.n - used[0]):
                    return CHUNK_SPACE
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
                self.broken(REASON_MEMORY)
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
        self.expects = False
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

    # -- what nobody wants ------------------------------------------------------------------

    cdef size_t read_away(self, Chunk* c) noexcept:
        """Bytes that nobody wants, within the budget."""
        cdef size_t used
        if self.state == R_LINGER:
            self.budget -= min(c.n, self.budget)
            if self.budget == 0:
                self.stop_lingering()
            return c.n
        used = self.skip_body(c)
        if self.state != R_DISCARD:
            return used
        if used >= self.budget:
            self.linger()
        else:
            self.budget -= used
        return used

    cdef void stop_lingering(self) noexcept:
        """Enough was read away. Closing now would reset the connection, and many clients that
        still send would never look at their answer: they are braked until linger is over."""
        if self.x is None and self.reads.at_ms == 0:
            self.lose(REASON_NONE)
        else:
            self.stream.pause()

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
