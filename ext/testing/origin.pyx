"""Targets without a network; see origin.pxd."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.buffers cimport chunk_keep, chunk_release
from fastgw.ext.base.debug cimport ATTEMPTS, debug_assert, debug_born, debug_died
from fastgw.ext.exchange.contract cimport (
    MODE_STREAM, MODE_WHOLE, RETRY_NEVER, RETRY_SAFE, Outcome,
)
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, F_HIDDEN, F_REMOVAL, Field, ResponseHead,
)
from fastgw.ext.testing.heads cimport (
    get_fields, make_chunk, put_fields, reason_name, reason_of,
)


cdef class FakeTarget(Target):
    """See origin.pxd."""

    def __cinit__(
        self, str name="fake", *, bint auto_ready=True, int max_tries=3, bint retry=True,
        long whole_limit=-1,
    ):
        self.name = name
        self.attempts = []
        self.auto_ready = auto_ready
        self.max_tries = max_tries
        self.retry_rule = RETRY_SAFE if retry else RETRY_NEVER
        self.body_mode = MODE_WHOLE if whole_limit >= 0 else MODE_STREAM
        self.body_limit = whole_limit if whole_limit >= 0 else 0

    cdef Attempt open(self, Exchange x):
        cdef FakeAttempt a
        if self.raises:
            raise RuntimeError("no attempt for a test")
        a = FakeAttempt()
        a.home, a.x = self, x
        self.attempts.append(a)
        debug_born(ATTEMPTS)
        return a


cdef class FakeAttempt(Attempt):
    """See origin.pxd."""

    def __cinit__(self):
        self.wire = bytearray()
        self.events, self.inbox, self.violations = [], [], []
        self.window = 1 << 40
        self.endpoint = object()

    # -- the upstream's doings -----------------------------------------------------------

    def ready(self) -> None:
        """The connection is there."""
        if self.x is not None:
            self.x.on_attempt_ready(self)

    def answer(
        self, int status=200, fields=(), *, bint last=False, long length=-1, bint tunnel=False,
    ) -> None:
        """The response's head; without `last` a body follows by `feed`."""
        cdef Exchange x = self.x
        if x is None:
            return
        memset(&self.response, 0, sizeof(ResponseHead))
        put_fields(&self.response.fields, &x.arena, fields)
        self.response.status = status
        self.response.minor = 1
        self.response.framing = BODY_CHUNKED
        if last:
            self.response.framing = BODY_NONE
        elif length >= 0:
            self.response.framing = BODY_LENGTH
            self.response.content_length = length
        self.asked = self.answered = self.head_seen = True
        self.response_over = last
        if tunnel:
            x.tunnel = True
        x.on_response_head(self, last)
        if last and self.sent_last:
            self.retire()
        self.pump()

    def inform(self, int status) -> None:
        """An informational answer."""
        cdef ResponseHead head
        memset(&head, 0, sizeof(ResponseHead))
        head.status = status
        if self.x is not None:
            self.x.on_informational(self, &head)

    def feed(self, bytes data, bint last=False, bint counted=False) -> None:
        """A piece of the response's body; it waits while the exchange holds it."""
        self.inbox.append((data, last, counted))
        self.pump()

    def may_relay(self) -> bool:
        """Whether the rest of the body may pass the exchange by."""
        return self.x is not None and self.x.relay_to(self) is not None

    def feed_trailers(self, pairs) -> None:
        """End the response with trailers."""
        self.inbox.append((list(pairs),))
        self.pump()

    def fail(
        self, str reason="upstream_reset", *, bint connected=True, bint reused=False,
        bint sent=False, bint peer_closed_first=False,
    ) -> None:
        """End without a whole answer."""
        cdef Exchange x = self.x
        cdef Outcome outcome
        if x is None:
            return
        memset(&outcome, 0, sizeof(Outcome))
        outcome.reason = reason_of(reason)
        outcome.connected, outcome.reused, outcome.sent = connected, reused, sent
        outcome.head_seen, outcome.peer_closed_first = self.head_seen, peer_closed_first
        self.retire()
        x.on_attempt_failed(self, &outcome)

    def enough(self) -> None:
        """Take no more of the request."""
        if self.x is not None:
            self.x.on_enough(self)

    def grant(self, long n) -> None:
        """Take `n` bytes of the request more."""
        self.window += n
        if self.full and self.window > 0 and self.x is not None:
            self.full = False
            self.x.on_attempt_room(self)

    # -- delivering ------------------------------------------------------------------------

    cdef void pump(self) noexcept:
        """Deliver what waits while the exchange lets it come."""
        if self.pumping:
            return
        self.pumping = True
        try:
            while self.x is not None and self.answered and self.asked and self.inbox:
                self.asked = self.deliver(self.inbox.pop(0))
        except Exception as error:
            self.violations.append(f"delivering failed: {error!r}")
        self.pumping = False

    cdef bint deliver(self, object item) except -1:
        """One piece; lent bytes are overwritten as soon as the call returns."""
        cdef Exchange x = self.x
        cdef Chunk c
        cdef Fields* trailers
        cdef char* copy
        cdef bint room = False
        if len(item) == 1:
            trailers = <Fields*>arena_alloc(&x.arena, sizeof(Fields))
            memset(trailers, 0, sizeof(Fields))
            put_fields(trailers, &x.arena, item[0])
            self.response_over = True
            x.on_response_trailers(self, trailers)
        else:
            copy = <char*>malloc(len(item[0]) + 1)
            memcpy(copy, <char*><bytes>item[0], len(item[0]))
            if item[2]:
                make_chunk(&c, item[0], x.engine.pool, True)
            else:
                c.p, c.n, c.owner = copy, len(item[0]), NULL
            self.response_over = item[1]
            room = x.on_response_chunk(self, &c, item[1])
            memset(copy, 0xEE, len(item[0]))
            free(copy)
        if self.response_over and self.sent_last:
            self.retire()
        return room

    # -- told by the exchange ------------------------------------------------------------------

    cdef void note(self, object event) noexcept:
        if self.over:
            self.violations.append(f"told {event} after the end")
        self.events.append(event)
        if self.home.on_told is not None:
            try:
                self.home.on_told(self, event)
            except Exception as error:
                self.violations.append(f"on_told failed: {error!r}")

    cdef void retire(self) noexcept:
        if not self.over:
            self.over = True
            self.x = None
            debug_died(ATTEMPTS)

    cdef void begin(self) noexcept:
        self.note("begin")
        if self.home.on_begin is not None:
            try:
                self.home.on_begin(self)
            except Exception as error:
                self.violations.append(f"on_begin failed: {error!r}")
        if self.home.auto_ready and self.x is not None:
            self.x.on_attempt_ready(self)

    cdef void send_head(self, bint last) noexcept:
        self.sent_last = last
        try:
            self.write_head(self.x, last)
        except Exception as error:
            self.violations.append(f"writing failed: {error!r}")
        self.note(f"head{'.' if last else ''}")

    cdef void write_head(self, Exchange x, bint last) except *:
        """The head as HTTP/1.1 has it, this attempt's overlay over the frozen one."""
        cdef uint32_t i
        cdef Field* f
        query = b"?" + x.request.query.p[:x.request.query.n] if x.request.query.p else b""
        self.wire += x.request.method.p[:x.request.method.n] + b" "
        self.wire += x.forward_path.p[:x.forward_path.n] + query + b" HTTP/1.1\r\n"
        for i in range(x.request.fields.n):
            f = &x.request.fields.rows[i]
            if f.flags & (F_HIDDEN | F_REMOVAL) or (
                self.hidden != NULL and self.hidden[i >> 3] & (1 << (i & 7))
            ):
                continue
            self.wire += f.name[:f.name_n] + b": " + f.value[:f.value_n] + b"\r\n"
        for name, value in get_fields(&self.overlay):
            self.wire += f"{name}: {value}\r\n".encode("latin-1")
        self.chunked = not last and x.request.framing == BODY_CHUNKED
        if self.chunked:
            self.wire += b"transfer-encoding: chunked\r\n"
        elif not last:
            self.wire += b"content-length: %d\r\n" % x.request.content_length
        if x.protocol.n:
            self.wire += b"upgrade: " + x.protocol.p[:x.protocol.n] + b"\r\n"
        self.wire += b"\r\n"

    cdef bint send_chunk(self, Chunk* c, bint last) noexcept:
        if self.sent_last and not self.tunnel:
            self.violations.append("a chunk after the last one")
        if self.full:
            self.violations.append("a chunk though there was no room")
        data = c.p[:c.n]
        if self.chunked and c.n:
            self.wire += b"%x\r\n" % c.n + data + b"\r\n"
        else:
            self.wire += data
        if self.chunked and last:
            self.wire += b"0\r\n\r\n"
        self.accepted += c.n
        self.window -= c.n
        self.sent_last = last
        chunk_release(c)
        self.full = self.window <= 0
        self.note(("chunk", bytes(data), bool(last)))
        if last and self.response_over:
            self.retire()
        return not self.full and self.x is not None

    cdef void send_trailers(self, Fields* trailers) noexcept:
        self.wire += b"0\r\n"
        for name, value in get_fields(trailers):
            self.wire += f"{name}: {value}\r\n".encode("latin-1")
        self.wire += b"\r\n"
        self.sent_last = True
        self.note(("trailers", tuple(get_fields(trailers))))
        if self.response_over:
            self.retire()

    cdef void ask_body(self, bint on) noexcept:
        self.asked = on
        self.note("on" if on else "off")
        if on:
            self.pump()

    cdef void open_tunnel(self) noexcept:
        self.tunnel = True
        self.sent_last = False
        self.chunked = False
        self.note("tunnel")

    cdef void cancel(self, Reason why) noexcept:
        if self.over:
            return
        self.note(f"cancel:{reason_name(why)}")
        self.retire()


cdef class EchoTarget(Target):
    """See origin.pxd."""

    def __cinit__(self):
        self.name = "echo"
        self.body_mode = MODE_STREAM
        self.max_tries = 1

    cdef Attempt open(self, Exchange x):
        cdef EchoAttempt a = EchoAttempt()
        a.x = x
        debug_born(ATTEMPTS)
        return a


cdef class EchoAttempt(Attempt):
    """See origin.pxd."""

    cdef void begin(self) noexcept:
        self.x.on_attempt_ready(self)

    cdef void retire(self) noexcept:
        if self.x is not None:
            self.x = None
            if self.has_held:
                self.has_held = False
                chunk_release(&self.held)
            debug_died(ATTEMPTS)

    cdef void send_head(self, bint last) noexcept:
        self.sent_last = last
        self.asked = True
        self.response.status = 200
        self.response.minor = 1
        self.response.framing = BODY_NONE if last else BODY_CHUNKED
        self.x.on_response_head(self, last)
        if last:
            self.retire()

    cdef bint send_chunk(self, Chunk* c, bint last) noexcept:
        self.sent_last = last
        if not self.asked:
            if not chunk_keep(c, self.x.engine.pool, &self.held):
                return False
            self.has_held, self.held_last = True, last
            return False
        self.asked = self.x.on_response_chunk(self, c, last)
        if last:
            self.retire()
        return self.x is not None and self.asked

    cdef void send_trailers(self, Fields* trailers) noexcept:
        self.sent_last = True
        if self.has_held:
            self.held_trailers = trailers
            return
        self.x.on_response_trailers(self, trailers)
        self.retire()

    cdef void ask_body(self, bint on) noexcept:
        cdef Exchange x = self.x
        self.asked = on
        if not on or x is None:
            return
        if self.has_held:
            self.has_held = False
            self.asked = x.on_response_chunk(self, &self.held, self.held_last)
            if self.held_last:
                self.retire()
                return
            if self.x is not None and self.held_trailers != NULL:
                x.on_response_trailers(self, self.held_trailers)
                self.retire()
                return
        if self.asked and self.x is not None and not self.sent_last:
            x.on_attempt_room(self)

    cdef void cancel(self, Reason why) noexcept:
        self.retire()


cdef class StaticTarget(Target):
    """See origin.pxd."""

    def __cinit__(self, bytes body=b"", int status=200):
        self.name = "static"
        self.body = body
        self.status = status
        self.body_mode = MODE_STREAM
        self.max_tries = 1

    cdef Attempt open(self, Exchange x):
        cdef StaticAttempt a = StaticAttempt()
        a.x, a.home = x, self
        debug_born(ATTEMPTS)
        return a


cdef class StaticAttempt(Attempt):
    """See origin.pxd; takes the request's body and forgets it."""

    def __dealloc__(self):
        debug_assert(not self.in_call)

    cdef void begin(self) noexcept:
        self.x.on_attempt_ready(self)

    cdef void retire(self) noexcept:
        if self.x is not None:
            self.x = None
            debug_died(ATTEMPTS)

    cdef void send_head(self, bint last) noexcept:
        cdef bint empty = len(self.home.body) == 0
        self.sent_last = last
        self.response.status = self.home.status
        self.response.minor = 1
        self.response.framing = BODY_LENGTH
        self.response.content_length = len(self.home.body)
        self.asked, self.done = True, empty
        self.x.on_response_head(self, empty)
        if self.asked and not self.done:
            self.give()
        if self.done and self.sent_last:
            self.retire()

    cdef void give(self) noexcept:
        cdef Chunk c
        if self.x is None:
            return
        c.p, c.n, c.owner = self.home.body, len(self.home.body), NULL
        self.done = True
        self.x.on_response_chunk(self, &c, True)

    cdef bint send_chunk(self, Chunk* c, bint last) noexcept:
        chunk_release(c)
        self.sent_last = last
        if last and self.done:
            self.retire()
        return True

    cdef void send_trailers(self, Fields* trailers) noexcept:
        self.sent_last = True
        if self.done:
            self.retire()

    cdef void ask_body(self, bint on) noexcept:
        self.asked = on
        if on and not self.done:
            self.in_call = True
            self.give()
            self.in_call = False
            if self.sent_last:
                self.retire()

    cdef void cancel(self, Reason why) noexcept:
        self.retire()
