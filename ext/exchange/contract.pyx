"""The contracts' do-nothing ends; `contract.pxd` is the page to read."""

cimport cython
from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.debug cimport TICKETS, debug_assert, debug_born, debug_died
from fastgw.ext.base.reasons cimport REASON_POLICY_TIMEOUT
from fastgw.ext.base.span cimport span


cdef void _ticket_due(void* owner, int kind) noexcept:
    cdef Ticket t = <Ticket>owner
    t.fire(TICKET_TIMEOUT)


cdef class Tally:
    """See contract.pxd."""


cdef class Ticket:
    """See contract.pxd."""

    def __cinit__(self):
        self.event = TICKET_DONE
        deadline_init(&self.deadline, <void*>self, _ticket_due)
        debug_born(TICKETS)

    def __dealloc__(self):
        debug_assert(self.deadline.prev == NULL)
        debug_died(TICKETS)

    cdef bint fire(self, TicketEvent event) noexcept:
        """Wake the exchange with `event`; False if that is no longer possible."""
        cdef Ticket me = self
        cdef Exchange x = self.x
        if self.spent or x is None or x.generation != self.generation:
            if self.tally is not None:
                self.tally.tickets_stale += 1
            return False
        self.spent = True
        self.event = event
        x.engine.wheel.clear(&self.deadline)
        if x.given is not me:
            x.on_ticket(me)
            self.x = None
        return True

    cdef void spend(self, TicketEvent event) noexcept:
        """From here on firing it does nothing."""
        if self.x is not None:
            self.x.engine.wheel.clear(&self.deadline)
        self.spent = True
        self.event = event
        self.x = None
        self.waiter = None


cdef class Downstream:
    """See contract.pxd."""

    cdef void send_head(self, Exchange x, bint last) noexcept:
        """Send x.response's head; `last`: no body follows."""

    cdef void send_informational(self, Exchange x, ResponseHead* head) noexcept:
        """Send a 1xx answer (never 101)."""

    cdef bint send_chunk(self, Exchange x, Chunk* c, bint last) noexcept:
        """Send a piece of the body; whether there is room for another."""
        chunk_release(c)
        return True

    cdef Stream relay_end(self):
        """The stream whose next bytes are the body's, if they need no framing: a relay may write
        to it until the chunk that is `last`. None: send chunks."""
        return None

    cdef void send_trailers(self, Exchange x, Fields* trailers) noexcept:
        """Send trailers, which end the answer."""

    cdef void ask_body(self, Exchange x, bint on) noexcept:
        """Let the request's body come, or hold it. The first `on` meets Expect."""

    cdef void open_tunnel(self, Exchange x) noexcept:
        """After send_head: from here on both directions are opaque chunks."""

    cdef void reset(self, Exchange x, Reason why) noexcept:
        """The answer can't be finished: break it so that the client notices."""

    cdef void finish(self, Exchange x) noexcept:
        """The exchange is over on both sides, or the answer is whole and the request's rest is
        not wanted."""


@cython.no_gc
@cython.freelist(256)
cdef class Exchange:
    """See contract.pxd; implemented in exchange/exchange.pyx."""

    cdef void on_request_head(self, bint last) noexcept:
        """The request's head is in `request`; `last`: it has no body."""

    cdef void on_refused(self, Reason why) noexcept:
        """The request's head, or later its body, can't be accepted: answer as the reason says."""

    cdef void on_body_waiting(self) noexcept:
        """Bytes of the body are there though they were not asked for yet."""

    cdef bint on_request_chunk(self, Chunk* c, bint last) noexcept:
        """A piece of the request's body; whether there is room for another."""
        chunk_release(c)
        return True

    cdef void on_request_trailers(self, Fields* trailers) noexcept:
        """The request's trailers, which end it."""

    cdef void on_room(self) noexcept:
        """The client takes bytes again."""

    cdef void on_gone(self, Reason why) noexcept:
        """The client is gone; nothing can be sent any more."""

    cdef void on_attempt_ready(self, Attempt a) noexcept:
        """The attempt can take the head now."""

    cdef void on_attempt_room(self, Attempt a) noexcept:
        """The attempt takes request bytes again."""

    cdef void on_informational(self, Attempt a, ResponseHead* head) noexcept:
        """A 1xx answer from upstream (never 101)."""

    cdef void on_response_head(self, Attempt a, bint last) noexcept:
        """The response's head is in `a.response`; `last`: it has no body."""

    cdef bint on_response_chunk(self, Attempt a, Chunk* c, bint last) noexcept:
        """A piece of the response's body; whether there is room for another."""
        chunk_release(c)
        return True

    cdef Stream relay_to(self, Attempt a):
        """Where the rest of the response's body may go without being looked at; None: nowhere."""
        return None

    cdef void on_relayed(self, Attempt a, uint64_t n, bint held) noexcept:
        """So many bytes of the response's body went there; `held`: no more are taken for now."""

    cdef void on_response_trailers(self, Attempt a, Fields* trailers) noexcept:
        """The response's trailers, which end it."""

    cdef void on_enough(self, Attempt a) noexcept:
        """The attempt takes no more of the request; its answer goes on."""

    cdef void on_attempt_failed(self, Attempt a, const Outcome* outcome) noexcept:
        """The attempt ended without a whole response."""

    cdef void on_ticket(self, Ticket t) noexcept:
        """What a policy waited for has happened."""

    cdef void on_sink_room(self, Sink sink) noexcept:
        """A sink that had no room takes chunks again."""

    cdef void on_deadline(self, int kind) noexcept:
        """One of the exchange's deadlines passed."""

    cdef Ticket take_ticket(self, uint32_t timeout_ms):
        """The ticket of a policy that is about to SUSPEND; 0 = the policy's timeout."""
        return None

    cdef void emit(self, Chunk* c) noexcept:
        """From a chunk hook: pass this chunk on."""

    cdef bint replace_body(self, const char* p, size_t n) noexcept:
        """From a body hook: put a copy of these bytes in the body's place."""
        return False

    cdef void provide(self, str name, object value):
        """From a hook: a fact for later policies and the record."""

    cdef void add_sink(self, Side side, Sink sink):
        """One more reader of a body; before any of it has come."""

    cdef void remove_sink(self, Sink sink) noexcept:
        """A reader that was added by `add_sink` left; it is not told anything more."""

    cdef bint open_another(self) noexcept:
        """Open a rival to the attempt under way; False where the request can't be repeated."""
        return False


cdef class Target:
    """See contract.pxd."""

    cdef bint available(self, Exchange x) noexcept:
        """Whether an attempt would have somewhere to go now."""
        return True

    cdef Attempt open(self, Exchange x):
        """A new attempt for `x`; never waits."""
        raise NotImplementedError


cdef class Attempt:
    """See contract.pxd."""

    cdef void begin(self) noexcept:
        """Set it going; ends in on_attempt_ready or on_attempt_failed, perhaps at once."""

    cdef void send_head(self, bint last) noexcept:
        """Send the exchange's frozen head with this attempt's overlay."""

    cdef bint send_chunk(self, Chunk* c, bint last) noexcept:
        """Send a piece of the request's body; whether there is room for another."""
        chunk_release(c)
        return True

    cdef void send_trailers(self, Fields* trailers) noexcept:
        """Send trailers, which end the request."""

    cdef void ask_body(self, bint on) noexcept:
        """Let the response's body come, or hold it."""

    cdef void open_tunnel(self) noexcept:
        """The exchange accepted the attempt's tunnel; opaque chunks from here on."""

    cdef void cancel(self, Reason why) noexcept:
        """Not wanted any more; says nothing afterwards."""

    cdef Span host(self) noexcept:
        """What the other side is called: the Host that it gets."""
        return span(NULL, 0)


cdef class Policy:
    """See contract.pxd."""

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        """The request's head is there; its route is known."""
        return V_CONTINUE

    cdef Verdict on_resume(self, Exchange x, void* slot, TicketEvent event) except V_FAILED:
        """The ticket taken before SUSPEND was fired. Fails closed unless overridden."""
        if event == TICKET_TIMEOUT:
            x.reply.reason = REASON_POLICY_TIMEOUT
            return V_RESPOND
        return V_CONTINUE

    cdef Verdict on_request_chunk(
        self, Exchange x, void* slot, Chunk* c, bint last
    ) except V_FAILED:
        """A piece of the request's body; emit 0..n chunks."""
        return V_CONTINUE

    cdef Verdict on_request_body(self, Exchange x, void* slot) except V_FAILED:
        """The request's whole body is in `x.body`."""
        return V_CONTINUE

    cdef Verdict on_attempt(self, Exchange x, void* slot, Attempt a) except V_FAILED:
        """Before the head goes to one upstream; edit `a.overlay` only."""
        return V_CONTINUE

    cdef Verdict on_response(self, Exchange x, void* slot) except V_FAILED:
        """The response's head is there, from wherever it came."""
        return V_CONTINUE

    cdef Verdict on_response_chunk(
        self, Exchange x, void* slot, Chunk* c, bint last
    ) except V_FAILED:
        """A piece of the response's body; emit 0..n chunks."""
        return V_CONTINUE

    cdef Verdict on_response_body(self, Exchange x, void* slot) except V_FAILED:
        """The response's whole body is in `x.body`."""
        return V_CONTINUE

    cdef Verdict on_log(self, Exchange x, void* slot) except V_FAILED:
        """The exchange is over; nothing can be changed."""
        return V_CONTINUE

    cdef void on_release(self, Exchange x, void* slot) noexcept:
        """Give back what the slot holds; called once for every policy entered."""


cdef class Sink:
    """See contract.pxd."""

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept:
        """A piece of the body; whether there is room for another."""
        chunk_release(c)
        return True

    cdef void on_trailers(self, Fields* trailers) noexcept:
        """Trailers, which end the body."""

    cdef void on_cut(self, Reason why) noexcept:
        """Nothing more will come, though the body is not whole."""
