"""The exchange at work: where exchanges come from and what a worker's share."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Attempt, Downstream, Exchange, Outcome, Sink, Target
from fastgw.ext.exchange.pipe cimport Flow, Pipe, Pipes
from fastgw.ext.http.head cimport Fields
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.policy.runner cimport Ran
from fastgw.ext.route.snapshot cimport Snapshot


cdef class Recorder:
    """Told of every exchange that ended; record/ implements it."""
    cdef void record(self, Exchange x) noexcept


cdef class Dispatcher:
    """The worker's shared state: the running snapshot, the recorder, the counters."""
    cdef readonly Engine engine
    cdef public Snapshot snapshot     # swapped at a switch, pinned by each exchange
    cdef public Recorder recorder
    cdef readonly uint32_t live       # exchanges under way
    cdef readonly uint64_t begun
    cdef readonly uint64_t tickets_stale
    cdef public bint draining         # answers carry Connection: close
    cdef public object on_idle        # called when draining and the last exchange ended
    cdef public object log            # log(level, text), or None
    cdef int64_t unix_offset_ms       # wall clock minus the engine's

    cdef Exchange new_exchange(self, Downstream downstream)
    cdef void exchange_ended(self, Exchange x) noexcept
    cdef int64_t unix_ms(self) noexcept


cdef class LiveExchange(Exchange):
    """The states of an exchange, and nothing but them; every state changes in here."""
    # -- request side ---------------------------------------------------------------------
    cdef bint take_route(self) noexcept
    cdef void take_id(self) noexcept
    cdef bint admit(self) noexcept
    cdef void rewrite(self) noexcept
    cdef bint enter_policies(self) noexcept
    cdef void after_request(self, Ran ran) noexcept
    cdef bint collect_request(self) except -1
    cdef void open_attempt(self) noexcept
    cdef void after_attempt(self, Ran ran) noexcept
    cdef void start_request(self, Attempt a) noexcept
    cdef bint to_attempt(self, Chunk* c, bint last) noexcept
    cdef void keep_for_next(self, Chunk* c, bint last) noexcept
    cdef void remember(self, Chunk* c, bint last) noexcept
    cdef void forget_replay(self) noexcept
    cdef void trailers_to_attempt(self, Fields* trailers) noexcept
    cdef void ask_request(self) noexcept
    cdef void request_flow(self, Flow flow) noexcept
    cdef void request_done(self) noexcept
    # -- attempts ----------------------------------------------------------------------------
    cdef bint may_retry(self, const Outcome* outcome) noexcept
    cdef void give_up(self, const Outcome* outcome) noexcept
    cdef void cancel_attempts(self, Reason why) noexcept
    cdef void drop_rivals(self, Attempt but) noexcept
    # -- response side -----------------------------------------------------------------------
    cdef void after_response(self, Ran ran) noexcept
    cdef void begin_response(self) noexcept
    cdef bint pipe_response(self) except -1
    cdef Pipe new_response_pipe(self)
    cdef void drop_validators(self) noexcept
    cdef void head_after_body(self, Chunk* c, bint last) noexcept
    cdef void send_response_head(self) noexcept
    cdef void open_the_tunnel(self) noexcept
    cdef bint to_client(self, Chunk* c, bint last) noexcept
    cdef void trailers_to_client(self, Fields* trailers) noexcept
    cdef void ask_response(self) noexcept
    cdef void response_flow(self, Flow flow) noexcept
    cdef void response_done(self) noexcept
    # -- replies and ends --------------------------------------------------------------------
    cdef void refuse(self, Reason why) noexcept
    cdef void answer(self) noexcept
    cdef void send_reply_body(self) noexcept
    cdef void drop_pipes(self, bint late) noexcept
    cdef void cut_pipes(self) noexcept
    cdef void let_go(self) noexcept
    cdef void break_off(self, Reason why) noexcept
    cdef void end_if_done(self) noexcept
    cdef void end(self, bint tell) noexcept


cdef class ClientSink(Sink):
    """The client as a pipe's sink."""
    cdef LiveExchange x


cdef class AttemptSink(Sink):
    """The current attempt as a pipe's sink."""
    cdef LiveExchange x
