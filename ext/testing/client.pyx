"""A downstream like HTTP/2's; see client.pxd."""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, H_EXPECT_100, H_UPGRADE,
)
from fastgw.ext.exchange.contract cimport RESPONSE_SIDE, Sink
from fastgw.ext.io.stream cimport Stream
from fastgw.ext.testing.sinks cimport FakeSink
from fastgw.ext.testing.heads cimport (
    fill_request, get_fields, make_chunk, put_fields, put_text, reason_name, reason_of,
)
from fastgw.ext.base.arena cimport arena_alloc


cdef class FakeConnection:
    """See client.pxd."""

    def __cinit__(self, Dispatcher dispatcher not None, long window=1 << 40):
        self.dispatcher = dispatcher
        self.frames, self.violations, self.streams = [], [], {}
        self.window = window
        self.next_id = 1

    def request(
        self, str method="GET", str target="/", fields=(), *, bint last=True, long length=-1,
        bint expect=False, str protocol=None, long window=1 << 40, on_event=None,
    ):
        """Begin a request; without `last` its body follows by `push`."""
        cdef FakeStream s = FakeStream()
        cdef Exchange x = self.dispatcher.new_exchange(s)
        s.home, s.id, s.x = self, self.next_id, x
        s.window, s.on_event = window, on_event
        self.next_id += 2
        self.streams[s.id] = s
        try:
            fill_request(x, method, target, fields)
        except MemoryError:
            s.asked = False
            x.on_refused(reason_of("memory"))
            return s
        x.request.framing = BODY_CHUNKED
        if last:
            x.request.framing = BODY_NONE
        elif length >= 0:
            x.request.framing = BODY_LENGTH
            x.request.content_length = length
        if expect:
            x.request.flags |= H_EXPECT_100
        if protocol is not None:
            x.request.flags |= H_UPGRADE
            x.request.framing = BODY_NONE
            x.protocol = put_text(&x.arena, protocol)
        x.on_request_head(x.request.framing == BODY_NONE)
        return s

    def refused(self, str reason):
        """A request whose head was not acceptable."""
        cdef FakeStream s = FakeStream()
        cdef Exchange x = self.dispatcher.new_exchange(s)
        s.home, s.id, s.x = self, self.next_id, x
        s.window = 1 << 40
        self.next_id += 2
        self.streams[s.id] = s
        x.on_refused(reason_of(reason))
        return s


cdef class FakeStream(Downstream):
    """See client.pxd."""

    def __cinit__(self):
        self.outbox, self.fields, self.informational, self.ends = [], [], [], []
        self.body = bytearray()

    # -- the client's doings -----------------------------------------------------------

    def push(self, bytes data, bint last=False, bint counted=False) -> None:
        """Send a piece of the body; it waits until the exchange asks for it."""
        self.outbox.append((data, last, counted))
        self.pump()

    def push_trailers(self, pairs) -> None:
        """End the body with trailers."""
        self.outbox.append((list(pairs),))
        self.pump()

    def grant(self, long n) -> None:
        """Widen the window; tell the exchange if it was waiting for room."""
        self.window += n
        if self.full and self.window > 0 and self.home.window > 0 and self.x is not None:
            self.full = False
            self.x.on_room()

    def leave(self, str reason="client_reset") -> None:
        """Be gone."""
        cdef Exchange x = self.x
        if x is None:
            return
        self.x = None
        self.note("gone", reason)
        self.ends.append("gone")
        x.on_gone(reason_of(reason))

    def body_waiting(self) -> None:
        """Bytes are there although nobody asked for them yet."""
        if self.x is not None:
            self.x.on_body_waiting()

    def break_body(self, str reason="bad_chunk") -> None:
        """The body turned out to be malformed."""
        if self.x is not None:
            self.x.on_refused(reason_of(reason))

    def rival(self) -> bool:
        """Have a rival to the attempt under way opened, as a hedging policy would."""
        return self.x is not None and self.x.open_another()

    def add_sink(self, Sink sink not None) -> None:
        """One more reader of the answer."""
        if isinstance(sink, FakeSink):
            (<FakeSink>sink).x = self.x
        self.x.add_sink(RESPONSE_SIDE, sink)

    def remove_sink(self, Sink sink not None) -> None:
        """That reader leaves."""
        cdef Exchange x = (<FakeSink?>sink).x
        (<FakeSink>sink).x = None
        if x is not None:
            x.remove_sink(sink)

    @property
    def live(self) -> bool:
        """Whether the exchange has not ended for this stream."""
        return self.x is not None

    @property
    def states(self) -> tuple[int, int]:
        """(request state, response state); (-1, -1) after the end."""
        if self.x is None:
            return -1, -1
        return <int>self.x.request_state, <int>self.x.response_state

    @property
    def exchange_snapshot(self):
        """What the exchange pins."""
        return self.x.snapshot if self.x is not None else None

    # -- delivering ------------------------------------------------------------------------

    cdef void pump(self) noexcept:
        """Deliver what waits while the exchange lets it come."""
        if self.pumping:
            return
        self.pumping = True
        try:
            while self.x is not None and self.asked and self.outbox:
                self.asked = self.deliver(self.outbox.pop(0))
        except Exception as error:
            self.wrong(f"delivering failed: {error!r}")
        self.pumping = False

    cdef bint deliver(self, object item) except -1:
        """One piece; lent bytes are overwritten as soon as the call returns."""
        cdef Exchange x = self.x
        cdef Chunk c
        cdef Fields* trailers
        cdef char* copy
        cdef bint room
        if len(item) == 1:
            trailers = <Fields*>arena_alloc(&x.arena, sizeof(Fields))
            memset(trailers, 0, sizeof(Fields))
            put_fields(trailers, &x.arena, item[0])
            x.on_request_trailers(trailers)
            return False
        if item[2]:
            make_chunk(&c, item[0], x.engine.pool, True)
            return x.on_request_chunk(&c, item[1])
        copy = <char*>malloc(len(item[0]) + 1)
        memcpy(copy, <char*><bytes>item[0], len(item[0]))
        c.p, c.n, c.owner = copy, len(item[0]), NULL
        room = x.on_request_chunk(&c, item[1])
        memset(copy, 0xEE, len(item[0]))
        free(copy)
        return room

    # -- told by the exchange ----------------------------------------------------------------

    cdef void note(self, str kind, object payload) noexcept:
        self.home.frames.append((self.id, kind, payload))
        if self.on_event is not None:
            try:
                self.on_event(self, kind)
            except Exception as error:
                self.wrong(f"on_event failed: {error!r}")

    cdef void wrong(self, str text) noexcept:
        self.home.violations.append(f"stream {self.id}: {text}")

    cdef void send_head(self, Exchange x, bint last) noexcept:
        if self.x is None or self.status:
            self.wrong("a head after the end or after a head")
        self.status = x.response.status
        self.fields = get_fields(&x.response.fields)
        self.whole = last
        length = x.response.content_length if x.response.framing == BODY_LENGTH else None
        self.note("head", (self.status, tuple(self.fields), length, bool(last)))

    cdef void send_informational(self, Exchange x, ResponseHead* head) noexcept:
        if self.x is None or self.status:
            self.wrong("an informational answer after the end or the head")
        self.informational.append(head.status)
        self.note("informational", head.status)

    cdef bint send_chunk(self, Exchange x, Chunk* c, bint last) noexcept:
        if self.x is None or self.whole or not self.status:
            self.wrong("a chunk after the end or before the head")
        if self.full:
            self.wrong("a chunk though there was no room")
        self.body += c.p[:c.n]
        self.whole = last
        self.window -= c.n
        self.home.window -= c.n
        data = c.p[:c.n]
        chunk_release(c)
        self.full = self.window <= 0 or self.home.window <= 0
        self.note("data", (bytes(data), bool(last)))
        return self.x is not None and not self.full

    cdef Stream relay_end(self):
        """A stream without a socket, which nothing can be moved to."""
        cdef Stream s = Stream()
        s.fd = -1
        return s

    cdef void send_trailers(self, Exchange x, Fields* trailers) noexcept:
        if self.x is None or self.whole or not self.status:
            self.wrong("trailers after the end or before the head")
        self.trailers = get_fields(trailers)
        self.whole = True
        self.note("trailers", tuple(self.trailers))

    cdef void ask_body(self, Exchange x, bint on) noexcept:
        if self.x is None:
            self.wrong("asked after the end")
        self.asked = on
        self.asked_ever = self.asked_ever or on
        if on:
            self.pump()

    cdef void open_tunnel(self, Exchange x) noexcept:
        if self.x is None or not self.status or self.whole:
            self.wrong("a tunnel before the head or after the end")
        self.tunnel = True
        self.note("tunnel", x.protocol.p[:x.protocol.n].decode("latin-1"))

    cdef void reset(self, Exchange x, Reason why) noexcept:
        if self.x is None:
            self.wrong("reset after the end")
        self.x = None
        self.ends.append(f"reset:{reason_name(why)}")
        self.note("reset", reason_name(why))

    cdef void finish(self, Exchange x) noexcept:
        if self.x is None:
            self.wrong("finish after the end")
        if not self.whole:
            self.wrong("finish though the answer is not whole")
        self.x = None
        self.ends.append("finish")
        self.note("finish", None)
