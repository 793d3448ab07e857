"""HTTP/1.1 to the upstream; see h1.pxd."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.buffers cimport BufferPool, buffer_hold, buffer_release, chunk_keep, chunk_release
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.debug cimport ATTEMPTS, debug_assert, debug_born, debug_died
from fastgw.ext.base.reasons cimport (
    REASON_CANCELLED, REASON_CONNECT_FAILED, REASON_CONNECT_TIMEOUT, REASON_MEMORY, REASON_NONE, REASON_NO_ENDPOINT,
    REASON_RESPONSE_HEAD_TIMEOUT, REASON_UPSTREAM_BAD_CHUNK, REASON_UPSTREAM_BAD_FRAMING,
    REASON_UPSTREAM_BAD_HEAD, REASON_UPSTREAM_HEAD_TOO_LARGE, REASON_UPSTREAM_RESET,
    REASON_UPSTREAM_STALLED, REASON_UPSTREAM_TRUNCATED,
)
from fastgw.ext.base.span cimport Span, span, span_eq_fold
from fastgw.ext.exchange.contract cimport Outcome
from fastgw.ext.http.chunked cimport (
    CHUNK_BAD, CHUNK_DATA, CHUNK_END, CHUNK_MORE, CHUNK_TOO_LARGE, ChunkEvent, chunked_begin, chunked_feed,
)
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, BODY_UNTIL_CLOSE, H_KEEP_ALIVE, Field, fields_find,
)
from fastgw.ext.http.names cimport NAME_KEEP_ALIVE, NAME_UPGRADE
from fastgw.ext.http.chunk_writer cimport write_chunk, write_trailers
from fastgw.ext.http.keep cimport keep_response, keep_trailers, no_body
from fastgw.ext.http.response cimport parse_response
from fastgw.ext.io.connect cimport connect_stream
from fastgw.ext.io.progress cimport bytes_taken
from fastgw.ext.route.plan cimport Limits
from fastgw.ext.route.snapshot cimport Snapshot
from fastgw.ext.upstream.h1_request cimport wants_tunnel, write_request_head

cdef enum:
    ROWS = 512                  # field lines that are looked at; limits.fields is at most this
    BULK = 32768                # bytes of body from which on buffers are passed by reference
    USER_TIMEOUT_MS = 30000     # bytes sent and not acknowledged for this long: given up
    MAX_INFORMATIONAL = 32      # 1xx heads before one answer

cdef Field _rows[512]           # where a head's rows stand until it is whole


cdef void _due(void* owner, int kind) noexcept:
    (<H1Connection>owner).on_deadline(kind)


@cython.no_gc
@cython.final
cdef class H1Connection(Codec):
    """See h1.pxd."""

    def __cinit__(self):
        deadline_init(&self.deadline, <void*>self, _due)

    def __dealloc__(self):
        self.drop_partial()
        chunk_release(&self.kept)

    # -- told by the stream ---------------------------------------------------------------

    cdef void on_open(self) noexcept:
        """Connected: the attempt may begin."""
        cdef H1Attempt a = self.attempt
        if a is None:
            return
        self.state = U_IDLE
        self.stream.engine.wheel.clear(&self.deadline)
        self.start(a)
        a.ready()

    cdef void start(self, H1Attempt a) noexcept:
        """Become the connection of `a`."""
        self.attempt = a
        self.state = U_HEAD
        self.reused = self.served > 0
        self.served += 1
        self.persistent = True
        self.asked = True
        self.informational = 0
        self.sent_before = self.stream.bytes_out

    cdef void on_bytes(self, Chunk* c) noexcept:
        """Bytes of a response; an idle connection that talks is not to be trusted."""
        if self.attempt is None:
            chunk_release(c)
            self.pool.discard(self)
            return
        self.consume(c)

    cdef void on_room(self) noexcept:
        """The upstream takes bytes again."""
        cdef H1Attempt a = self.attempt
        if a is not None and self.state < U_CLOSED:
            if self.deadline.kind == D_STALL:
                self.stream.engine.wheel.clear(&self.deadline)
            a.x.on_attempt_room(a)

    cdef void on_half_closed(self) noexcept:
        """The upstream ended its side; what is unread comes first, an idle one is useless."""
        if self.attempt is None:
            self.pool.discard(self)

    cdef void on_eof(self) noexcept:
        """The upstream ended its side and everything was read."""
        cdef H1Attempt a = self.attempt
        if a is None:
            self.pool.discard(self)
        elif self.state == U_UNTIL_CLOSE or self.state == U_TUNNEL:
            self.persistent = False
            self.deliver(NULL, 0, NULL, True)
        else:
            self.fail(self.cut_reason())

    cdef void on_gone(self, Reason why) noexcept:
        """The connection broke, was never made, or is closed as we wanted."""
        if self.stream is None:
            return
        if self.attempt is None:
            self.pool.discard(self)
        elif self.state == U_CONNECTING or why == REASON_MEMORY:
            self.fail(why)
        else:
            self.fail(self.cut_reason())

    cdef Reason cut_reason(self) noexcept:
        """What an end at this point means."""
        if self.state == U_HEAD and not self.attempt.head_seen:
            return REASON_UPSTREAM_RESET
        return REASON_UPSTREAM_TRUNCATED

    # -- reading --------------------------------------------------------------------------

    cdef void consume(self, Chunk* c) noexcept:
        """Work through received bytes until they, or the exchange's appetite, end.

        Telling the exchange of the response's end may put this very connection to work for
        another attempt, so everything looks first whether `a` is still the one."""
        cdef H1Attempt a = self.attempt
        cdef size_t used
        self.reading = True
        while c.n and self.attempt is a:
            if self.state == U_HEAD:
                used = self.take_head(c.p, c.n)
            elif not self.asked:
                self.keep(c)
                break
            elif self.state == U_LENGTH:
                used = self.take_length(c)
            elif self.state == U_CHUNKED:
                used = self.take_chunked(c)
            elif self.state == U_UNTIL_CLOSE or self.state == U_TUNNEL:
                used = c.n
                self.deliver(c.p, c.n, c.owner, False)
            else:
                self.persistent = False
                break
            if used == 0:
                break
            c.p += used
            c.n -= used
        self.reading = False
        chunk_release(c)
        if self.attempt is a and not self.asked and self.stream is not None:
            self.stream.pause()

    cdef void keep(self, Chunk* c) noexcept:
        """Put bytes by until the exchange asks for them."""
        if not chunk_keep(c, self.stream.engine.pool, &self.kept):
            self.kept.n = 0
            self.fail(REASON_MEMORY)
            return
        c.owner = NULL
        c.n = 0

    cdef void resume_reading(self) noexcept:
        """The exchange takes body again: what was put by comes first."""
        cdef Chunk c
        cdef H1Attempt a = self.attempt
        self.asked = True
        if self.reading:
            return
        if self.kept.n:
            c = self.kept
            self.kept.n, self.kept.owner = 0, NULL
            self.consume(&c)
        if self.attempt is a and self.asked and self.stream is not None:
            self.watch_idle()
            self.stream.resume()

    # -- heads ----------------------------------------------------------------------------

    cdef size_t take_head(self, const char* p, size_t n) noexcept:
        """Parse as soon as there is enough; how many of the new bytes were used, 0 = stop."""
        cdef H1Attempt a = self.attempt
        cdef Exchange x = a.x
        cdef ResponseHead head
        cdef size_t before = 0
        cdef int64_t got
        a.head_seen = True
        if self.partial != NULL:
            before = self.partial.used
            if not self.gather(p, n):
                return 0
            p, n = self.partial.data, self.partial.used
        memset(&head, 0, sizeof(head))
        got = parse_response(
            p, n, &self.searched, &(<Snapshot>x.snapshot).limits, _rows, ROWS,
            x.request.method_id, &head,
        )
        if got < 0:
            self.fail(<Reason>-got)
            return 0
        if got == 0:
            if self.partial == NULL and not self.gather(p, n):
                return 0
            return n - before
        self.searched = 0
        if not self.accept_head(p, got, &head):
            return 0
        return got - before

    cdef bint gather(self, const char* p, size_t n) noexcept:
        """Append to the head that is not whole yet; False (and failed) without memory."""
        cdef BufferPool pool = self.stream.engine.pool
        cdef Buffer* bigger
        cdef size_t used = self.partial.used if self.partial != NULL else 0
        if self.partial == NULL or used + n > self.partial.cap:
            bigger = pool.take(used + n)
            if bigger == NULL:
                self.fail(REASON_MEMORY)
                return False
            if used:
                memcpy(bigger.data, self.partial.data, used)
            self.drop_partial()
            self.partial = bigger
        memcpy(self.partial.data + used, p, n)
        self.partial.used = used + n
        return True

    cdef void drop_partial(self) noexcept:
        """The head is whole, or nobody's any more."""
        if self.partial != NULL:
            buffer_release(self.partial)
            self.partial = NULL

    cdef bint accept_head(self, const char* p, size_t used, ResponseHead* head) noexcept:
        """A whole head; whether reading goes on for the same attempt."""
        cdef H1Attempt a = self.attempt
        cdef Exchange x = a.x
        cdef bint last
        if head.status < 200 and head.status != 101:
            return self.accept_informational(head)
        a.response = head[0]
        if not keep_response(&a.response, &x.arena, p, used):
            self.fail(REASON_MEMORY)
            return False
        self.drop_partial()
        if head.status == 101:
            return self.accept_tunnel(&a.response)
        last = no_body(head.status, x.request.method_id) or head.framing == BODY_NONE or (
            head.framing == BODY_LENGTH and head.content_length == 0
        )
        if not head.flags & H_KEEP_ALIVE or (head.framing == BODY_UNTIL_CLOSE and not last):
            self.persistent = False
        self.idle_ms = self.pool.idle_ms
        if a.response.fields.seen & (<uint64_t>1 << <int>NAME_KEEP_ALIVE):
            self.idle_ms = _idle_allowed(&a.response.fields, self.idle_ms)
        self.begin_body(&a.response, last)
        x.on_response_head(a, last)
        return self.attempt is a

    cdef bint accept_informational(self, ResponseHead* head) noexcept:
        """A 1xx head, whose rows are lent for the call; too many are refused."""
        cdef H1Attempt a = self.attempt
        self.informational += 1
        if self.informational > MAX_INFORMATIONAL:
            self.fail(REASON_UPSTREAM_BAD_HEAD)
            return False
        a.x.on_informational(a, head)
        if self.attempt is not a:
            return False
        self.drop_partial()
        return True

    cdef bint accept_tunnel(self, ResponseHead* head) noexcept:
        """101 Switching Protocols, only to what was asked for (RFC 9110 section 15.2.2)."""
        cdef H1Attempt a = self.attempt
        cdef Exchange x = a.x
        cdef Field* f
        cdef uint32_t i
        cdef bint agreed = False
        for i in range(head.fields.n):
            f = &head.fields.rows[i]
            if f.id == NAME_UPGRADE:
                agreed = span_eq_fold(span(f.value, f.value_n), span(b"websocket", 9))
        if not agreed or not wants_tunnel(x):
            self.fail(REASON_UPSTREAM_BAD_HEAD)
            return False
        self.state = U_TUNNEL
        self.persistent = False
        self.asked = False
        a.sent_last = False
        head.framing = BODY_NONE
        x.tunnel = True
        self.watch_idle()
        x.on_response_head(a, False)
        return self.attempt is a

    cdef void begin_body(self, const ResponseHead* head, bint last) noexcept:
        """What is to be read next."""
        cdef H1Attempt a = self.attempt
        cdef const Limits* limits
        if last:
            self.response_whole()
            return
        self.set_deadline(D_IDLE, a.x.timeouts.idle)
        if head.framing == BODY_LENGTH:
            self.state = U_LENGTH
            self.left = head.content_length
            if self.left >= BULK:
                self.stream.set_bulk(True)
        elif head.framing == BODY_CHUNKED:
            self.state = U_CHUNKED
            self.stream.set_bulk(True)
            limits = &(<Snapshot>a.x.snapshot).limits
            chunked_begin(&self.chunks, limits.head, limits.fields)
        else:
            self.state = U_UNTIL_CLOSE
            self.stream.set_bulk(True)

    # -- bodies ---------------------------------------------------------------------------

    cdef size_t take_length(self, Chunk* c) noexcept:
        """Bytes of a body of known length."""
        cdef size_t n = min(self.left, c.n)
        self.left -= n
        if self.left == 0 and c.n > n:
            self.persistent = False
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
            if c.n > used:
                self.persistent = False
            self.end_chunked(&trailers)
        elif said != CHUNK_MORE and self.attempt is not None:
            self.fail(
                REASON_UPSTREAM_HEAD_TOO_LARGE if said == CHUNK_TOO_LARGE
                else REASON_UPSTREAM_BAD_CHUNK
            )
            return 0
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
        cdef H1Attempt a = self.attempt
        cdef Exchange x = a.x
        cdef Fields* kept = NULL
        if trailers.n:
            kept = keep_trailers(trailers, &x.arena)
            if kept == NULL:
                self.fail(REASON_MEMORY)
                return
        self.drop_partial()
        if kept == NULL:
            self.deliver(NULL, 0, NULL, True)
            return
        self.response_whole()
        x.on_response_trailers(a, kept)

    cdef bint deliver(self, const char* p, size_t n, Buffer* owner, bint last) noexcept:
        """Hand a piece on; whether reading goes on for the same attempt."""
        cdef H1Attempt a = self.attempt
        cdef Exchange x = a.x
        cdef Chunk c
        cdef bint room
        c.p, c.n, c.owner = p, n, owner
        if owner != NULL:
            buffer_hold(owner)
        if last:
            self.response_whole()
            x.on_response_chunk(a, &c, True)
            return False
        room = x.on_response_chunk(a, &c, False)
        if self.attempt is not a:
            return False
        self.asked = room
        if room:
            self.watch_idle()
        else:
            self.stream.engine.wheel.clear(&self.deadline)
        return True

    # -- ends -----------------------------------------------------------------------------

    cdef void response_whole(self) noexcept:
        """Everything of the response was received."""
        self.attempt.whole = True
        self.stream.engine.wheel.clear(&self.deadline)
        if self.attempt.sent_last:
            self.give_back()
        elif self.state != U_TUNNEL:
            self.state = U_WHOLE

    cdef void request_whole(self) noexcept:
        """Everything of the request was handed to the stream."""
        cdef H1Attempt a = self.attempt
        a.sent_last = True
        if a.whole:
            self.give_back()
        elif self.state == U_HEAD:
            self.set_deadline(D_HEAD, a.x.timeouts.response_head)

    cdef void give_back(self) noexcept:
        """The attempt is over as it should be."""
        cdef H1Attempt a = self.attempt
        self.attempt = None
        self.state = U_IDLE
        self.stream.set_bulk(False)
        a.connection = None
        a.finish()
        if self.persistent:
            self.pool.release(self)
        else:
            self.pool.discard(self)

    cdef void fail(self, Reason why) noexcept:
        """The attempt is over as it should not be."""
        cdef H1Attempt a = self.attempt
        cdef Exchange x
        cdef Outcome outcome
        if a is None:
            self.pool.discard(self)
            return
        x = a.x
        outcome.reason = why
        outcome.connected = self.state != U_CONNECTING
        outcome.reused = self.reused
        outcome.sent = outcome.connected and self.stream.bytes_out != self.sent_before
        outcome.head_seen = a.head_seen
        outcome.peer_closed_first = not outcome.sent
        self.attempt = None
        a.connection = None
        self.persistent = False
        self.pool.discard(self)
        a.end(&outcome)
        x.on_attempt_failed(a, &outcome)

    cdef void shut(self) noexcept:
        """Close at once; a tunnel first sends what is queued. A request that is left unsent is
        reset: the upstream shall not wait for the rest, or take what came for all."""
        cdef Stream s = self.stream
        cdef bint flush = self.state == U_TUNNEL and s is not None and s.queued
        self.state = U_CLOSED
        if s is None:
            return
        s.engine.wheel.clear(&self.deadline)
        s.engine.keep(self)
        self.stream = None
        self.drop_partial()
        chunk_release(&self.kept)
        self.kept.n = 0
        if flush:
            s.close()
        elif s.queued:
            s.reset(REASON_CANCELLED)
        else:
            s.abort(REASON_CANCELLED)

    cdef void set_deadline(self, int kind, uint32_t after_ms) noexcept:
        """Set the one deadline; 0 = none."""
        self.deadline.kind = kind
        if after_ms:
            self.stream.engine.wheel.set(&self.deadline, self.stream.engine.now_ms + after_ms)
        else:
            self.stream.engine.wheel.clear(&self.deadline)

    cdef void watch_idle(self) noexcept:
        """From now on a byte must come within `idle`. A tunnel is watched by its downstream,
        for both directions: silence there is no failure of the upstream."""
        if self.state == U_TUNNEL:
            self.stream.engine.wheel.clear(&self.deadline)
        else:
            self.set_deadline(D_IDLE, self.attempt.x.timeouts.idle)

    cdef void on_deadline(self, int kind) noexcept:
        """What was waited for did not happen."""
        if kind == D_STALL and bytes_taken(self.stream) != self.taken_at_mark:
            self.mark_stall()
        elif kind == D_POOL or self.attempt is None:
            self.pool.discard(self)
        elif kind == D_CONNECT:
            self.fail(REASON_CONNECT_TIMEOUT)
        elif kind == D_HEAD:
            self.fail(REASON_RESPONSE_HEAD_TIMEOUT)
        else:
            self.fail(REASON_UPSTREAM_STALLED)

    cdef void mark_stall(self) noexcept:
        """The upstream has no room: from now on some bytes must move within `idle`."""
        self.taken_at_mark = bytes_taken(self.stream)
        self.set_deadline(D_STALL, self.attempt.x.timeouts.idle)


cdef uint32_t _idle_allowed(Fields* fields, uint32_t idle_ms) noexcept:
    """The pool's own idle time, or a second less than `Keep-Alive: timeout=N` if that is more."""
    cdef Field* f = fields_find(fields, NAME_KEEP_ALIVE)
    cdef uint32_t i, seconds = 0
    if f == NULL:
        # The row is hop-by-hop but not hidden; fields_find sees it.
        return idle_ms
    for i in range(f.value_n):
        if f.value_n - i > 8 and span_eq_fold(span(f.value + i, 8), span(b"timeout=", 8)):
            i += 8
            while i < f.value_n and 48 <= f.value[i] <= 57 and seconds < 100000:
                seconds = seconds * 10 + (f.value[i] - 48)
                i += 1
            break
    return max(idle_ms, (seconds - 1) * 1000 if 1 < seconds <= 3600 else 0)


# -- attempts ------------------------------------------------------------------------------

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
@cython.freelist(256)
@cython.final
cdef class H1Attempt(Attempt):
    """See h1.pxd."""

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
                self.ready()
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
        e.pool.busy += 1
        self.connection = c
        c.set_deadline(D_CONNECT, self.x.timeouts.connect)

    cdef void refuse(self, Reason why) noexcept:
        """Fail before there is a connection."""
        cdef Outcome outcome
        cdef Exchange x = self.x
        memset(&outcome, 0, sizeof(outcome))
        outcome.reason = why
        self.end(&outcome)
        x.on_attempt_failed(self, &outcome)

    cdef void ready(self) noexcept:
        """The head may be sent."""
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

    cdef void finish(self) noexcept:
        """It ended with a whole response."""
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
