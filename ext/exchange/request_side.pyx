"""RequestSide; see request_side.pxd."""

from libc.string cimport memset
cimport cython
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.base.reasons cimport (
    REASON_BAD_PATH, REASON_BODY_TOO_LARGE, REASON_MEMORY, REASON_MISDIRECTED, REASON_NONE,
    REASON_NO_ROUTE, REASON_WEBSOCKET_NOT_ALLOWED, Reason,
)
from fastgw.ext.base.span cimport span, span_eq_fold
from fastgw.ext.exchange.contract cimport (
    HOOK_REQUEST, MODE_NONE, MODE_WHOLE, REQUEST_SIDE, RQ_BODY, RQ_COLLECT, RQ_CUT, RQ_DONE,
    RQ_HEAD, RQ_NEW, RQ_WAIT, RS_NONE, Attempt, Target,
)
from fastgw.ext.exchange.head_limits cimport head_beyond
from fastgw.ext.exchange.held cimport Held
from fastgw.ext.exchange.pipe cimport FLOW_REPLY, FLOW_ROOM, Flow, Pipe, Pipes, request_pipe
from fastgw.ext.exchange.replay cimport Replay
from fastgw.ext.exchange.replies cimport drop_body_facts, refuse_method
from fastgw.ext.exchange.forwarded cimport add_forwarded, take_request_id
from fastgw.ext.exchange.rewriting cimport rewrite_path, tell_prefix
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.exchange.states cimport move_request
from fastgw.ext.exchange.tunnel cimport Tunnel
from fastgw.ext.exchange.waiting cimport note_waiting
from fastgw.ext.http.head cimport (
    BODY_CHUNKED, BODY_LENGTH, BODY_NONE, H_UPGRADE, Field, fields_find,
)
from fastgw.ext.http.names cimport NAME_X_FORWARDED_PROTO
from fastgw.ext.http.websocket cimport asks_for_websocket
from fastgw.ext.policy.runner cimport RAN_ON, RAN_REPLY, RAN_WAIT, run_hook
from fastgw.ext.io.tls.identity cimport tls_directed
from fastgw.ext.route.matcher cimport Found
from fastgw.ext.route.snapshot cimport NO_METHOD, Snapshot, plan_text

cdef enum:
    REQUEST_DEADLINE = 1


cdef class AttemptSink(Sink):
    """See request_side.pxd."""

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept:
        return self.x.to_attempt(c, last)

    cdef void on_trailers(self, Fields* trailers) noexcept:
        self.x.trailers_to_attempt(trailers)


@cython.no_gc
cdef class RequestSide(Attempts):
    """See request_side.pxd."""

    # -- the head ------------------------------------------------------------------------

    cdef void on_request_head(self, bint last) noexcept:
        """Route it, then run the request policies."""
        self.head_last = self.received = last
        self.times.head = self.engine.now_us
        move_request(self, RQ_HEAD)
        if not (self.take_route() and self.admit() and self.enter_policies()):
            return
        if self.chain.count[<int>HOOK_REQUEST]:
            self.after_request(run_hook(self, REQUEST_SIDE, HOOK_REQUEST, None))
        else:
            self.after_request(RAN_ON)

    cdef void on_refused(self, Reason why) noexcept:
        """The head was not acceptable: no route, no policies, an answer. Or its body is not:
        the same, but for those who have been entered."""
        if self.generation == 0 or self.ending:
            return
        note_waiting(self)
        if self.request_state == RQ_NEW:
            self.times.head = self.engine.now_us
            self.take_id()
        if self.request_state not in (RQ_DONE, RQ_CUT):
            move_request(self, RQ_CUT)
        self.refuse(why)

    cdef bint take_route(self) noexcept:
        """Match; False when the exchange was answered instead."""
        cdef Snapshot s = <Snapshot>self.snapshot
        cdef Found found
        self.take_id()
        if not tls_directed(self.facts, self.request.host.p, self.request.host.n):
            self.refuse(REASON_MISDIRECTED)
            return False
        self.take_scheme()
        s.match(&self.request, self.facts, &found)
        if found.route == NO_METHOD:
            refuse_method(self, found.methods)
            self.answer()
            return False
        if found.route < 0:
            self.refuse(REASON_NO_ROUTE)
            return False
        self.route = &s.routes[found.route]
        self.matched = found.extra
        self.route_name = plan_text(s, self.route.name)
        if s.cells != NULL:
            self.cells = s.cells[found.route]
        self.chain = &s.chains[self.route.chain]
        self.timeouts = &self.route.timeouts
        self.target = <Target>s.targets[self.route.target]
        return True

    cdef void take_scheme(self) noexcept:
        """The connection's, whatever the target said (its absolute form is the client's own
        word); a trusted peer tells what its client used."""
        cdef Field* f = NULL
        if self.facts == NULL:
            return
        self.request.scheme = span(b"https", 5) if self.facts.tls else span(b"http", 4)
        if self.trusted:
            f = fields_find(&self.request.fields, NAME_X_FORWARDED_PROTO)
        if f != NULL and span_eq_fold(span(f.value, f.value_n), span(b"https", 5)):
            self.request.scheme = span(b"https", 5)
        elif f != NULL and span_eq_fold(span(f.value, f.value_n), span(b"http", 4)):
            self.request.scheme = span(b"http", 4)

    cdef void take_id(self) noexcept:
        """A new request id, unless the downstream took over a trusted one."""
        if self.request_id_n == 0:
            take_request_id(self, (<Shared>self.dispatcher).unix_ms())

    cdef bint admit(self) noexcept:
        """The route's own limits on the head; False when refused."""
        cdef Reason why
        if self.request.path_used & ~self.route.allow:
            self.refuse(REASON_BAD_PATH)
            return False
        if self.route.limited:
            why = head_beyond(&self.request, self.route)
            if why != REASON_NONE:
                self.refuse(why)
                return False
        self.forward_path = self.request.path
        if self.route.rewrite >= 0 and not self.rewrite():
            return False
        if not add_forwarded(self) or (self.route.rewrite >= 0 and not tell_prefix(self)):
            self.refuse(REASON_MEMORY)
            return False
        if self.timeouts.request:
            self.deadline.kind = REQUEST_DEADLINE
            self.engine.wheel.set(&self.deadline, self.engine.now_ms + self.timeouts.request)
        return True

    cdef bint rewrite(self) noexcept:
        """What the upstream gets as path; False when refused."""
        cdef Reason why = rewrite_path(self)
        if why != REASON_NONE:
            self.refuse(why)
        return why == REASON_NONE

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
        elif self.request.flags & H_UPGRADE and self.asks_in_vain():
            self.refuse(REASON_WEBSOCKET_NOT_ALLOWED)
        elif self.too_large():
            self.refuse(REASON_BODY_TOO_LARGE)
        elif self.chain.body_mode[<int>REQUEST_SIDE] == MODE_NONE and (
            self.target.body_mode != MODE_WHOLE
        ):
            self.open_attempt()
        elif not self.pipe_request():
            self.refuse(REASON_MEMORY)
        elif not self.open_when_whole():
            self.open_attempt()

    cdef bint asks_in_vain(self) noexcept:
        """Whether it asks for WebSocket on a route that has none. To say so helps more than an
        answer that is none to a handshake; other upgrades are just not taken up (RFC 9110
        section 7.8)."""
        return self.protocol.n == 0 and asks_for_websocket(&self.request)

    cdef bint too_large(self) noexcept:
        """Whether the announced body exceeds the route's limit. Asked only once somebody wants
        the body: who may not send a request at all is told that, however large it is."""
        return (
            self.route.body_limit != 0 and self.request.framing == BODY_LENGTH
            and self.request.content_length > self.route.body_limit
        )

    # -- the pipe ------------------------------------------------------------------------

    cdef bint pipe_request(self) noexcept:
        """Build the request's pipe, if anything wants one; False without memory."""
        cdef Pipe pipe = Pipe()
        cdef AttemptSink sink
        pipe.x = self
        pipe.side = REQUEST_SIDE
        if self.pipes is None:
            self.pipes = Pipes()
        (<Pipes>self.pipes).request = pipe
        if not pipe.build():
            return False
        if self.target.body_mode == MODE_WHOLE:
            pipe.add_whole(self.target.body_limit)
        if not pipe.stages or (self.head_last and not pipe.has_whole()):
            (<Pipes>self.pipes).request = None
            pipe.cut(REASON_NONE)
            return True
        sink = AttemptSink()
        sink.x = self
        pipe.stand_behind(sink)
        pipe.hold()
        if pipe.changes_length() and self.request.framing != BODY_NONE:
            # Another length and digest (RFC 9110 section 8.6, RFC 9530).
            drop_body_facts(&self.request.fields, &self.arena)
            self.request.framing = BODY_CHUNKED
        return True

    cdef bint open_when_whole(self) noexcept:
        """Whether the attempt has to wait until the body is whole; then it is asked for."""
        cdef Pipe pipe = request_pipe(self)
        if pipe is None or not pipe.has_whole():
            return False
        move_request(self, RQ_COLLECT)
        if self.head_last:
            self.request_flow(pipe.push_last())
        else:
            self.ask_request()
        return True

    cdef void request_flow(self, Flow flow) noexcept:
        """What the request's pipe answered: go on, open an attempt, or turn round."""
        cdef Pipe pipe = request_pipe(self)
        cdef Held* out
        if self.generation == 0 or pipe is None:
            return
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
                self.request.framing = BODY_CHUNKED
                if out.last and pipe.trailers == NULL:
                    self.request.framing = BODY_LENGTH
                    if out.chunk.n == 0 and self.head_last:
                        self.request.framing = BODY_NONE
                self.open_attempt()
                return
        if flow == FLOW_ROOM:
            self.ask_request()

    # -- the body ------------------------------------------------------------------------

    cdef void on_body_waiting(self) noexcept:
        """The client did not wait for its 100, perhaps before there was anyone to ask: then the
        attempt does not wait for it either."""
        if self.generation == 0:
            return
        self.body_wanted = True
        if self.awaits_continue:
            self.awaits_continue = False
            self.ask_request()

    cdef void ask_request(self) noexcept:
        """Let the request's body come, if it was held."""
        if not self.body_asked and not self.received and not self.awaits_continue and (
            self.request_state in (RQ_BODY, RQ_COLLECT)
        ):
            self.body_asked = self.body_wanted = True
            self.downstream.ask_body(self, True)

    cdef bint takes_body(self) noexcept:
        """Whether the request's body is still wanted."""
        return self.generation != 0 and not self.received and (
            self.request_state in (RQ_BODY, RQ_COLLECT, RQ_WAIT)
        )

    cdef bint on_request_chunk(self, Chunk* c, bint last) noexcept:
        """Through the pipe, or straight to the attempt."""
        cdef Pipe pipe
        cdef Flow flow
        cdef bint room
        if not self.takes_body():
            chunk_release(c)
            return False
        self.received = last
        self.request_bytes += c.n
        if (
            self.route.body_limit and self.request_bytes > self.route.body_limit
            and not self.tunnel
        ):
            chunk_release(c)
            self.refuse(REASON_BODY_TOO_LARGE)
            return False
        self.body_asked = False
        pipe = request_pipe(self)
        if pipe is None:
            room = self.to_attempt(c, last)
        else:
            flow = pipe.push(c, last)
            room = flow == FLOW_ROOM
            if not room or self.request_state == RQ_COLLECT:
                self.request_flow(flow)
        if room and self.takes_body() and self.request_state != RQ_WAIT:
            self.body_asked = True
        return self.body_asked and self.generation != 0

    cdef void on_request_trailers(self, Fields* trailers) noexcept:
        """The end of a chunked request."""
        cdef Pipe pipe
        if not self.takes_body():
            return
        self.received = True
        self.body_asked = False
        pipe = request_pipe(self)
        if pipe is None:
            self.trailers_to_attempt(trailers)
        else:
            self.request_flow(pipe.push_trailers(trailers))

    cdef bint to_attempt(self, Chunk* c, bint last) noexcept:
        """A chunk that has passed the filters."""
        cdef Attempt a = self.current
        if self.generation == 0 or a is None or self.request_state not in (RQ_BODY, RQ_WAIT):
            chunk_release(c)
            return False
        if self.request_state == RQ_WAIT or self.replaying():
            self.keep_for_next(c, last)
            return False
        if not self.tunnel:
            self.remember(a, c, last)
        elif self.guard is not None:
            (<Tunnel>self.guard).on_chunk(REQUEST_SIDE, c)
            if self.generation == 0:
                chunk_release(c)
                return False
        return self.put(a, c, last)

    cdef void keep_for_next(self, Chunk* c, bint last) noexcept:
        """A chunk that arrived while the next attempt was not ready for it."""
        if self.replay is None:
            self.replay = Replay()
        if not (<Replay>self.replay).keep(c, last, self.engine.pool):
            self.refuse(REASON_MEMORY)
        chunk_release(c)

    cdef void trailers_to_attempt(self, Fields* trailers) noexcept:
        """Trailers, which end the request."""
        cdef Attempt a = self.current
        cdef Replay replay
        if self.generation == 0 or a is None or self.request_state not in (RQ_BODY, RQ_WAIT):
            return
        if self.replay is None and not self.not_replayable and self.response_state == RS_NONE:
            self.replay = Replay()
        replay = <Replay>self.replay
        if replay is not None:
            replay.whole = True
            replay.trailers = trailers
            if self.request_state == RQ_WAIT or replay.at < replay.rows.n:
                return
            replay.trailers_sent = True
        self.put_trailers(a, trailers)
