"""Attempts; see attempts.pxd."""

cimport cython
from fastgw.ext.base.reasons cimport (
    REASON_CANCELLED, REASON_INTERNAL, REASON_UPSTREAM_RESET, REASON_UPSTREAM_RESET_AMBIGUOUS,
    SIDE_UPSTREAM, reason_row,
)
from fastgw.ext.base.buffers cimport buffer_hold
from fastgw.ext.exchange.contract cimport (
    HOOK_ATTEMPT, REQUEST_SIDE, RETRY_SAFE, RQ_BODY, RQ_CUT, RQ_DONE, RQ_WAIT, RS_COLLECT,
    RS_DONE, RS_HEAD, RS_NONE, ResponseHead,
)
from fastgw.ext.exchange.held cimport Held, queue_at
from fastgw.ext.exchange.pipe cimport Pipe, request_pipe
from fastgw.ext.exchange.replay cimport REPLAY_BOUND, Replay
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.exchange.states cimport move_request
from fastgw.ext.http.head cimport BODY_NONE, H_EXPECT_100, is_idempotent
from fastgw.ext.policy.runner cimport RAN_ON, RAN_REPLY, cancel_hook, run_hook


@cython.no_gc
cdef class Attempts(ResponseSide):
    """See attempts.pxd."""

    # -- beginning one -------------------------------------------------------------------

    cdef void open_attempt(self) noexcept:
        """One more attempt."""
        cdef Attempt a
        cdef Pipe pipe = request_pipe(self)
        if pipe is not None:
            pipe.hold()
        if self.body_asked:
            self.body_asked = False
            self.downstream.ask_body(self, False)
        move_request(self, RQ_WAIT)
        self.tries += 1
        self.times.attempt = self.engine.now_us
        self.times.ready = 0
        try:
            a = self.target.open(self)
        except Exception:
            (<Shared>self.dispatcher).report_failure(self.target.name, "open", self)
            self.refuse(REASON_INTERNAL)
            return
        self.current = a
        a.begin()

    cdef bint open_another(self) noexcept:
        """Open a rival; only for a request that was sent whole and can be repeated."""
        if (
            self.ending or self.in_shadow or self.current is None or self.winner is not None
            or self.not_replayable or self.request_state != RQ_DONE or self.replaying()
            or self.response_state != RS_NONE or self.tries >= self.target.max_tries
        ):
            return False
        if self.rivals is None:
            self.rivals = []
        self.rivals.append(self.current)
        self.current = None
        self.open_attempt()
        return True

    cdef void on_attempt_ready(self, Attempt a) noexcept:
        """It can take the head: run the attempt policies."""
        if self.generation == 0 or a is not self.current or self.request_state != RQ_WAIT:
            a.cancel(REASON_CANCELLED)
            return
        self.endpoint = a.endpoint
        self.times.ready = self.engine.now_us
        if self.chain.count[<int>HOOK_ATTEMPT]:
            self.after_attempt(run_hook(self, REQUEST_SIDE, HOOK_ATTEMPT, a))
        else:
            self.start_request(a)

    cdef void after_attempt(self, Ran ran) noexcept:
        """The attempt policies are done, turned round, or wait."""
        if ran == RAN_REPLY:
            self.answer()
        elif ran == RAN_ON and self.current is not None:
            self.start_request(self.current)

    cdef void start_request(self, Attempt a) noexcept:
        """Send the head, what is to be replayed, and let the rest come."""
        cdef bint last = self.request.framing == BODY_NONE
        move_request(self, RQ_DONE if last else RQ_BODY)
        self.awaits_continue = (
            not last and self.request.flags & H_EXPECT_100 and not self.body_wanted
        )
        if self.replay is not None:
            (<Replay>self.replay).rewind()
        a.send_head(last)
        if self.generation == 0 or a is not self.current:
            return
        if last:
            self.end_if_done()
        else:
            self.feed_attempt(a)

    # -- the request's body to it ----------------------------------------------------------

    cdef void feed_attempt(self, Attempt a) noexcept:
        """It has room: first what is replayed, then what waits in the pipe, then more."""
        cdef Pipe pipe
        if self.replaying() and not self.send_replay(a):
            return
        if self.request_state != RQ_BODY:
            return
        pipe = request_pipe(self)
        if pipe is not None:
            self.request_flow(pipe.release())
        else:
            self.ask_request()

    cdef bint replaying(self) noexcept:
        """Whether the current attempt has not been sent all that is kept."""
        return self.replay is not None and (<Replay>self.replay).left()

    cdef bint send_replay(self, Attempt a) noexcept:
        """Send on from where the replay stopped, while there is room; whether there is some
        left after it."""
        cdef Replay replay = <Replay>self.replay
        cdef Held* h
        cdef Chunk c
        cdef bint room = True
        while room and a is self.current and replay.at < replay.rows.n:
            h = queue_at(&replay.rows, replay.at)
            replay.at += 1
            c = h.chunk
            if c.owner != NULL:
                buffer_hold(c.owner)
            room = self.put(a, &c, h.last)
        if room and a is self.current and replay.trailers != NULL and not replay.trailers_sent:
            replay.trailers_sent = True
            self.put_trailers(a, replay.trailers)
        if self.generation and self.response_state != RS_NONE and not replay.left():
            self.forget_replay()
        return room and a is self.current and self.generation != 0

    cdef bint put(self, Attempt a, Chunk* c, bint last) noexcept:
        """Hand a chunk to the attempt; whether that one has room and is still the current."""
        cdef bint room
        if last:
            self.request_done()
        room = a.send_chunk(c, last)
        if last:
            self.end_if_done()
        return room and a is self.current

    cdef void put_trailers(self, Attempt a, Fields* trailers) noexcept:
        """Hand trailers to the attempt."""
        self.request_done()
        a.send_trailers(trailers)
        self.end_if_done()

    cdef void remember(self, Attempt a, Chunk* c, bint last) noexcept:
        """Keep what may have to be sent again, up to the replay's bound."""
        if self.not_replayable or self.response_state != RS_NONE:
            return
        if self.replay is None:
            self.replay = Replay()
        if (
            self.target.retry_rule != RETRY_SAFE or self.tries >= self.target.max_tries
            or (<Replay>self.replay).n + c.n > REPLAY_BOUND
            or (a.accepted and not is_idempotent(self.request.method_id))
            or not (<Replay>self.replay).keep(c, last, self.engine.pool)
        ):
            self.forget_replay()
            self.not_replayable = True
            return
        (<Replay>self.replay).sent_now()

    cdef void forget_replay(self) noexcept:
        """It is not needed any more, or can't be had."""
        cdef Replay replay = <Replay>self.replay
        self.replay = None
        if replay is not None:
            replay.drop()

    cdef void request_done(self) noexcept:
        """The last byte or trailer was handed on."""
        if self.request_state != RQ_CUT:
            move_request(self, RQ_DONE)
        self.body_asked = False

    cdef void on_attempt_room(self, Attempt a) noexcept:
        """The attempt takes request bytes again."""
        if self.generation and a is self.current and self.request_state in (RQ_BODY, RQ_DONE):
            self.feed_attempt(a)

    cdef void on_enough(self, Attempt a) noexcept:
        """What is left of the request is not wanted."""
        if self.generation and a is self.current and self.request_state == RQ_BODY:
            self.cut_request()
            self.end_if_done()

    # -- answers ---------------------------------------------------------------------------

    cdef void on_informational(self, Attempt a, ResponseHead* head) noexcept:
        """100 asks for the body, others go to the client."""
        if self.generation == 0 or a is not self.current or self.winner is not None:
            return
        if head.status == 100:
            self.on_body_waiting()
        else:
            self.downstream.send_informational(self, head)

    cdef void on_response_head(self, Attempt a, bint last) noexcept:
        """The first attempt to get here wins."""
        if self.generation == 0 or self.winner is not None or self.response_state != RS_NONE:
            a.cancel(REASON_CANCELLED)
            return
        if a is not self.current:
            if not self.is_rival(a):
                a.cancel(REASON_CANCELLED)
                return
            self.make_current(a)
        self.winner = a
        self.endpoint = a.endpoint
        self.drop_rivals()
        if self.replay is not None and not self.replaying():
            self.forget_replay()
        if self.awaits_continue:
            # A final answer where 100 was awaited: the body is not wanted
            # (RFC 9110 section 10.1.1).
            self.awaits_continue = False
            self.cut_request()
        self.take_head(a, last)

    # -- losing and ending them --------------------------------------------------------------

    cdef void on_attempt_failed(self, Attempt a, const Outcome* outcome) noexcept:
        """Try again, answer for it, or break the response off."""
        if self.generation == 0 or self.ending:
            return
        if a is not self.current:
            if self.is_rival(a):
                self.engine.keep(a)
                self.rivals.remove(a)
            return
        self.engine.keep(a)
        self.endpoint = a.endpoint
        self.current = None
        if a is self.winner:
            self.lose_winner(outcome)
            return
        cancel_hook(self, REQUEST_SIDE, HOOK_ATTEMPT)
        if self.rivals:
            self.make_current(<Attempt>self.rivals.pop())
        elif self.may_retry(outcome):
            self.try_again(a, outcome)
        else:
            self.give_up(outcome)

    cdef void lose_winner(self, const Outcome* outcome) noexcept:
        """The answer was under way; whole, it stays so, though its request was not."""
        self.winner = None
        if self.response_state == RS_DONE:
            self.cut_request()
            self.end_if_done()
        elif self.response_state in (RS_HEAD, RS_COLLECT):
            self.refuse(outcome.reason)
        else:
            self.break_off(outcome.reason)

    cdef bint may_retry(self, const Outcome* outcome) noexcept:
        """reasons.toml: unsent requests always, idempotent ones once after a stale connection."""
        if (
            self.target.retry_rule != RETRY_SAFE or self.tries >= self.target.max_tries
            or self.not_replayable or outcome.head_seen
            or self.request_state == RQ_CUT
            or reason_row(outcome.reason).side != SIDE_UPSTREAM
        ):
            return False
        return not outcome.sent or (
            outcome.reused and not self.fresh_only and is_idempotent(self.request.method_id)
            and outcome.reason == REASON_UPSTREAM_RESET
        )

    cdef void try_again(self, Attempt a, const Outcome* outcome) noexcept:
        """Another attempt: elsewhere if nothing was reached, on a fresh connection if a pooled
        one was stale."""
        if not outcome.sent and not outcome.reused and a.endpoint is not None:
            if self.tried is None:
                self.tried = []
            self.tried.append(a.endpoint)
        self.fresh_only = self.fresh_only or outcome.reused
        self.open_attempt()

    cdef void give_up(self, const Outcome* outcome) noexcept:
        """No attempt is left: answer with the reason of the last one."""
        cdef Reason why = outcome.reason
        if why == REASON_UPSTREAM_RESET and outcome.sent and (
            not is_idempotent(self.request.method_id)
        ):
            why = REASON_UPSTREAM_RESET_AMBIGUOUS
        self.refuse(why)

    cdef bint is_rival(self, Attempt a) noexcept:
        """Whether it is an older attempt that is still under way."""
        return self.rivals is not None and a in self.rivals

    cdef void make_current(self, Attempt a) noexcept:
        """An older attempt, which was sent the whole request, takes the newest one's place."""
        cdef Attempt newest = self.current
        if self.is_rival(a):
            self.rivals.remove(a)
        self.current = a
        if self.request_state == RQ_WAIT:
            cancel_hook(self, REQUEST_SIDE, HOOK_ATTEMPT)
        if self.request_state != RQ_DONE:
            move_request(self, RQ_DONE)
        if self.replay is not None:
            (<Replay>self.replay).sent_now()
        if newest is not None:
            self.engine.keep(newest)
            newest.cancel(REASON_CANCELLED)

    cdef void cut_request(self) noexcept:
        """The rest of the request is not wanted."""
        if self.request_state not in (RQ_DONE, RQ_CUT):
            move_request(self, RQ_CUT)

    cdef void cancel_attempts(self, Reason why) noexcept:
        """None of them is wanted any more."""
        cdef Attempt a = self.current
        self.current = None
        self.winner = None
        if a is not None:
            self.engine.keep(a)
            a.cancel(why)
        if self.rivals is not None:
            self.drop_rivals()

    cdef void drop_rivals(self) noexcept:
        """Cancel the older attempts."""
        cdef Attempt a
        cdef list rivals = self.rivals
        self.rivals = None
        if rivals is not None:
            self.engine.keep(rivals)
            for a in rivals:
                a.cancel(REASON_CANCELLED)

    # -- of higher classes -------------------------------------------------------------------

    cdef void request_flow(self, Flow flow) noexcept:
        pass
