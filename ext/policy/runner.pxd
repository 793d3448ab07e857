"""The policy runner: walks one hook's flat array; the only place that looks at verdicts.

It never calls itself: a policy that suspends is resumed by `resume_hook`, which the
exchange calls from `on_ticket`. One whose ticket was fired before its hook returned is
resumed when it has.
"""

from fastgw.ext.exchange.contract cimport (
    Attempt, BodyMode, Chain, Exchange, Hook, Side, Step, Ticket, TicketEvent, Verdict,
)
from fastgw.ext.base.buffers cimport Chunk


cdef enum Ran:
    RAN_ON                      # every step said CONTINUE
    RAN_REPLY                   # x.reply is filled
    RAN_WAIT                    # a ticket is out
    RAN_PASSED                  # single steps: it failed, and `on_failure: pass` goes on


cdef Ran run_hook(Exchange x, Side side, Hook hook, Attempt a) noexcept
cdef Ran continue_hook(Exchange x, Side side, Hook hook) noexcept
cdef Ran resume_hook(Exchange x, Ticket t) noexcept
cdef Ran run_chunk_step(Exchange x, Side side, const Step* step, Chunk* c, bint last) noexcept
cdef Ran run_body_step(Exchange x, Side side, const Step* step) noexcept
cdef Ran resume_step(Exchange x, Side side, const Step* step, Ticket t) noexcept
cdef void resume_shadow(Exchange x, Ticket t) noexcept
cdef void run_log(Exchange x) noexcept
cdef void release_policies(Exchange x) noexcept
cdef void cancel_ticket(Exchange x, Ticket t, const Step* step) noexcept
cdef void cancel_hook(Exchange x, Side side, Hook hook) noexcept
cdef void cancel_tickets(Exchange x) noexcept
