"""Attempts: how an exchange opens, replaces and ends its tries at an answer.

`current` is where the request's body goes; `rivals` are older ones that may still win;
`winner` is the one whose response head was accepted.
"""

cimport cython
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Attempt, Outcome
from fastgw.ext.exchange.pipe cimport Flow
from fastgw.ext.exchange.response_side cimport ResponseSide
from fastgw.ext.http.head cimport Fields
from fastgw.ext.policy.runner cimport Ran


@cython.no_gc
cdef class Attempts(ResponseSide):
    # -- beginning one --------------------------------------------------------------------
    cdef void open_attempt(self) noexcept
    cdef void after_attempt(self, Ran ran) noexcept
    cdef void start_request(self, Attempt a) noexcept
    # -- the request's body to it -----------------------------------------------------------
    cdef void feed_attempt(self, Attempt a) noexcept
    cdef bint send_replay(self, Attempt a) noexcept
    cdef bint put(self, Attempt a, Chunk* c, bint last) noexcept
    cdef void put_trailers(self, Attempt a, Fields* trailers) noexcept
    cdef void remember(self, Attempt a, Chunk* c, bint last) noexcept
    cdef bint replaying(self) noexcept
    cdef void forget_replay(self) noexcept
    cdef void request_done(self) noexcept
    # -- losing and ending them -------------------------------------------------------------
    cdef void lose_winner(self, const Outcome* outcome) noexcept
    cdef bint may_retry(self, const Outcome* outcome) noexcept
    cdef void try_again(self, Attempt a, const Outcome* outcome) noexcept
    cdef void give_up(self, const Outcome* outcome) noexcept
    cdef bint is_rival(self, Attempt a) noexcept
    cdef void make_current(self, Attempt a) noexcept
    cdef void cut_request(self) noexcept
    cdef void drop_rivals(self) noexcept
    # -- of higher classes ------------------------------------------------------------------
    cdef void request_flow(self, Flow flow) noexcept
