"""Ends: how an exchange turns round and how it ends; see ends.pxd."""

cimport cython
from fastgw.ext.base.arena cimport arena_free
from fastgw.ext.base.reasons cimport REASON_CANCELLED, REASON_MEMORY, REASON_NONE, reason_row
from fastgw.ext.exchange.contract cimport (
    HOOK_RESPONSE, RESPONSE_SIDE, RQ_CUT, RQ_DONE, RS_COLLECT, RS_DONE, RS_HEAD, RS_NONE,
    RS_RESET, Downstream, Reply,
)
from fastgw.ext.exchange.pipe cimport Pipe, Pipes, request_pipe, response_pipe
from fastgw.ext.exchange.replies cimport build_bare_response, build_response, set_reply
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.exchange.states cimport move_request, move_response
from fastgw.ext.exchange.tunnel cimport close_guard
from fastgw.ext.exchange.waiting cimport note_waiting
from fastgw.ext.http.head cimport BODY_NONE, M_HEAD
from fastgw.ext.policy.runner cimport (
    RAN_ON, cancel_tickets, continue_hook, release_policies, run_hook, run_log,
)


@cython.no_gc
cdef class Ends(Exchange):
    """See ends.pxd."""

    # -- turning round -----------------------------------------------------------------

    cdef void refuse(self, Reason why) noexcept:
        """End the exchange with an answer of the gateway's own, or break it off."""
        if self.generation and not self.ending:
            set_reply(self, why)
            self.answer()

    cdef void answer(self) noexcept:
        """`reply` is filled: turn round."""
        cdef Reply reply = self.reply
        cdef bint late = self.response_state != RS_NONE
        if self.ending:
            return
        note_waiting(self)
        self.engine.wheel.clear(&self.deadline)
        if self.response_state not in (RS_NONE, RS_HEAD, RS_COLLECT) or (
            reply.status == 0 and reason_row(reply.reason).status == 0
        ):
            self.break_off(reply.reason)
            return
        self.cancel_attempts(REASON_CANCELLED)
        cancel_tickets(self)
        self.drop_pipes(late)
        self.reply = reply      # whoever was told of the cancellation has no say in it
        self.tunnel = False
        if self.request_state not in (RQ_DONE, RQ_CUT):
            move_request(self, RQ_DONE if self.head_last or self.received else RQ_CUT)
        self.reason = reply.reason
        self.decided_by = reason_row(reply.reason).decided_by
        if not build_response(self):
            self.reason = REASON_MEMORY
            self.decided_by = reason_row(REASON_MEMORY).decided_by
            build_bare_response(self)
        self.response_last = self.reply.body.n == 0 or self.response.framing == BODY_NONE or (
            self.request.method_id == M_HEAD
        )
        move_response(self, RS_HEAD)
        self.run_reply_hooks(late)

    cdef void run_reply_hooks(self, bint late) noexcept:
        """Those who have been entered see the reply; a late one only those who have not seen
        the answer it replaces."""
        if self.entered == 0 or self.chain.count[<int>HOOK_RESPONSE] == 0:
            self.after_response(RAN_ON)
        elif late:
            self.after_response(continue_hook(self, RESPONSE_SIDE, HOOK_RESPONSE))
        else:
            self.after_response(run_hook(self, RESPONSE_SIDE, HOOK_RESPONSE, None))

    cdef void drop_pipes(self, bint late) noexcept:
        """A reply does not go through what was built for the body it replaces."""
        cdef Pipe pipe = request_pipe(self)
        if pipe is not None:
            (<Pipes>self.pipes).request = None
            pipe.cut(REASON_CANCELLED)
        if not late:
            return
        self.bare_reply = True
        pipe = response_pipe(self)
        if pipe is not None:
            (<Pipes>self.pipes).response = None
            pipe.cut(REASON_CANCELLED)

    cdef void send_reply_body(self) noexcept:
        """A reply's body is one chunk of the exchange's own memory."""
        cdef Chunk c
        cdef Pipe pipe = response_pipe(self)
        c.p, c.n, c.owner = self.reply.body.p, self.reply.body.n, NULL
        if pipe is None:
            self.to_client(&c, True)
        else:
            self.response_flow(pipe.push(&c, True))

    # -- the end -------------------------------------------------------------------------

    cdef void break_off(self, Reason why) noexcept:
        """The answer has begun, or there is none to give: break the client's side."""
        cdef Downstream downstream = self.downstream
        if self.generation == 0 or self.ending:
            return
        note_waiting(self)
        self.ending = True
        self.reason = why
        self.decided_by = reason_row(why).decided_by
        if self.response_state != RS_DONE:
            move_response(self, RS_RESET)
        if self.request_state not in (RQ_DONE, RQ_CUT):
            move_request(self, RQ_CUT)
        downstream.reset(self, why)
        self.ending = False
        self.end(False)

    cdef void end_if_done(self) noexcept:
        """Both sides over: the exchange is."""
        if self.response_state == RS_DONE and self.request_state in (RQ_DONE, RQ_CUT):
            self.end(True)

    cdef void end(self, bint tell) noexcept:
        """The one way out: policies' last calls, the record, then everything is let go."""
        cdef Shared shared = <Shared>self.dispatcher
        cdef Downstream downstream = self.downstream
        if self.generation == 0 or self.ending:
            return
        self.ending = True
        self.engine.keep(self)
        self.engine.wheel.clear(&self.deadline)
        self.times.end = self.engine.now_us
        if self.response_state != RS_DONE or self.request_state != RQ_DONE or (
            self.winner is None
        ):
            self.cancel_attempts(REASON_CANCELLED)
        if self.entered:
            cancel_tickets(self)
        self.cut_pipes()
        if self.guard is not None:
            close_guard(self)
        if self.entered:
            run_log(self)
            release_policies(self)
        if shared.recorder is not None:
            shared.recorder.record(self)
        self.generation = 0
        if tell:
            downstream.finish(self)
        self.let_go()
        shared.exchange_ended(self)

    cdef void cut_pipes(self) noexcept:
        """Release what the pipes hold."""
        cdef Pipes pipes
        cdef Reason why = self.reason if self.reason != REASON_NONE else REASON_CANCELLED
        if self.pipes is None:
            return
        pipes = <Pipes>self.pipes
        self.pipes = None
        if pipes.request is not None:
            pipes.request.cut(why)
        if pipes.response is not None:
            pipes.response.cut(why)

    cdef void let_go(self) noexcept:
        """Break every reference, so that no cycle keeps anything alive. Those who may be at
        work further up the stack live until the turn ends."""
        self.engine.keep(self.downstream)
        if self.current is not None:
            self.engine.keep(self.current)
        if self.winner is not None and self.winner is not self.current:
            self.engine.keep(self.winner)
        if self.snapshot is not (<Shared>self.dispatcher).snapshot:
            self.engine.keep((self.snapshot, self.pins, self.target))
        self.downstream = None
        self.current = None
        self.winner = None
        self.rivals = None
        self.tried = None
        self.endpoint = None
        self.target = None
        self.snapshot = None
        self.pins = None
        self.dispatcher = None
        self.replay = None
        self.tunnel_rule = None
        self.guard = None
        self.views = None
        self.provided = None
        self.shadow = None
        self.route = NULL
        self.chain = NULL
        self.timeouts = NULL
        self.slots = NULL
        arena_free(&self.arena)

    # -- of higher classes ---------------------------------------------------------------

    cdef void after_response(self, Ran ran) noexcept:
        pass

    cdef bint to_client(self, Chunk* c, bint last) noexcept:
        return False

    cdef void response_flow(self, Flow flow) noexcept:
        pass

    cdef void cancel_attempts(self, Reason why) noexcept:
        pass
