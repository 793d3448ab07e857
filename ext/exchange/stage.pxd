"""Stage: a filter of a pipe: one chunk policy, or neighbouring WHOLE policies.

A stage with undelivered output takes no input. What its hooks emit waits in `out`; while
a hook is suspended the stage holds the chunk that the hook was called with.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange, Side, Step, Ticket
from fastgw.ext.exchange.held cimport Held, HeldQueue


cdef enum Work:
    WORK_NONE                   # nothing to do now
    WORK_DONE                   # something moved: look again
    WORK_REPLY                  # a policy answered, or `trouble` says what went wrong


cdef class Stage:
    cdef Exchange x
    cdef Side side
    cdef const Step** steps           # in walking order; arena memory
    cdef uint16_t n, at               # policies; whose body hook is next
    cdef bint whole                   # collects until `last`
    cdef bint tee                     # WHOLE in shadow: passes on while it collects
    cdef size_t limit                 # with `whole` or `tee`
    cdef Held pending                 # input not dealt with yet
    cdef bint has_pending
    cdef bint holds                   # `pending` waits for a ticket
    cdef bint emitted                 # the hook under way has emitted something
    cdef bint more                    # call the hook again with an empty chunk
    cdef bint saw_last                # `last` was taken in
    cdef bint dropped                 # the pipe was cut: nothing is done any more
    cdef HeldQueue out                # output not delivered yet
    cdef Buffer* collected            # with `whole` or `tee`
    cdef size_t collected_n
    cdef Reason trouble               # why WORK_REPLY, if not a policy's own reply
    cdef public Ticket ticket         # out, or None
    cdef Ticket fired                 # fired, not dealt with yet

    cdef void take(self, Held* h) noexcept
    cdef bint stuck(self) noexcept
    cdef bint collecting(self) noexcept
    cdef Work advance(self) noexcept
    cdef void drop(self) noexcept
    cdef bint give(self, Chunk* c, bint last) noexcept

    cdef Work call(self, Chunk* c, bint last) noexcept
    cdef Work call_shadow(self) noexcept
    cdef Work finish_call(self, bint replied) noexcept
    cdef void pass_pending(self) noexcept
    cdef void give_last(self) noexcept
    cdef bint gather(self, Chunk* c) noexcept
    cdef Work collect(self) noexcept
    cdef void show_body(self) noexcept
    cdef Work run_bodies(self) noexcept
    cdef Work give_body(self) noexcept
    cdef Work copy_along(self) noexcept
    cdef Work resume(self, Ticket t) noexcept
