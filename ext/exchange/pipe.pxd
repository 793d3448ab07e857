"""Pipe: source -> filters -> sinks, one for each direction that bytes don't just pass.

An exchange without body policies, fan-out or rivals has no pipe: its chunks go straight
on. The pipe alone pauses: a stage with undelivered output takes no input, a holding sink
without room stops the stage before it, and `push` answers "no room" to the source.
"""

from libc.stddef cimport size_t
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange, Side, Sink, Step, Ticket
from fastgw.ext.exchange.held cimport Held, HeldQueue
from fastgw.ext.exchange.stage cimport Stage, Work
from fastgw.ext.http.head cimport Fields


cdef enum Flow:
    FLOW_ROOM                   # give more
    FLOW_FULL                   # wait until told
    FLOW_REPLY                  # a policy answered: x.reply is filled; or see `trouble`


cdef class Reader:
    """A sink and how far it is behind."""
    cdef Sink sink
    cdef bint waits                   # it said "no room"
    cdef bint cut                     # it was cut off or left
    cdef HeldQueue behind             # with SINK_DROPS
    cdef size_t behind_n              # bytes in it


cdef class Pipe:
    cdef Exchange x                   # None once cut
    cdef Side side
    cdef list stages                  # Stage, from the source to the sinks
    cdef list readers                 # Reader
    cdef Reader own                   # the reader that the exchange itself stands behind
    cdef bint left                    # nobody is behind it any more
    cdef Stage tail                   # the last stage, or None
    cdef HeldQueue input              # not taken by the first stage yet
    cdef Fields* trailers             # follow the last chunk; arena memory
    cdef bint running, again          # `run` is at work; and has to look again
    cdef bint closed                  # cut
    cdef bint ended                   # `last` has reached the sinks
    cdef Reason trouble               # why FLOW_REPLY, if not a policy's own reply

    # -- building ---------------------------------------------------------------------
    cdef bint build(self) noexcept
    cdef bint add_whole(self, size_t limit) noexcept
    cdef Reader add(self, Sink sink)
    cdef void stand_behind(self, Sink sink) noexcept
    cdef bint has_whole(self) noexcept
    cdef bint changes_length(self) noexcept
    # -- moving -----------------------------------------------------------------------
    cdef Flow push(self, Chunk* c, bint last) noexcept
    cdef Flow push_last(self) noexcept
    cdef Flow push_trailers(self, Fields* trailers) noexcept
    cdef Flow run(self) noexcept
    cdef Held* next_out(self) noexcept
    # -- sinks ------------------------------------------------------------------------
    cdef void hold(self) noexcept
    cdef Flow release(self) noexcept
    cdef bint leave(self) noexcept
    cdef Flow on_sink_room(self, Sink sink) noexcept
    cdef Flow on_stage_ticket(self, Stage stage, Ticket t) noexcept
    cdef bint remove(self, Sink sink) noexcept
    cdef bint read_on(self) noexcept
    cdef void cut(self, Reason why) noexcept

    cdef const Step* find(self, int index, int request_hook, int response_hook) noexcept
    cdef bint add_step(self, const Step* step, bint whole) noexcept
    cdef Stage add_stage(self)
    cdef Work sweep(self) noexcept
    cdef bint feed(self) noexcept
    cdef bint drain(self, Stage stage, Stage after) noexcept
    cdef bint full(self) noexcept
    cdef bint blocked(self) noexcept
    cdef void deliver(self, Held* h) noexcept
    cdef void tell(self, Reader r, Held* h) noexcept
    cdef void fall_behind(self, Reader r, Held* h) noexcept
    cdef void catch_up(self, Reader r, bint all) noexcept
    cdef void cut_off(self, Reader r, Reason why) noexcept


cdef class Pipes:
    """The pipes of one exchange; either may be missing."""
    cdef Pipe request
    cdef Pipe response


cdef inline Pipe request_pipe(Exchange x):
    """The request's pipe, or None."""
    return (<Pipes>x.pipes).request if x.pipes is not None else None


cdef inline Pipe response_pipe(Exchange x):
    """The response's pipe, or None."""
    return (<Pipes>x.pipes).response if x.pipes is not None else None
