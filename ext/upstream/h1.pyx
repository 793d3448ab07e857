"""HTTP/1.1 to the upstream; see h1.pxd."""

cimport cython
from libc.stdint cimport int64_t
from libc.string cimport memset
from fastgw.ext.base.buffers cimport buffer_hold, chunk_release
from fastgw.ext.base.reasons cimport (
    REASON_CLIENT_STALLED, REASON_CONNECT_TIMEOUT, REASON_MEMORY, REASON_RESPONSE_HEAD_TIMEOUT,
    REASON_UPSTREAM_BAD_CHUNK, REASON_UPSTREAM_BAD_HEAD, REASON_UPSTREAM_BAD_UPGRADE,
    REASON_UPSTREAM_HEAD_TOO_LARGE, REASON_UPSTREAM_RESET, REASON_UPSTREAM_STALLED,
    REASON_UPSTREAM_TRUNCATED,
)
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Outcome
from fastgw.ext.http.chunked cimport (
    CHUNK_DATA, CHUNK_END, CHUNK_MORE, CHUNK_SPACE, CHUNK_TOO_LARGE, ChunkEvent, chunked_begin,
)
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, H_KEEP_ALIVE,
)
from fastgw.ext.http.names cimport NAME_KEEP_ALIVE
from fastgw.ext.http.keep cimport keep_response, keep_trailers, no_body
from fastgw.ext.io.progress cimport bytes_taken
from fastgw.ext.io.stream cimport (
    S_BLOCKED, S_BROKEN, S_CLOSED, S_PAUSED, S_WANT_ROOM, Stream,
)
from fastgw.ext.route.plan cimport Limits
from fastgw.ext.route.snapshot cimport Snapshot
from fastgw.ext.upstream.h1_link cimport (
    D_CONNECT, D_HEAD, D_IDLE, D_NONE, D_POOL, idle_allowed,
)
from fastgw.ext.upstream.h1_request cimport agrees_to_tunnel, announce_client

cdef enum:
    BULK = 32768                # bytes of body from which on buffers are passed by reference
    RELAY = 65536               # bytes of body from which on they are relayed
    MAX_INFORMATIONAL = 32      # 1xx heads before one answer


@cython.no_gc
@cython.final
cdef class H1Connection(H1Link):
    """See h1.pxd."""

    # -- told by the stream ---------------------------------------------------------------

    cdef void on_open(self) noexcept:
        """Connected: the attempt may begin."""
        cdef LinkedAttempt a = self.attempt
        if a is None:
            return
        if (<Endpoint>a.endpoint).send_proxy and not self.stream.facts.tls and not announce_client(
            self.stream, a.x, (<Endpoint>a.endpoint).send_proxy
        ):
            self.fail(self.unwritten())
            return
        self.start(a)
        a.x.on_attempt_ready(a)

    cdef void start(self, LinkedAttempt a) noexcept:
        """Become the connection of `a`. The deadline of what was before stays on the wheel, where
        moving it is cheap, and means nothing."""
        self.attempt = a
        self.state = U_HEAD
        self.deadline.kind = D_NONE
        self.reused = self.served > 0
        self.served += 1
        self.persistent = True
        self.asked = True
        self.informational = 0
        self.sent_before = self.stream.bytes_out

    cdef void on_bytes(self, Chunk* c) noexcept:
        """Bytes of a response; a connection that talks before it is asked is not to be trusted:
        they would be taken for the answer (CWE-444)."""
        if self.attempt is None:
            chunk_release(c)
            self.pool.discard(self)
        elif self.state == U_HEAD and self.stream.bytes_out == self.sent_before:
            chunk_release(c)
            self.fail(REASON_UPSTREAM_RESET if self.reused else REASON_UPSTREAM_BAD_HEAD)
        else:
            self.consume(c)

    cdef void on_room(self) noexcept:
        """The upstream takes bytes again."""
        cdef LinkedAttempt a = self.attempt
        if a is not None:
            self.watch()
            a.x.on_attempt_room(a)

    cdef void on_half_closed(self) noexcept:
        """The upstream ended its side; what is unread comes first, an idle one is useless."""
        if self.attempt is None:
            self.pool.discard(self)

    cdef void on_eof(self) noexcept:
        """The upstream ended its side and everything was read."""
        if self.attempt is None:
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
        elif self.state == U_CONNECTING or why == REASON_MEMORY or why == REASON_UPSTREAM_STALLED:
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
        cdef LinkedAttempt a = self.attempt
        cdef size_t used
        self.reading = True
        while c.n and self.attempt is a:
            if self.state == U_HEAD:
                used = self.take_head(c.p, c.n)
            elif self.state == U_WHOLE:
                self.persistent = False
                break
            elif not self.asked:
                if not self.put_by(c):
                    self.fail(REASON_MEMORY)
                break
            elif self.state == U_LENGTH:
                used = self.take_length(c)
            elif self.state == U_CHUNKED:
                used = self.take_chunked(c)
            else:
                used = c.n
                self.deliver(c.p, c.n, c.owner, False)
            if used == 0:
                break
            c.p += used
            c.n -= used
        self.reading = False
        chunk_release(c)
        if self.attempt is not a:
            return
        if not self.asked:
            self.stream.pause()
        elif self.state == U_LENGTH and self.left >= RELAY:
            self.relay_rest()

    cdef void resume_reading(self) noexcept:
        """The exchange takes body again: what was put by comes first."""
        cdef LinkedAttempt a = self.attempt
        cdef Chunk c
        self.asked = True
        if self.reading:
            return
        if self.kept.n:
            c = self.take_kept()
            self.consume(&c)
        if self.attempt is a and self.asked:
            self.watch()
            self.stream.resume()

    # -- heads ----------------------------------------------------------------------------

    cdef size_t take_head(self, const char* p, size_t n) noexcept:
        """Parse as soon as there is enough; how many of the new bytes were used, 0 = stop."""
        cdef LinkedAttempt a = self.attempt
        cdef const Limits* limits = &(<Snapshot>a.x.snapshot).limits
        cdef ResponseHead head
        cdef size_t all_n = n
        cdef int64_t got
        a.head_seen = True
        got = self.read_head(&p, &all_n, limits, a.x.request.method_id, &head)
        if got < 0:
            self.fail(<Reason>-got)
            return 0
        if got == 0:
            return n
        if not self.accept_head(&head, p, got, all_n > <size_t>got):
            return 0
        return got - (all_n - n)

    cdef bint accept_head(self, ResponseHead* head, const char* p, size_t used, bint more) noexcept:
        """A whole head of `used` bytes, with `more` behind it; whether reading goes on for the
        same attempt."""
        cdef LinkedAttempt a = self.attempt
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
        self.note_persistence(&a.response, last and more)
        self.begin_body(&a.response, last)
        x.on_response_head(a, last)
        if last:
            self.response_told(a, x)
        return self.attempt is a

    cdef void note_persistence(self, ResponseHead* head, bint more) noexcept:
        """Whether the connection may serve again (RFC 9112 section 9.3), and how long it may wait.
        Not with bytes behind a response: whatever they are, nobody asked for them."""
        if more or not head.flags & H_KEEP_ALIVE:
            self.persistent = False
        self.idle_ms = self.pool.idle_ms
        if head.fields.seen & (<uint64_t>1 << <int>NAME_KEEP_ALIVE):
            self.idle_ms = idle_allowed(&head.fields, self.idle_ms)

    cdef bint accept_informational(self, ResponseHead* head) noexcept:
        """A 1xx head, whose rows are lent for the call; too many are refused."""
        cdef LinkedAttempt a = self.attempt
        self.informational += 1
        if self.informational > MAX_INFORMATIONAL:
            self.fail(REASON_UPSTREAM_BAD_HEAD)
            return False
        if not a.sent_last:
            self.watch()                # it was the 100 that was awaited, or may be
        a.x.on_informational(a, head)
        if self.attempt is not a:
            return False
        self.drop_partial()
        return True

    cdef bint accept_tunnel(self, ResponseHead* head) noexcept:
        """101 Switching Protocols, only to what was asked for (RFC 9110 section 15.2.2)."""
        cdef LinkedAttempt a = self.attempt
        cdef Exchange x = a.x
        if not agrees_to_tunnel(x, head):
            self.fail(REASON_UPSTREAM_BAD_UPGRADE)
            return False
        self.state = U_TUNNEL
        self.persistent = False
        a.sent_last = False
        head.framing = BODY_NONE
        x.tunnel = True
        self.watch()
        x.on_response_head(a, False)
        return self.attempt is a

    cdef void begin_body(self, const ResponseHead* head, bint last) noexcept:
        """What is to be read next."""
        cdef const Limits* limits
        if last:
            self.response_whole()
            return
        if head.framing == BODY_LENGTH:
            self.state = U_LENGTH
            self.left = head.content_length
            if self.left >= BULK:
                self.stream.set_bulk(True)
        elif head.framing == BODY_CHUNKED:
            self.state = U_CHUNKED
            self.stream.set_bulk(True)
            limits = &(<Snapshot>self.attempt.x.snapshot).limits
            chunked_begin(&self.chunks, limits.head, limits.fields)
        else:
            self.state = U_UNTIL_CLOSE
            self.stream.set_bulk(True)
        self.watch()

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
        if said == CHUNK_MORE:
            return used
        if said == CHUNK_DATA:
            self.deliver(data.p, data.n, c.owner, False)
            return used
        if said == CHUNK_END:
            if c.n > used:
                self.persistent = False
            self.end_chunked(&trailers)
            return used
        self.fail(
            REASON_MEMORY if said == CHUNK_SPACE
            else REASON_UPSTREAM_HEAD_TOO_LARGE if said == CHUNK_TOO_LARGE
            else REASON_UPSTREAM_BAD_CHUNK
        )
        return 0

    cdef void end_chunked(self, Fields* trailers) noexcept:
        """The last chunk and the trailers were read."""
        cdef LinkedAttempt a = self.attempt
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
        self.response_told(a, x)

    cdef void relay_rest(self) noexcept:
        """Have the rest of the body pass by, if its way is free of whoever wants to see it."""
        cdef Stream client = self.attempt.x.relay_to(self.attempt)
        if client is not None and self.stream.relay(client, self.left):
            self.client = client
            self.watch()

    cdef void on_relayed(self, uint64_t moved, bint done) noexcept:
        """Bytes passed by. A relay that is over before the body is has lost one of its ends, which
        is told as ever; for a client that is gone nothing more is read."""
        cdef LinkedAttempt a = self.attempt
        cdef Stream client = self.client
        if done:
            self.client = None
        if a is None:
            return
        self.left -= moved
        a.x.on_relayed(a, moved, client.flags & S_BLOCKED != 0)
        if done and self.left == 0:
            self.deliver(NULL, 0, NULL, True)
            return
        if done and client.flags & (S_BROKEN | S_CLOSED):
            self.stream.pause()
        self.watch()

    cdef bint deliver(self, const char* p, size_t n, Buffer* owner, bint last) noexcept:
        """Hand a piece on; whether reading goes on for the same attempt."""
        cdef LinkedAttempt a = self.attempt
        cdef Exchange x = a.x
        cdef Chunk c
        cdef bint room
        c.p, c.n, c.owner = p, n, owner
        if owner != NULL:
            buffer_hold(owner)
        if last:
            self.response_whole()
            x.on_response_chunk(a, &c, True)
            self.response_told(a, x)
            return False
        room = x.on_response_chunk(a, &c, False)
        if self.attempt is not a:
            return False
        self.asked = room
        self.watch()
        return True

    # -- ends -----------------------------------------------------------------------------

    cdef void response_whole(self) noexcept:
        """Everything of the response was received. What was held back is read on: whatever comes
        now is the connection's end, or none of the response's."""
        self.attempt.whole = True
        if self.stream.flags & S_PAUSED:
            self.stream.resume()
        if self.attempt.sent_last:
            self.give_back()
        elif self.state != U_TUNNEL:
            self.state = U_WHOLE
            self.watch()

    cdef void response_told(self, LinkedAttempt a, Exchange x) noexcept:
        """The exchange has the whole response. An error that ends the connection says that the rest
        of the request is not wanted: stop sending it (RFC 9112 section 9.5)."""
        if self.attempt is a and self.state == U_WHOLE and not self.persistent and (
            a.response.status >= 400
        ):
            self.leave()

    cdef void request_whole(self) noexcept:
        """Everything of the request was handed to the stream."""
        cdef LinkedAttempt a = self.attempt
        a.sent_last = True
        if a.whole:
            self.give_back()
        elif self.state == U_HEAD:
            self.set_deadline(D_HEAD, a.x.timeouts.response_head)

    cdef void give_back(self) noexcept:
        """The attempt is over as it should be; what is queued is still sent."""
        cdef LinkedAttempt a = self.attempt
        self.attempt = None
        self.state = U_IDLE
        self.stream.set_bulk(False)
        a.connection = None
        a.finish()
        if self.persistent:
            self.pool.release(self)
        else:
            self.flush = True
            self.pool.discard(self)

    cdef void leave(self) noexcept:
        """The response is whole, and the rest of the request won't be taken: no failure."""
        cdef LinkedAttempt a = self.attempt
        cdef Exchange x = a.x
        self.attempt = None
        a.connection = None
        self.cut = True
        self.pool.discard(self)
        a.finish()
        x.on_enough(a)

    cdef void fail(self, Reason why) noexcept:
        """The attempt is over as it should not be."""
        cdef LinkedAttempt a = self.attempt
        cdef Exchange x = a.x
        cdef Outcome outcome
        if self.state == U_WHOLE:
            self.leave()
            return
        memset(&outcome, 0, sizeof(outcome))
        outcome.reason = why
        outcome.connected = self.state != U_CONNECTING
        outcome.reused = outcome.connected and self.reused
        outcome.sent = outcome.connected and self.stream.bytes_out != self.sent_before
        outcome.head_seen = a.head_seen
        outcome.peer_closed_first = outcome.connected and not outcome.sent
        self.attempt = None
        a.connection = None
        self.cut = True
        self.pool.discard(self)
        a.end(&outcome)
        x.on_attempt_failed(a, &outcome)

    cdef void on_deadline(self, int kind) noexcept:
        """What was waited for did not happen."""
        if kind == D_NONE:
            return
        if kind == D_POOL:
            self.pool.discard(self)
        elif kind == D_CONNECT:
            self.fail(REASON_CONNECT_TIMEOUT)
        elif kind == D_HEAD:
            self.fail(REASON_RESPONSE_HEAD_TIMEOUT)
        elif self.taken() != self.taken_at_mark:
            self.watch()
        elif self.client is not None and self.client.flags & S_BLOCKED:
            self.client.abort(REASON_CLIENT_STALLED)
        else:
            self.fail(REASON_UPSTREAM_STALLED)

    cdef uint64_t taken(self) noexcept:
        """Bytes that the upstream took; where the kernel has room for more, those that it took.
        Of a body that is relayed, bytes that the client took."""
        if self.client is not None:
            return bytes_taken(self.client)
        if self.stream.flags & S_WANT_ROOM:
            return bytes_taken(self.stream)
        return self.stream.bytes_out

    cdef void watch(self) noexcept:
        """A byte has to move within `idle`, while the upstream owes us some of a body or room for
        the request's. Not while a slow client holds the response's body back; a tunnel owes no
        answers, and whether it is idle is the client's side's to say."""
        cdef bint owes = self.asked
        if self.state < U_LENGTH or self.state == U_TUNNEL:
            owes = not self.attempt.sent_last and self.stream.flags & S_WANT_ROOM
        if owes:
            self.taken_at_mark = self.taken()
            self.set_deadline(D_IDLE, self.attempt.x.timeouts.idle)
        else:
            self.set_deadline(D_NONE, 0)


@cython.no_gc
cdef class LinkedAttempt(EndpointAttempt):
    """See h1.pxd."""
