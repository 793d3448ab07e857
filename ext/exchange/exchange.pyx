"""The exchange at work; see exchange.pxd, ends.pxd (its classes) and states.pxd."""

from libc.string cimport memcpy
cimport cython
from fastgw.ext.base.arena cimport arena_alloc, arena_init
from fastgw.ext.base.buffers cimport Chunk, buffer_hold, chunk_keep
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.debug cimport EXCHANGES, debug_born
from fastgw.ext.base.reasons cimport (
    REASON_MEMORY, REASON_NONE, REASON_REQUEST_TIMEOUT, Reason, reason_row,
)
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.contract cimport (
    HOOK_ATTEMPT, HOOK_REQUEST, HOOK_RESPONSE, HOOKS, REQUEST_SIDE, RESPONSE_SIDE, RQ_CUT,
    RQ_DONE, RS_DONE, RS_HEAD, RS_NONE, RS_RESET, TICKET_CANCELLED, Hook, Policy, Side, Sink,
    Ticket,
)
from fastgw.ext.exchange.pipe cimport Pipe, request_pipe, response_pipe
from fastgw.ext.exchange.stage cimport Stage
from fastgw.ext.exchange.states cimport move_request, move_response
from fastgw.ext.exchange.tunnel cimport Tunnel
from fastgw.ext.exchange.waiting cimport note_waiting
from fastgw.ext.policy.runner cimport resume_hook, resume_shadow

cdef enum:
    TICKET_MS = 30000           # how long a ticket lives if neither hook nor policy says


cdef void _deadline_passed(void* owner, int kind) noexcept:
    cdef Exchange x = <Exchange>owner
    x.on_deadline(kind)


cdef class Dispatcher(Shared):
    """See exchange.pxd."""

    cdef Exchange new_exchange(self, Downstream downstream):
        """An exchange of the running generation for one request of `downstream`."""
        cdef LiveExchange x = LiveExchange.__new__(LiveExchange)
        self.begun += 1
        self.live += 1
        x.generation = self.begun
        x.engine = self.engine
        x.dispatcher = self
        x.downstream = downstream
        x.facts = downstream.facts
        x.snapshot = self.snapshot
        x.timeouts = &self.snapshot.timeouts
        x.times.begin = self.engine.now_us
        arena_init(&x.arena, self.engine.pool)
        deadline_init(&x.deadline, <void*>x, _deadline_passed)
        x.run[0].hook = x.run[1].hook = HOOKS
        debug_born(EXCHANGES)
        return x


@cython.no_gc
@cython.final
cdef class LiveExchange(RequestSide):
    """See exchange.pxd."""

    # -- told by others ------------------------------------------------------------------

    cdef void on_ticket(self, Ticket t) noexcept:
        """What a policy waited for has happened."""
        cdef Hook hook
        cdef Pipe pipe
        if t.step != NULL:
            resume_shadow(self, t)
            return
        if t.waiter is not None:
            if t.side == REQUEST_SIDE:
                pipe = request_pipe(self)
                self.request_flow(pipe.on_stage_ticket(<Stage>t.waiter, t))
            else:
                pipe = response_pipe(self)
                self.response_flow(pipe.on_stage_ticket(<Stage>t.waiter, t))
            return
        hook = <Hook>self.run[t.side].hook
        if t.side == REQUEST_SIDE:
            self.waits_request = None
        else:
            self.waits_response = None
        if hook == HOOK_REQUEST:
            self.after_request(resume_hook(self, t))
        elif hook == HOOK_ATTEMPT:
            self.after_attempt(resume_hook(self, t))
        elif hook == HOOK_RESPONSE:
            self.after_response(resume_hook(self, t))

    cdef void on_sink_room(self, Sink sink) noexcept:
        """A reader added by `add_sink` takes chunks again."""
        cdef Pipe pipe = response_pipe(self)
        if self.generation and pipe is not None:
            self.response_flow(pipe.on_sink_room(sink))

    cdef void on_deadline(self, int kind) noexcept:
        """No response head in time; in a tunnel, whatever its guard waits for."""
        if self.guard is not None:
            (<Tunnel>self.guard).on_deadline()
            return
        self.refuse(REASON_REQUEST_TIMEOUT)

    cdef void on_gone(self, Reason why) noexcept:
        """The client is gone; the upstream's work is cancelled unless a reader wants it."""
        cdef Pipe pipe = response_pipe(self)
        if self.generation == 0 or self.ending:
            return
        note_waiting(self)
        if self.reason == REASON_NONE:
            self.reason = why
            self.decided_by = reason_row(why).decided_by
        if (
            pipe is not None and self.winner is not None and self.request_state == RQ_DONE
            and self.response_state != RS_DONE and pipe.leave()
        ):
            self.engine.keep(self.downstream)
            self.downstream = (<Shared>self.dispatcher).nobody
            self.response_flow(pipe.run())
            return
        if self.request_state not in (RQ_DONE, RQ_CUT):
            move_request(self, RQ_CUT)
        if self.response_state not in (RS_DONE, RS_RESET):
            move_response(self, RS_RESET)
        self.end(False)

    # -- what policies call --------------------------------------------------------------

    cdef Ticket take_ticket(self, uint32_t timeout_ms):
        """See contract.pxd. A second one within a hook replaces the first."""
        cdef Ticket t = Ticket()
        if self.given is not None:
            self.given.spend(TICKET_CANCELLED)
        if timeout_ms == 0 and self.running != NULL:
            timeout_ms = (<Policy>self.running).timeout_ms
        t.x = self
        t.tally = <Shared>self.dispatcher
        t.generation = self.generation
        self.given = t
        self.engine.wheel.set(&t.deadline, self.engine.now_ms + (timeout_ms or TICKET_MS))
        return t

    cdef void emit(self, Chunk* c) noexcept:
        """See contract.pxd: holds counted chunks, copies lent ones."""
        cdef Stage stage
        cdef Chunk kept = c[0]
        if self.in_shadow or self.stage is None:
            return
        stage = <Stage>self.stage
        stage.emitted = True
        if kept.owner != NULL:
            buffer_hold(kept.owner)
        elif not chunk_keep(c, self.engine.pool, &kept):
            stage.trouble = REASON_MEMORY
            return
        stage.give(&kept, False)

    cdef bint replace_body(self, const char* p, size_t n) noexcept:
        """See contract.pxd."""
        cdef char* copy
        if self.in_shadow:
            return True
        copy = <char*>arena_alloc(&self.arena, n + 1)
        if copy == NULL:
            return False
        memcpy(copy, p, n)
        self.body = span(copy, n)
        return True

    cdef void provide(self, str name, object value):
        """See contract.pxd; a shadow policy's facts stay with the shadow's."""
        if self.in_shadow:
            if self.shadow is None:
                self.shadow = {"facts": {}, "would_respond": []}
            self.shadow["facts"][name] = value
            return
        if self.provided is None:
            self.provided = {}
        self.provided[name] = value

    cdef void add_sink(self, Side side, Sink sink):
        """See contract.pxd; only the response's body can be shared out."""
        cdef Pipe pipe
        if side != RESPONSE_SIDE or self.in_shadow or self.ending or (
            self.response_state not in (RS_NONE, RS_HEAD)
        ):
            raise ValueError("a sink is added to a response before any of its body came")
        pipe = response_pipe(self)
        if pipe is None:
            pipe = self.new_response_pipe()
        pipe.add(sink)

    cdef void remove_sink(self, Sink sink) noexcept:
        """See contract.pxd; without client and other readers the source ends."""
        cdef Pipe pipe = response_pipe(self)
        if self.generation == 0 or self.ending or pipe is None or not pipe.remove(sink):
            return
        if self.downstream is (<Shared>self.dispatcher).nobody and not pipe.read_on():
            if self.response_state not in (RS_DONE, RS_RESET):
                move_response(self, RS_RESET)
            self.end(False)
        else:
            self.response_flow(pipe.run())
