"""InternalDownstream; see internal.pxd."""

from fastgw.ext.base.buffers cimport chunk_keep, chunk_release
from fastgw.ext.base.reasons cimport REASON_NONE
from fastgw.ext.exchange.held cimport Held, queue_free, queue_put, queue_take


cdef InternalDownstream new_internal(Dispatcher dispatcher, Receiver receiver):
    """An internal exchange whose head is to be filled, in `x` of what is returned."""
    cdef InternalDownstream d = InternalDownstream()
    d.receiver = receiver
    d.x = dispatcher.new_exchange(d)
    return d


cdef class Receiver:
    """See internal.pxd."""

    cdef void on_head(self, ResponseHead* head, bint last) noexcept:
        """The answer's head; valid until the end is told."""

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept:
        """A piece of the answer; whether there is room for another (else `take_more`)."""
        chunk_release(c)
        return True

    cdef void on_trailers(self, Fields* trailers) noexcept:
        """Trailers, which end the answer."""

    cdef void on_end(self, Reason why) noexcept:
        """Nothing more will come; REASON_NONE when the answer was whole."""


cdef class InternalDownstream(Downstream):
    """See internal.pxd."""

    def __dealloc__(self):
        queue_free(&self.body)

    # -- what the beginner calls -------------------------------------------------------

    cdef void begin(self, bint last) noexcept:
        """The head is filled; `last`: no body follows."""
        self.x.on_request_head(last)

    cdef bint send_body(self, Chunk* c, bint last) noexcept:
        """A piece of the request's body; kept until it is asked for. False without memory,
        or when it is not wanted any more."""
        cdef Chunk kept
        if self.x is None:
            chunk_release(c)
            return False
        if not chunk_keep(c, self.x.engine.pool, &kept):
            return False
        if not queue_put(&self.body, &kept, last):
            return False
        self.pump()
        return True

    cdef void take_more(self) noexcept:
        """The receiver has room again."""
        if self.stalled and self.x is not None:
            self.stalled = False
            self.x.on_room()

    cdef void abandon(self, Reason why) noexcept:
        """Nobody wants the answer any more: like a client that left."""
        cdef Exchange x = self.x
        if x is not None:
            self.end(why)
            x.on_gone(why)

    cdef void pump(self) noexcept:
        """Deliver what is asked for."""
        cdef Held h
        if self.pumping:
            return
        self.pumping = True
        while self.x is not None and self.asked and self.body.n:
            h = queue_take(&self.body)
            self.asked = self.x.on_request_chunk(&h.chunk, h.last)
        self.pumping = False

    cdef void end(self, Reason why) noexcept:
        """Whichever way it ends: once."""
        cdef Receiver receiver = self.receiver
        self.x = None
        self.receiver = None
        queue_free(&self.body)
        if receiver is not None:
            receiver.on_end(why)

    # -- told by the exchange ------------------------------------------------------------

    cdef void send_head(self, Exchange x, bint last) noexcept:
        if self.receiver is not None:
            self.receiver.on_head(&x.response, last)

    cdef bint send_chunk(self, Exchange x, Chunk* c, bint last) noexcept:
        if self.receiver is None:
            chunk_release(c)
            return True
        self.stalled = True
        if self.receiver.on_chunk(c, last):
            self.stalled = False
        return not self.stalled

    cdef void send_trailers(self, Exchange x, Fields* trailers) noexcept:
        if self.receiver is not None:
            self.receiver.on_trailers(trailers)

    cdef void ask_body(self, Exchange x, bint on) noexcept:
        self.asked = on
        if on:
            self.pump()

    cdef void reset(self, Exchange x, Reason why) noexcept:
        self.end(why)

    cdef void finish(self, Exchange x) noexcept:
        self.end(REASON_NONE)
