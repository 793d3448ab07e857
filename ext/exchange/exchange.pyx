"""The states of an exchange; see exchange.pxd and contract.pxd.

Request side   NEW -> HEAD -> (COLLECT) -> WAIT -> BODY -> DONE | CUT
Response side  NONE -> HEAD -> (COLLECT) -> BODY -> DONE | RESET, or HEAD -> TUNNEL

Whatever is told may end the exchange before the call returns; `generation` is 0 then.
"""

from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset
from time import time
cimport cython
from fastgw.ext.base.arena cimport arena_alloc, arena_free, arena_init
from fastgw.ext.base.buffers cimport buffer_hold, chunk_keep, chunk_release
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.debug cimport EXCHANGES, debug_born, debug_died
from fastgw.ext.base.reasons cimport (
    REASON_BAD_PATH, REASON_BODY_TOO_LARGE, REASON_CANCELLED, REASON_INTERNAL, REASON_MEMORY,
    REASON_METHOD_NOT_ALLOWED, REASON_NO_ROUTE, REASON_NONE, REASON_REQUEST_TIMEOUT,
    REASON_UPSTREAM_RESET, REASON_UPSTREAM_RESET_AMBIGUOUS, reason_row,
)
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport (
    HOOK_ATTEMPT, HOOK_LOG, HOOK_RELEASE, HOOK_REQUEST, HOOK_RESPONSE, HOOKS, MODE_NONE,
    MODE_WHOLE, REQUEST_SIDE, RESPONSE_SIDE, RETRY_SAFE, RQ_BODY, RQ_COLLECT, RQ_CUT, RQ_DONE,
    RQ_HEAD, RQ_NEW, RQ_WAIT, RS_BODY, RS_COLLECT, RS_DONE, RS_HEAD, RS_NONE, RS_RESET,
    RS_TUNNEL, SINK_HOLDS, Hook, ResponseHead, Side, Ticket,
)
from fastgw.ext.exchange.pipe cimport FLOW_FULL, FLOW_REPLY, FLOW_ROOM, Held, Stage
from fastgw.ext.exchange.replay cimport REPLAY_BOUND, Replay
from fastgw.ext.exchange.replies cimport build_response, drop_body_facts, set_reply
from fastgw.ext.exchange.forwarded cimport add_forwarded, take_request_id
from fastgw.ext.exchange.tunnel cimport pin_for_tunnel
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, H_EXPECT_100, M_HEAD, is_idempotent,
)
from fastgw.ext.policy.runner cimport (
    RAN_ON, RAN_REPLY, RAN_WAIT, cancel_tickets, continue_hook, release_policies, resume_hook,
    resume_shadow, run_hook, run_log,
)
from fastgw.ext.route.plan cimport RewriteRow
from fastgw.ext.route.snapshot cimport NO_METHOD

cdef enum:
    REQUEST_DEADLINE = 1


cdef void _deadline_passed(void* owner, int kind) noexcept:
    (<Exchange>owner).on_deadline(kind)


cdef class Recorder:
    """See exchange.pxd."""

    cdef void record(self, Exchange x) noexcept:
        """Write down what is to be kept of `x`."""


cdef class Dispatcher:
    """See exchange.pxd."""

    def __cinit__(self, Engine engine not None, Snapshot snapshot, Recorder recorder=None):
        self.engine = engine
        self.snapshot = snapshot
        self.recorder = recorder
        engine.refresh_clock()
        self.unix_offset_ms = <int64_t>(time() * 1000) - engine.now_ms

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

    cdef void exchange_ended(self, Exchange x) noexcept:
        """Count an end; the last one while draining tells `on_idle`."""
        self.live -= 1
        debug_died(EXCHANGES)
        if self.draining and self.live == 0 and self.on_idle is not None:
            try:
                self.on_idle()
            except Exception:
                pass

    cdef int64_t unix_ms(self) noexcept:
        """Wall clock of this turn."""
        return self.engine.now_ms + self.unix_offset_ms

    def report_failure(self, policy: str, hook: str, Exchange x) -> None:
        """Log the exception under way as a policy's failure."""
        import traceback

        if self.log is not None:
            request_id = x.request_id[:x.request_id_n].decode("latin-1")
            self.log("error", f"policy {policy}: {hook} failed (request {request_id})\n"
                              + traceback.format_exc())


cdef class ClientSink(Sink):
    """See exchange.pxd."""

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept:
        return self.x.to_client(c, last)

    cdef void on_trailers(self, Fields* trailers) noexcept:
        self.x.trailers_to_client(trailers)


cdef class AttemptSink(Sink):
    """See exchange.pxd."""

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept:
        return self.x.to_attempt(c, last)

    cdef void on_trailers(self, Fields* trailers) noexcept:
        self.x.trailers_to_attempt(trailers)


@cython.no_gc
@cython.final
cdef class LiveExchange(Exchange):
    """See exchange.pxd."""

    # == request side ==================================================================

    cdef void on_request_head(self, bint last) noexcept:
        """Route it, then run the request policies."""
        self.head_last = last
        self.times.head = self.engine.now_us
        self.request_state = RQ_HEAD
        if self.take_route() and self.admit() and self.enter_policies():
            self.after_request(
                RAN_ON if self.chain.count[<int>HOOK_REQUEST] == 0
                else run_hook(self, REQUEST_SIDE, HOOK_REQUEST, None)
            )

    cdef void on_refused(self, Reason why) noexcept:
        """The head was not acceptable: no route, no policies, an answer."""
        self.times.head = self.engine.now_us
        self.request_state = RQ_CUT
        self.take_id()
        self.refuse(why)

    cdef void on_request_broken(self, Reason why) noexcept:
        """The body can't be read on: answer if there is still time, else break off."""
        self.refuse(why)

    cdef bint take_route(self) noexcept:
        """Match; False when the exchange was answered instead."""
        cdef Snapshot s = <Snapshot>self.snapshot
        cdef uint32_t methods = 0
        cdef int32_t i
        self.take_id()
        i = s.match(&self.request, &methods)
        if i < 0:
            self.refuse(REASON_METHOD_NOT_ALLOWED if i == NO_METHOD else REASON_NO_ROUTE)
            return False
        self.route = &s.routes[i]
        self.chain = &s.chains[self.route.chain]
        self.timeouts = &self.route.timeouts
        self.target = <Target>s.targets[self.route.target]
        return True

    cdef void take_id(self) noexcept:
        """A new request id, unless the downstream took over a trusted one."""
        if self.request_id_n == 0:
            take_request_id(self, (<Dispatcher>self.dispatcher).unix_ms())

    cdef bint admit(self) noexcept:
        """The route's own limits on the head; False when refused."""
        if self.request.path_used & ~self.route.allow:
            self.refuse(REASON_BAD_PATH)
            return False
        if (
            self.route.body_limit and self.request.framing == BODY_LENGTH
            and self.request.content_length > self.route.body_limit
        ):
            self.refuse(REASON_BODY_TOO_LARGE)
            return False
        self.rewrite()
        if not add_forwarded(self):
            self.refuse(REASON_MEMORY)
            return False
        if self.timeouts.request:
            self.deadline.kind = REQUEST_DEADLINE
            self.engine.wheel.set(&self.deadline, self.engine.now_ms + self.timeouts.request)
        return True

    cdef void rewrite(self) noexcept:
        """What the upstream gets as path: normalised, then stripped and prefixed."""
        cdef const RewriteRow* row
        cdef Span path = self.request.path
        cdef size_t kept, slash
        cdef char* p
        self.forward_path = path
        if self.route.rewrite < 0:
            return
        row = &(<Snapshot>self.snapshot).rewrites[self.route.rewrite]
        kept = path.n - min(<size_t>row.strip_n, path.n)
        slash = row.prefix.n == 0 and (kept == 0 or path.p[path.n - kept] != 47)
        p = <char*>arena_alloc(&self.arena, row.prefix.n + slash + kept)
        if p == NULL:
            return
        p[0] = 47
        memcpy(p + slash, (<Snapshot>self.snapshot).strings + row.prefix.at, row.prefix.n)
        memcpy(p + slash + row.prefix.n, path.p + path.n - kept, kept)
        self.forward_path = span(p, slash + row.prefix.n + kept)

    cdef bint enter_policies(self) noexcept:
        """Make the slots; False when there is no memory for them."""
        if self.chain.n == 0:
            return True
        self.slots = <char*>arena_alloc(&self.arena, self.chain.slots_size + 1)
        if self.slots == NULL:
            self.refuse(REASON_MEMORY)
            return False
        memset(self.slots, 0, self.chain.slots_size)
        if self.chain.count[<int>HOOK_REQUEST] == 0:
            self.entered = self.chain.n
        return True

    cdef void after_request(self, Ran ran) noexcept:
        """The request policies are done, turned round, or wait."""
        if ran == RAN_WAIT:
            return
        if ran == RAN_REPLY:
            self.answer()
            return
        if self.chain.body_mode[<int>REQUEST_SIDE] != MODE_NONE or (
            self.target.body_mode == MODE_WHOLE
        ):
            try:
                if self.collect_request():
                    return
            except Exception:
                self.refuse(REASON_INTERNAL)
                return
        self.open_attempt()

    cdef bint collect_request(self) except -1:
        """Build the request's pipe; True when its body must be whole before an attempt."""
        cdef Pipe pipe = Pipe()
        cdef AttemptSink sink = AttemptSink()
        cdef Chunk empty
        pipe.x = self
        pipe.side = REQUEST_SIDE
        pipe.build()
        if self.target.body_mode == MODE_WHOLE:
            pipe.add_whole(self.target.body_limit)
        if not pipe.stages:
            return False
        sink.x = self
        pipe.add(sink)
        pipe.hold(AttemptSink)
        if self.pipes is None:
            self.pipes = Pipes()
        (<Pipes>self.pipes).request = pipe
        if not pipe.has_whole():
            if self.head_last:
                (<Pipes>self.pipes).request = None
            elif pipe.changes_length():
                self.request.framing = BODY_CHUNKED
            return False
        self.request_state = RQ_COLLECT
        if self.head_last:
            empty.p, empty.n, empty.owner = NULL, 0, NULL
            self.request_flow(pipe.push(&empty, True))
        else:
            self.ask_request()
        return True

    cdef void on_body_waiting(self) noexcept:
        """The client did not wait for its 100."""
        if self.awaits_continue:
            self.awaits_continue = False
            self.ask_request()

    cdef bint on_request_chunk(self, Chunk* c, bint last) noexcept:
        """Through the pipe, or straight to the attempt."""
        cdef Pipe pipe = None
        if self.request_state not in (RQ_BODY, RQ_COLLECT, RQ_WAIT):
            chunk_release(c)
            return False
        self.request_bytes += c.n
        if (
            self.route != NULL and self.route.body_limit
            and self.request_bytes > self.route.body_limit and not self.tunnel
        ):
            chunk_release(c)
            self.refuse(REASON_BODY_TOO_LARGE)
            return False
        self.body_asked = False
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).request
        if pipe is None:
            if self.to_attempt(c, last):
                self.body_asked = self.request_state == RQ_BODY
        else:
            self.request_flow(pipe.push(c, last))
        return self.body_asked

    cdef void on_request_trailers(self, Fields* trailers) noexcept:
        """The end of a chunked request."""
        cdef Pipe pipe = None
        if self.request_state not in (RQ_BODY, RQ_COLLECT, RQ_WAIT):
            return
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).request
        if pipe is None:
            self.trailers_to_attempt(trailers)
        else:
            self.request_flow(pipe.push_trailers(trailers))

    cdef void request_flow(self, Flow flow) noexcept:
        """What the request's pipe answered: go on, open an attempt, or turn round."""
        cdef Pipe pipe
        cdef Held* out
        if self.generation == 0:
            return
        pipe = (<Pipes>self.pipes).request
        if flow == FLOW_REPLY:
            if pipe.trouble != REASON_NONE:
                self.refuse(pipe.trouble)
            else:
                self.answer()
            return
        if self.request_state == RQ_COLLECT:
            out = pipe.next_out()
            if out != NULL:
                self.request.content_length = out.chunk.n
                self.request.framing = BODY_LENGTH if out.last else BODY_CHUNKED
                if out.last and out.chunk.n == 0 and self.head_last:
                    self.request.framing = BODY_NONE
                self.open_attempt()
                return
        if flow == FLOW_ROOM:
            self.ask_request()

    cdef void ask_request(self) noexcept:
        """Let the request's body come, if it was held."""
        if not self.body_asked and not self.awaits_continue and (
            self.request_state in (RQ_BODY, RQ_COLLECT)
        ):
            self.body_asked = True
            self.downstream.ask_body(self, True)

    cdef bint to_attempt(self, Chunk* c, bint last) noexcept:
        """A chunk that has passed the filters."""
        cdef Attempt a = self.current
        cdef bint room
        if a is None or self.request_state not in (RQ_BODY, RQ_WAIT):
            chunk_release(c)
            return False
        if self.request_state == RQ_WAIT:
            self.keep_for_next(c, last)
            return False
        self.remember(c, last)
        if last:
            self.request_done()
        room = a.send_chunk(c, last)
        if last:
            self.end_if_done()
        return room

    cdef void keep_for_next(self, Chunk* c, bint last) noexcept:
        """A chunk that arrived between two attempts: the next one sends it."""
        if self.replay is None:
            self.replay = Replay()
        (<Replay>self.replay).n = 0
        if not (<Replay>self.replay).keep(c, last, self.engine.pool):
            self.refuse(REASON_MEMORY)
        chunk_release(c)

    cdef void trailers_to_attempt(self, Fields* trailers) noexcept:
        """Trailers, which end the request."""
        cdef Attempt a = self.current
        if a is None:
            return
        if self.request_state == RQ_WAIT and self.replay is None:
            self.replay = Replay()
        if self.replay is not None:
            (<Replay>self.replay).trailers = trailers
            (<Replay>self.replay).whole = True
        if self.request_state == RQ_WAIT:
            return
        self.request_done()
        a.send_trailers(trailers)
        self.end_if_done()

    cdef void remember(self, Chunk* c, bint last) noexcept:
        """Keep what may have to be sent again, up to the replay's bound."""
        if self.not_replayable or self.response_state != RS_NONE:
            return
        if self.target.retry_rule != RETRY_SAFE or self.tries >= self.target.max_tries or (
            c.n > REPLAY_BOUND
        ):
            self.forget_replay()
            return
        if self.replay is None:
            self.replay = Replay()
        if not (<Replay>self.replay).keep(c, last, self.engine.pool):
            self.forget_replay()

    cdef void forget_replay(self) noexcept:
        """From here on the request can't be sent again."""
        self.not_replayable = True
        if self.replay is not None:
            (<Replay>self.replay).drop()
            self.replay = None

    cdef void request_done(self) noexcept:
        """The last byte or trailer was handed on."""
        self.request_state = RQ_DONE
        self.body_asked = False

    # == attempts ========================================================================

    cdef void open_attempt(self) noexcept:
        """One more attempt."""
        cdef Attempt a
        if self.pipes is not None and (<Pipes>self.pipes).request is not None:
            (<Pipes>self.pipes).request.hold(AttemptSink)
        self.request_state = RQ_WAIT
        self.body_asked = False
        self.tries += 1
        self.times.attempt = self.engine.now_us
        try:
            a = self.target.open(self)
        except Exception:
            (<Dispatcher>self.dispatcher).report_failure(self.target.name, "open", self)
            self.refuse(REASON_INTERNAL)
            return
        self.current = a
        a.begin()

    cdef bint open_another(self) noexcept:
        """Open a rival; only for a request that was sent whole and can be repeated."""
        if (
            self.current is None or self.winner is not None or self.not_replayable
            or self.request_state != RQ_DONE
        ):
            return False
        if self.rivals is None:
            self.rivals = []
        self.rivals.append(self.current)
        self.open_attempt()
        return True

    cdef void on_attempt_ready(self, Attempt a) noexcept:
        """It can take the head: run the attempt policies."""
        if self.generation == 0 or a is not self.current:
            a.cancel(REASON_CANCELLED)
            return
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
        cdef Pipe pipe = None
        cdef Replay replay = <Replay>self.replay if self.replay is not None else None
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).request
        a.send_head(last)
        if self.generation == 0 or a is not self.current:
            return
        if last:
            self.request_done()
            return
        self.request_state = RQ_BODY
        if replay is not None and (replay.rows.n or replay.whole):
            if replay.whole:
                self.request_done()
            if not replay.send(a) or self.generation == 0 or replay.whole:
                return
        if pipe is not None:
            self.request_flow(pipe.release(AttemptSink))
        elif self.request.flags & H_EXPECT_100 and not self.body_asked and self.tries == 1:
            self.awaits_continue = True
        else:
            self.ask_request()

    cdef void on_attempt_room(self, Attempt a) noexcept:
        """The attempt takes request bytes again."""
        cdef Pipe pipe = None
        if self.generation == 0 or a is not self.current:
            return
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).request
        if pipe is not None:
            self.request_flow(pipe.release(AttemptSink))
        else:
            self.ask_request()

    cdef void on_attempt_failed(self, Attempt a, const Outcome* outcome) noexcept:
        """Try again, answer for it, or break the response off."""
        if self.generation == 0:
            return
        if a is not self.current:
            if self.rivals is not None and a in self.rivals:
                self.rivals.remove(a)
            return
        self.current = None
        if a is self.winner:
            self.winner = None
            if self.response_state == RS_DONE:
                self.request_state = RQ_CUT
                self.end_if_done()
            elif self.response_state in (RS_HEAD, RS_COLLECT):
                self.refuse(outcome.reason)
            else:
                self.break_off(outcome.reason)
            return
        if self.rivals:
            self.current = <Attempt>self.rivals.pop()
        elif self.may_retry(outcome):
            if not outcome.sent and not outcome.reused and a.endpoint is not None:
                if self.tried is None:
                    self.tried = []
                self.tried.append(a.endpoint)
            self.fresh_only = outcome.reused
            self.open_attempt()
        else:
            self.give_up(outcome)

    cdef bint may_retry(self, const Outcome* outcome) noexcept:
        """reasons.toml: unsent requests always, idempotent ones once after a stale connection."""
        if (
            self.target.retry_rule != RETRY_SAFE or self.tries >= self.target.max_tries
            or self.not_replayable or outcome.head_seen
        ):
            return False
        if not outcome.sent:
            return not outcome.connected or outcome.reused
        return (
            outcome.reused and not self.fresh_only and is_idempotent(self.request.method_id)
            and outcome.reason == REASON_UPSTREAM_RESET
        )

    cdef void give_up(self, const Outcome* outcome) noexcept:
        """No attempt is left: answer with the reason of the last one."""
        cdef Reason why = outcome.reason
        if why == REASON_UPSTREAM_RESET and outcome.sent and (
            not is_idempotent(self.request.method_id)
        ):
            why = REASON_UPSTREAM_RESET_AMBIGUOUS
        self.refuse(why)

    cdef void cancel_attempts(self, Reason why) noexcept:
        """None of them is wanted any more."""
        cdef Attempt a = self.current
        self.current = None
        self.winner = None
        if a is not None:
            a.cancel(why)
        self.drop_rivals(None)

    cdef void drop_rivals(self, Attempt but) noexcept:
        """Cancel the older attempts, all or all but one."""
        cdef Attempt a
        cdef list rivals = self.rivals
        self.rivals = None
        if rivals is None:
            return
        for a in rivals:
            if a is not but:
                a.cancel(REASON_CANCELLED)

    # == response side ===================================================================

    cdef void on_informational(self, Attempt a, ResponseHead* head) noexcept:
        """100 asks for the body, others go to the client."""
        if self.generation == 0 or a is not self.current or self.winner is not None:
            return
        if head.status == 100:
            self.on_body_waiting()
        else:
            self.downstream.send_informational(self, head)

    cdef void on_response_head(self, Attempt a, bint last) noexcept:
        """The first attempt to get here wins; then run the response policies."""
        if self.generation == 0 or self.winner is not None:
            a.cancel(REASON_CANCELLED)
            return
        if a is not self.current:
            if self.rivals is None or a not in self.rivals:
                a.cancel(REASON_CANCELLED)
                return
            self.rivals.append(self.current)
            self.current = a
        self.winner = a
        if self.rivals is not None:
            self.drop_rivals(a)
        if self.replay is not None:
            self.forget_replay()
        self.engine.wheel.clear(&self.deadline)
        self.times.response = self.engine.now_us
        self.response = a.response
        self.response_last = last
        self.response_state = RS_HEAD
        self.upstream_asked = True
        self.awaits_continue = False
        if self.chain.count[<int>HOOK_RESPONSE]:
            self.after_response(run_hook(self, RESPONSE_SIDE, HOOK_RESPONSE, None))
        else:
            self.begin_response()

    cdef void after_response(self, Ran ran) noexcept:
        """The response policies are done, turned round, or wait."""
        if ran == RAN_REPLY:
            self.answer()
        elif ran == RAN_ON:
            self.begin_response()
        elif self.winner is not None and self.upstream_asked:
            self.upstream_asked = False
            self.winner.ask_body(False)

    cdef void begin_response(self) noexcept:
        """The response's head is final unless its body must be whole first."""
        cdef bint held
        if self.pipes is not None or (
            self.chain != NULL and self.chain.body_mode[<int>RESPONSE_SIDE] != MODE_NONE
        ):
            try:
                held = self.pipe_response()
            except Exception:
                self.refuse(REASON_INTERNAL)
                return
            if held:
                return
        self.send_response_head()

    cdef bint pipe_response(self) except -1:
        """Build the response's pipe; True when the head waits for its output."""
        cdef Pipe pipe = None
        cdef ClientSink sink
        cdef Chunk empty
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).response
        if self.tunnel or self.bare_reply or (pipe is None and (
            self.chain == NULL or self.chain.body_mode[<int>RESPONSE_SIDE] == MODE_NONE
        )):
            return False
        if pipe is None:
            pipe = self.new_response_pipe()
        pipe.build()
        sink = ClientSink()
        sink.x = self
        pipe.add(sink)
        if not pipe.has_whole():
            if pipe.changes_length() and not self.response_last:
                self.drop_validators()
                self.response.framing = BODY_CHUNKED
            return False
        self.response_state = RS_COLLECT
        if self.response_last:
            empty.p, empty.n, empty.owner = NULL, 0, NULL
            self.response_flow(pipe.push(&empty, True))
        elif self.winner is None:
            self.send_reply_body()
        else:
            self.ask_response()
        return True

    cdef Pipe new_response_pipe(self):
        """An empty pipe for the response."""
        cdef Pipe pipe = Pipe()
        pipe.x = self
        pipe.side = RESPONSE_SIDE
        if self.pipes is None:
            self.pipes = Pipes()
        (<Pipes>self.pipes).response = pipe
        return pipe

    cdef void drop_validators(self) noexcept:
        """A changed body has another length, tag and digest (RFC 9110 sections 8.6, 8.8)."""
        drop_body_facts(&self.response, &self.arena)

    cdef void send_response_head(self) noexcept:
        """The head goes out, the body may follow."""
        if self.tunnel:
            self.open_the_tunnel()
            return
        self.response_state = RS_BODY
        self.downstream.send_head(self, self.response_last)
        if self.generation == 0:
            return
        if self.response_last:
            if self.pipes is not None and (<Pipes>self.pipes).response is not None:
                (<Pipes>self.pipes).response.ended = True
            self.response_done()
        elif self.winner is None:
            self.send_reply_body()
        else:
            self.ask_response()

    cdef void open_the_tunnel(self) noexcept:
        """Both directions carry opaque chunks from here on; the snapshot is let go."""
        cdef Attempt a = self.winner
        self.response_state = RS_TUNNEL
        self.request_state = RQ_BODY
        self.downstream.send_head(self, False)
        if self.generation == 0:
            return
        self.downstream.open_tunnel(self)
        if self.generation == 0:
            return
        pin_for_tunnel(self)
        a.open_tunnel()
        if self.generation:
            self.ask_response()
            self.body_asked = False
            self.ask_request()

    cdef bint on_response_chunk(self, Attempt a, Chunk* c, bint last) noexcept:
        """Through the pipe, or straight to the client."""
        cdef Pipe pipe = None
        if a is not self.winner or self.response_state not in (
            RS_BODY, RS_COLLECT, RS_TUNNEL, RS_HEAD
        ):
            chunk_release(c)
            return False
        self.upstream_asked = False
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).response
        if pipe is None:
            if self.to_client(c, last):
                self.upstream_asked = self.generation != 0
        else:
            self.response_flow(pipe.push(c, last))
        return self.upstream_asked

    cdef void on_response_trailers(self, Attempt a, Fields* trailers) noexcept:
        """The end of a chunked response."""
        cdef Pipe pipe = None
        if a is not self.winner:
            return
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).response
        if pipe is None:
            self.trailers_to_client(trailers)
        else:
            self.response_flow(pipe.push_trailers(trailers))

    cdef bint to_client(self, Chunk* c, bint last) noexcept:
        """A chunk that has passed the filters."""
        cdef bint room
        if self.downstream is None:
            chunk_release(c)
            return True
        if self.response_state == RS_COLLECT:
            self.head_after_body(c, last)
            if self.generation == 0 or self.response_state == RS_DONE:
                chunk_release(c)
                return True
        self.response_bytes += c.n
        room = self.downstream.send_chunk(self, c, last)
        if last and self.generation:
            self.response_done()
        return room

    cdef void head_after_body(self, Chunk* c, bint last) noexcept:
        """The first output of a pipe that collects: now the head's length is known."""
        self.response_state = RS_BODY
        if not self.response_last:
            self.drop_validators()
            self.response.framing = BODY_LENGTH if last else BODY_CHUNKED
            self.response.content_length = c.n
            self.response_last = last and c.n == 0
        self.downstream.send_head(self, self.response_last)
        if self.response_last and self.generation:
            self.response_done()

    cdef void trailers_to_client(self, Fields* trailers) noexcept:
        """Trailers, which end the response."""
        if self.downstream is not None:
            self.downstream.send_trailers(self, trailers)
        if self.generation:
            self.response_done()

    cdef void ask_response(self) noexcept:
        """Let the response's body come, if it was held."""
        if not self.upstream_asked and self.winner is not None and (
            self.response_state in (RS_BODY, RS_COLLECT, RS_TUNNEL)
        ):
            self.upstream_asked = True
            self.winner.ask_body(True)

    cdef void response_flow(self, Flow flow) noexcept:
        """What the response's pipe answered."""
        cdef Pipe pipe
        if self.generation == 0:
            return
        pipe = (<Pipes>self.pipes).response
        if flow == FLOW_REPLY:
            if pipe.trouble != REASON_NONE:
                set_reply(self, pipe.trouble)
            self.answer()
        elif flow == FLOW_ROOM:
            self.ask_response()

    cdef void on_room(self) noexcept:
        """The client takes bytes again."""
        cdef Pipe pipe = None
        if self.generation == 0:
            return
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).response
        if pipe is None:
            self.ask_response()
        else:
            self.response_flow(pipe.release(ClientSink))

    cdef void response_done(self) noexcept:
        """The last byte or trailer was handed on."""
        if self.response_state == RS_TUNNEL and self.request_state == RQ_BODY:
            self.response_state = RS_DONE
            return
        self.response_state = RS_DONE
        self.end_if_done()

    # == told by others ====================================================================

    cdef void on_ticket(self, Ticket t) noexcept:
        """What a policy waited for has happened."""
        cdef Hook hook
        cdef Stage stage
        self.engine.wheel.clear(&t.deadline)
        if t.policy != NULL:
            resume_shadow(self, t)
            return
        if t.waiter is not None:
            stage = <Stage>t.waiter
            if t.side == REQUEST_SIDE:
                self.request_flow(stage.pipe.on_stage_ticket(stage, t))
            else:
                self.response_flow(stage.pipe.on_stage_ticket(stage, t))
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
        cdef Pipes pipes = <Pipes>self.pipes if self.pipes is not None else None
        if self.generation and pipes is not None and pipes.response is not None:
            self.response_flow(pipes.response.on_sink_room(sink))

    cdef void on_deadline(self, int kind) noexcept:
        """No response head in time."""
        self.refuse(REASON_REQUEST_TIMEOUT)

    cdef void on_gone(self, Reason why) noexcept:
        """The client is gone; the upstream's work is cancelled unless a sink completes it."""
        cdef Pipe pipe = None
        if self.generation == 0:
            return
        if self.reason == REASON_NONE:
            self.reason = why
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).response
        if pipe is not None and self.winner is not None and pipe.drop(ClientSink):
            self.downstream = None
            if self.request_state != RQ_DONE:
                self.request_state = RQ_CUT
            self.response_flow(pipe.run())
            return
        if self.request_state != RQ_DONE:
            self.request_state = RQ_CUT
        if self.response_state != RS_DONE:
            self.response_state = RS_RESET
        self.end(False)

    # == what policies call ================================================================

    cdef Ticket take_ticket(self, uint32_t timeout_ms):
        """See contract.pxd. A second one within a hook replaces the first."""
        cdef Ticket t = Ticket()
        t.x = self
        t.generation = self.generation
        if self.given is not None:
            self.given.spent = True
            self.engine.wheel.clear(&self.given.deadline)
        self.given = t
        self.engine.wheel.set(&t.deadline, self.engine.now_ms + (timeout_ms or 30000))
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
            return
        stage.give(&kept, False)

    cdef bint replace_body(self, const char* p, size_t n) noexcept:
        """See contract.pxd."""
        cdef char* copy
        if self.in_shadow:
            return True
        copy = <char*>arena_alloc(&self.arena, n)
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
        cdef Pipes pipes
        if side != RESPONSE_SIDE or self.response_state not in (RS_NONE, RS_HEAD):
            raise ValueError("a sink is added to a response before any of its body came")
        pipes = <Pipes>self.pipes if self.pipes is not None else None
        if pipes is None or pipes.response is None:
            self.new_response_pipe()
            pipes = <Pipes>self.pipes
        pipes.response.add(sink)

    # == replies and ends ==================================================================

    cdef void refuse(self, Reason why) noexcept:
        """End the exchange with an answer of the gateway's own, or break it off."""
        if self.generation == 0:
            return
        set_reply(self, why)
        self.answer()

    cdef void answer(self) noexcept:
        """`reply` is filled: turn round."""
        cdef Ran ran = RAN_ON
        cdef bint late = self.response_state != RS_NONE
        self.engine.wheel.clear(&self.deadline)
        if self.response_state not in (RS_NONE, RS_HEAD, RS_COLLECT) or (
            self.reply.status == 0 and reason_row(self.reply.reason).status == 0
        ):
            self.break_off(self.reply.reason)
            return
        self.cancel_attempts(REASON_CANCELLED)
        cancel_tickets(self)
        self.drop_pipes(late)
        if self.request_state != RQ_DONE:
            self.request_state = RQ_DONE if self.head_last else RQ_CUT
        self.reason = self.reply.reason
        self.decided_by = reason_row(self.reason).decided_by
        if not build_response(self):
            self.break_off(REASON_MEMORY)
            return
        self.response_last = self.reply.body.n == 0 or self.response.framing == BODY_NONE or (
            self.request.method_id == M_HEAD
        )
        self.response_state = RS_HEAD
        if self.entered and self.chain.count[<int>HOOK_RESPONSE]:
            ran = continue_hook(self, RESPONSE_SIDE, HOOK_RESPONSE) if late else run_hook(
                self, RESPONSE_SIDE, HOOK_RESPONSE, None
            )
        self.after_response(ran)

    cdef void drop_pipes(self, bint late) noexcept:
        """A reply does not go through what was built for the body it replaces."""
        cdef Pipes pipes
        if self.pipes is None:
            return
        pipes = <Pipes>self.pipes
        if pipes.request is not None:
            pipes.request.cut(REASON_CANCELLED)
            pipes.request = None
        if late and pipes.response is not None:
            pipes.response.cut(REASON_CANCELLED)
            pipes.response = None
            self.bare_reply = True

    cdef void send_reply_body(self) noexcept:
        """A reply's body is one chunk of the exchange's own memory."""
        cdef Chunk c
        cdef Pipe pipe = None
        c.p, c.n, c.owner = self.reply.body.p, self.reply.body.n, NULL
        if self.pipes is not None:
            pipe = (<Pipes>self.pipes).response
        if pipe is None:
            self.to_client(&c, True)
        else:
            self.response_flow(pipe.push(&c, True))

    cdef void break_off(self, Reason why) noexcept:
        """The answer has begun, or there is none to give: break the client's side."""
        self.reason = why
        self.decided_by = reason_row(why).decided_by
        self.response_state = RS_RESET
        if self.request_state != RQ_DONE:
            self.request_state = RQ_CUT
        if self.downstream is not None:
            self.downstream.reset(self, why)
        self.end(False)

    cdef void end_if_done(self) noexcept:
        """Both sides over: the exchange is."""
        if self.generation and self.response_state == RS_DONE and (
            self.request_state in (RQ_DONE, RQ_CUT)
        ):
            self.end(True)

    cdef void end(self, bint tell) noexcept:
        """The one way out: policies' last calls, the record, then everything is let go."""
        cdef Dispatcher dispatcher = <Dispatcher>self.dispatcher
        cdef Downstream downstream = self.downstream
        cdef Attempt winner = self.winner
        if self.generation == 0:
            return
        self.engine.keep(self)
        self.engine.wheel.clear(&self.deadline)
        self.times.end = self.engine.now_us
        if winner is None or self.response_state != RS_DONE or self.request_state != RQ_DONE:
            self.cancel_attempts(REASON_CANCELLED)
        cancel_tickets(self)
        self.cut_pipes()
        if self.entered:
            run_log(self)
            release_policies(self)
        if dispatcher.recorder is not None:
            dispatcher.recorder.record(self)
        self.generation = 0
        if tell and downstream is not None:
            downstream.finish(self)
        self.let_go()
        dispatcher.exchange_ended(self)

    cdef void cut_pipes(self) noexcept:
        """Release what the pipes hold."""
        cdef Pipes pipes
        if self.pipes is None:
            return
        pipes = <Pipes>self.pipes
        self.pipes = None
        if pipes.request is not None:
            pipes.request.cut(self.reason)
        if pipes.response is not None:
            pipes.response.cut(self.reason)

    cdef void let_go(self) noexcept:
        """Break every reference, so that no cycle keeps anything alive."""
        self.downstream = None
        self.current = None
        self.winner = None
        self.rivals = None
        self.tried = None
        self.target = None
        self.snapshot = None
        self.dispatcher = None
        self.replay = None
        self.views = None
        self.route = NULL
        self.chain = NULL
        self.timeouts = NULL
        self.slots = NULL
        arena_free(&self.arena)
