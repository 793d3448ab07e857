"""ResponseSide; see response_side.pxd."""

cimport cython
from libc.stdint cimport uint64_t
from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.base.debug cimport debug_assert
from fastgw.ext.base.reasons cimport REASON_CANCELLED, REASON_MEMORY, REASON_NONE
from fastgw.ext.exchange.contract cimport (
    HOOK_RESPONSE, MODE_NONE, MODE_WHOLE, RESPONSE_SIDE, RQ_BODY, RS_BODY, RS_COLLECT, RS_DONE,
    RS_HEAD, RS_TUNNEL,
)
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.mapping_back cimport map_back
from fastgw.ext.exchange.pipe cimport FLOW_REPLY, FLOW_ROOM, Flow, Pipes, response_pipe
from fastgw.ext.exchange.replies cimport drop_body_facts, set_reply
from fastgw.ext.exchange.states cimport move_request, move_response
from fastgw.ext.exchange.tunnel cimport Tunnel, open_guard
from fastgw.ext.exchange.tunnel_pins cimport pin_for_tunnel
from fastgw.ext.http.head cimport BODY_CHUNKED, BODY_LENGTH, Field, fields_append, fields_find
from fastgw.ext.http.names cimport NAME_RETRY_AFTER
from fastgw.ext.io.stream cimport Stream
from fastgw.ext.policy.error_pages cimport is_replaced
from fastgw.ext.policy.runner cimport RAN_ON, RAN_REPLY, Ran, run_hook


cdef class ClientSink(Sink):
    """See response_side.pxd."""

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept:
        return self.x.to_client(c, last)

    cdef void on_trailers(self, Fields* trailers) noexcept:
        self.x.trailers_to_client(trailers)


@cython.no_gc
cdef class ResponseSide(Ends):
    """See response_side.pxd."""

    # -- the head ------------------------------------------------------------------------

    cdef void take_head(self, Attempt a, bint last) noexcept:
        """The winner's head: run the response policies over it."""
        self.engine.wheel.clear(&self.deadline)
        self.times.response = self.engine.now_us
        self.response = a.response
        self.response_last = last
        self.upstream_asked = not last
        if self.route.statuses_n and is_replaced(self, a.response.status):
            self.replace_response(a.response.status)
            return
        if self.route.rewrite >= 0 and not map_back(self):
            self.refuse(REASON_MEMORY)
            return
        move_response(self, RS_HEAD)
        if self.chain.count[<int>HOOK_RESPONSE]:
            self.after_response(run_hook(self, RESPONSE_SIDE, HOOK_RESPONSE, None))
        else:
            self.begin_response()

    cdef void replace_response(self, uint16_t status) noexcept:
        """An error page goes out in place of the upstream's answer; when to come again is
        still the upstream's word."""
        cdef Field* f = fields_find(&self.response.fields, NAME_RETRY_AFTER)
        set_reply(self, REASON_NONE)
        self.reply.status = status
        if f != NULL:
            fields_append(
                &self.reply.fields, &self.arena, NAME_RETRY_AFTER, span(f.name, f.name_n),
                span(f.value, f.value_n),
            )
        self.answer()

    cdef void after_response(self, Ran ran) noexcept:
        """The response policies are done, turned round, or wait."""
        if ran == RAN_ON:
            self.begin_response()
        elif ran == RAN_REPLY:
            self.answer()
        elif self.winner is not None and self.upstream_asked:
            self.upstream_asked = False
            self.winner.ask_body(False)

    cdef void begin_response(self) noexcept:
        """The response's head is final unless its body must be whole first."""
        if self.pipes is not None or (
            self.chain != NULL and self.chain.body_mode[<int>RESPONSE_SIDE] != MODE_NONE
        ):
            if self.pipe_response():
                return
        self.send_response_head()

    cdef bint pipe_response(self) noexcept:
        """Build the response's pipe; True when the head waits, or something else was done."""
        cdef Pipe pipe = response_pipe(self)
        cdef ClientSink sink
        if self.tunnel or self.bare_reply or self.too_long_a_reply() or (pipe is None and (
            self.chain == NULL or self.chain.body_mode[<int>RESPONSE_SIDE] == MODE_NONE
        )):
            self.drop_readers()
            return False
        if pipe is None:
            pipe = self.new_response_pipe()
        if not pipe.build():
            self.refuse(REASON_MEMORY)
            return True
        sink = ClientSink()
        sink.x = self
        pipe.stand_behind(sink)
        if pipe.has_whole():
            move_response(self, RS_COLLECT)
            if self.response_last:
                self.response_flow(pipe.push_last())
            elif self.winner is None:
                self.send_reply_body()
            else:
                self.ask_response()
            return True
        if not self.response_last and pipe.changes_length():
            # Another length, tag and digest (RFC 9110 sections 8.6, 8.8; RFC 9530).
            drop_body_facts(&self.response.fields, &self.arena)
            self.response.framing = BODY_CHUNKED
        return False

    cdef bint too_long_a_reply(self) noexcept:
        """A reply of the gateway's own that a body policy has no room for passes it by."""
        return (
            self.winner is None and self.chain != NULL
            and self.chain.body_mode[<int>RESPONSE_SIDE] == MODE_WHOLE
            and self.reply.body.n > self.chain.body_limit[<int>RESPONSE_SIDE]
        )

    cdef void drop_readers(self) noexcept:
        """Nothing goes through the pipe after all."""
        cdef Pipe pipe = response_pipe(self)
        if pipe is not None:
            (<Pipes>self.pipes).response = None
            pipe.cut(REASON_CANCELLED)

    cdef Pipe new_response_pipe(self):
        """An empty pipe for the response."""
        cdef Pipe pipe = Pipe()
        pipe.x = self
        pipe.side = RESPONSE_SIDE
        if self.pipes is None:
            self.pipes = Pipes()
        (<Pipes>self.pipes).response = pipe
        return pipe

    cdef void send_response_head(self) noexcept:
        """The head goes out, the body may follow."""
        cdef bint last = self.response_last
        cdef Pipe pipe
        if self.tunnel:
            self.open_the_tunnel()
            return
        move_response(self, RS_BODY)
        self.downstream.send_head(self, last)
        if self.generation == 0:
            return
        if last:
            pipe = response_pipe(self)
            if pipe is not None:
                self.response_flow(pipe.push_last())
            else:
                self.response_done()
        elif self.winner is None:
            self.send_reply_body()
        else:
            self.ask_response()

    cdef void head_after_body(self, Chunk* c, bint last) noexcept:
        """The first output of a pipe that collects: now the head's length is known."""
        cdef Pipe pipe = response_pipe(self)
        move_response(self, RS_BODY)
        if not self.response_last:
            if pipe.changes_length():
                drop_body_facts(&self.response.fields, &self.arena)
            self.response.framing = BODY_LENGTH if last else BODY_CHUNKED
            self.response.content_length = c.n
            self.response_last = last and c.n == 0
        self.downstream.send_head(self, self.response_last)

    cdef void open_the_tunnel(self) noexcept:
        """Both directions carry opaque chunks from here on; the snapshot is let go."""
        cdef Attempt a = self.winner
        move_response(self, RS_TUNNEL)
        move_request(self, RQ_BODY)
        self.received = self.body_asked = False
        self.cut_pipes()
        self.downstream.send_head(self, False)
        if self.generation == 0:
            return
        self.downstream.open_tunnel(self)
        if self.generation == 0:
            return
        pin_for_tunnel(self)
        open_guard(self)
        a.open_tunnel()
        if self.generation:
            self.ask_response()
            self.ask_request()

    # -- the body ------------------------------------------------------------------------

    cdef bint on_response_chunk(self, Attempt a, Chunk* c, bint last) noexcept:
        """Through the pipe, or straight to the client."""
        cdef Pipe pipe
        cdef Flow flow
        if a is not self.winner or self.generation == 0 or self.response_state not in (
            RS_BODY, RS_COLLECT, RS_TUNNEL
        ):
            debug_assert(a is not self.winner or self.response_state != RS_HEAD)
            chunk_release(c)
            return False
        self.upstream_asked = False
        pipe = response_pipe(self)
        if pipe is None:
            if self.to_client(c, last):
                self.upstream_asked = True
        else:
            flow = pipe.push(c, last)
            if flow == FLOW_ROOM:
                self.upstream_asked = True
            else:
                self.response_flow(flow)
        return self.upstream_asked and self.generation != 0

    cdef Stream relay_to(self, Attempt a):
        """Past the exchange, where no policy and no reader but the client wants the bytes."""
        if (
            a is not self.winner or self.response_state != RS_BODY or self.response_last
            or not self.upstream_asked or response_pipe(self) is not None
        ):
            return None
        return self.downstream.relay_end()

    cdef void on_relayed(self, Attempt a, uint64_t n, bint held) noexcept:
        """A share of the body is with the client."""
        if a is self.winner:
            self.response_bytes += n
            self.upstream_asked = not held

    cdef void on_response_trailers(self, Attempt a, Fields* trailers) noexcept:
        """The end of a chunked response."""
        cdef Pipe pipe
        if a is not self.winner or self.generation == 0 or self.response_state not in (
            RS_BODY, RS_COLLECT
        ):
            return
        self.upstream_asked = False
        pipe = response_pipe(self)
        if pipe is None:
            self.trailers_to_client(trailers)
        else:
            self.response_flow(pipe.push_trailers(trailers))

    cdef bint to_client(self, Chunk* c, bint last) noexcept:
        """A chunk that has passed the filters."""
        cdef bint room
        if self.generation == 0:
            chunk_release(c)
            return False
        if self.response_state != RS_BODY and not self.before_body(c, last):
            chunk_release(c)
            return False
        if self.response_last:
            # A head without a body has said so already, whatever filters made of it.
            chunk_release(c)
            if last:
                self.response_done()
            return True
        self.response_bytes += c.n
        room = self.downstream.send_chunk(self, c, last)
        if last and self.generation:
            self.response_done()
        return room

    cdef bint before_body(self, Chunk* c, bint last) noexcept:
        """What a chunk that is no ordinary piece of a body waits for: its head, or the tunnel's
        guard. False: the exchange is over."""
        if self.response_state == RS_COLLECT:
            self.head_after_body(c, last)
        elif self.guard is not None:
            (<Tunnel>self.guard).on_chunk(RESPONSE_SIDE, c)
        return self.generation != 0

    cdef void trailers_to_client(self, Fields* trailers) noexcept:
        """Trailers, which end the response."""
        cdef Chunk empty
        if self.generation and self.response_state == RS_COLLECT:
            empty.p, empty.n, empty.owner = NULL, 0, NULL
            self.head_after_body(&empty, False)
        if self.generation == 0:
            return
        if not self.response_last:
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
        cdef Pipe pipe = response_pipe(self)
        if self.generation == 0 or pipe is None:
            return
        if flow == FLOW_REPLY:
            if pipe.trouble != REASON_NONE:
                set_reply(self, pipe.trouble)
            self.answer()
        elif flow == FLOW_ROOM and not pipe.ended:
            self.ask_response()

    cdef void on_room(self) noexcept:
        """The client takes bytes again."""
        cdef Pipe pipe = response_pipe(self)
        if self.generation == 0:
            return
        if pipe is None:
            self.ask_response()
        else:
            self.response_flow(pipe.release())

    cdef void response_done(self) noexcept:
        """The last byte or trailer was handed on."""
        move_response(self, RS_DONE)
        self.end_if_done()

    # -- of higher classes ---------------------------------------------------------------

    cdef void ask_request(self) noexcept:
        pass
