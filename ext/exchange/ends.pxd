"""Ends: how an exchange turns round and how it ends.

The first of five classes that together are the exchange, one a file, each on top of the
one before: Ends, ResponseSide, Attempts, RequestSide, LiveExchange. What a lower one
calls of a higher one is declared where it is called.
"""

cimport cython
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.exchange.pipe cimport Flow
from fastgw.ext.policy.runner cimport Ran


@cython.no_gc
cdef class Ends(Exchange):
    # -- turning round ------------------------------------------------------------------
    cdef void refuse(self, Reason why) noexcept
    cdef void answer(self) noexcept
    cdef void run_reply_hooks(self, bint late) noexcept
    cdef void drop_pipes(self, bint late) noexcept
    cdef void send_reply_body(self) noexcept
    # -- the end ------------------------------------------------------------------------
    cdef void break_off(self, Reason why) noexcept
    cdef void end_if_done(self) noexcept
    cdef void end(self, bint tell) noexcept
    cdef void cut_pipes(self) noexcept
    cdef void let_go(self) noexcept
    # -- of higher classes --------------------------------------------------------------
    cdef void after_response(self, Ran ran) noexcept
    cdef bint to_client(self, Chunk* c, bint last) noexcept
    cdef void response_flow(self, Flow flow) noexcept
    cdef void cancel_attempts(self, Reason why) noexcept
