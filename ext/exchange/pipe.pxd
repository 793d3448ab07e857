"""Pipe: source -> filters -> sinks, one for each direction that bytes don't just pass.

An exchange without body policies, fan-out or rivals has no pipe: its chunks go straight
on. The pipe alone pauses: a stage with undelivered output takes no input, a holding sink
without room stops the stage before it, and `push` answers "no room" to the source.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange, Side, Sink, Step, Ticket
from fastgw.ext.http.head cimport Fields


cdef struct Held:
    Chunk chunk                 # counted, or bytes of the exchange's arena
    bint last


cdef struct HeldQueue:
    Held* rows                  # ring
    uint32_t first, n, cap


cdef enum Flow:
    FLOW_ROOM                   # give more
    FLOW_FULL                   # wait until told
    FLOW_REPLY                  # a policy answered: x.reply is filled


cdef enum Work:
    WORK_NONE, WORK_DONE, WORK_REPLY


cdef class Stage:
    """One chunk policy, or neighbouring WHOLE policies that share one buffer."""
    cdef Pipe pipe
    cdef const Step** steps           # in walking order; arena memory
    cdef uint16_t n, at               # policies; whose body hook is next
    cdef bint whole                   # collects until `last`
    cdef bint tee                     # WHOLE in shadow: passes on while it collects
    cdef size_t limit                 # with `whole` or `tee`
    cdef Held pending                 # input not dealt with yet
    cdef bint has_pending
    cdef bint holds                   # `pending` waits for a ticket
    cdef public bint emitted          # the hook under way has emitted something
    cdef bint more                    # call the hook again with an empty chunk
    cdef bint saw_last                # `last` was taken in
    cdef HeldQueue out                # output not delivered yet
    cdef Buffer* collected            # with `whole` or `tee`
    cdef size_t collected_n
    cdef public Ticket ticket         # out, or None

    cdef Work advance(self) noexcept
    cdef Work resume(self, Ticket t) noexcept
    cdef void drop(self) noexcept
    cdef bint give(self, Chunk* c, bint last) noexcept
    cdef void give_last(self) noexcept
    cdef Work call(self, Chunk* c, bint last) noexcept
    cdef Work call_shadow(self) noexcept
    cdef Work finish_call(self, bint replied) noexcept
    cdef bint gather(self, Chunk* c) noexcept
    cdef Work collect(self) noexcept
    cdef Work run_bodies(self) noexcept
    cdef Work give_body(self) noexcept
    cdef Work copy_along(self) noexcept


cdef class Reader:
    """A sink and how far it is behind."""
    cdef Sink sink
    cdef bint waits                   # it said "no room"
    cdef HeldQueue behind             # with SINK_DROPS
    cdef size_t behind_n


cdef class Pipe:
    cdef Exchange x
    cdef Side side
    cdef list stages
    cdef list readers
    cdef HeldQueue input
    cdef Fields* trailers             # follow the last chunk; arena memory
    cdef bint running, again, closed
    cdef bint ended                   # `last` has reached the sinks
    cdef Reason trouble               # why FLOW_REPLY, if not a policy's own reply

    cdef void build(self) except *
    cdef void add(self, Sink sink) except *
    cdef bint drop(self, type kind) noexcept
    cdef void hold(self, type kind) noexcept
    cdef Flow release(self, type kind) noexcept
    cdef Flow push(self, Chunk* c, bint last) noexcept
    cdef Flow push_trailers(self, Fields* trailers) noexcept
    cdef Flow on_sink_room(self, Sink sink) noexcept
    cdef Flow on_stage_ticket(self, Stage stage, Ticket t) noexcept
    cdef Flow run(self) noexcept
    cdef bint has_whole(self) noexcept
    cdef bint changes_length(self) noexcept
    cdef Held* next_out(self) noexcept
    cdef void add_whole(self, size_t limit) except *
    cdef void cut(self, Reason why) noexcept

    cdef const Step* find(self, int index, int request_hook, int response_hook) noexcept
    cdef void add_step(self, const Step* step, bint whole) except *
    cdef Work sweep(self) noexcept
    cdef bint drain(self, Stage stage, Stage after) noexcept
    cdef bint blocked(self) noexcept
    cdef void deliver(self, Held* h) noexcept
    cdef void tell(self, Reader r, Held* h) noexcept
    cdef void fall_behind(self, Reader r, Held* h) noexcept
    cdef void catch_up(self, Reader r) noexcept


cdef class Pipes:
    """The pipes of one exchange; either may be missing."""
    cdef Pipe request
    cdef Pipe response


cdef bint queue_put(HeldQueue* q, Chunk* c, bint last) noexcept
cdef Held queue_take(HeldQueue* q) noexcept
cdef void queue_free(HeldQueue* q) noexcept
