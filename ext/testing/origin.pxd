"""Targets without a network: an attempt like HTTP/1.1's, and two without a socket.

    target = FakeTarget(); ... a = target.attempts[-1]
    a.ready(), a.answer(200, last=False), a.feed(b"..."), a.feed_trailers(), a.fail(...)
    a.wire    what the upstream received, as HTTP/1.1 would write it
    a.events  what the attempt was told, in order
"""

from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Attempt, Exchange, Target
from fastgw.ext.http.head cimport Fields


cdef class FakeTarget(Target):
    cdef readonly list attempts       # every one that was opened
    cdef public bint auto_ready       # attempts are ready within begin
    cdef public object on_begin       # called with each attempt in begin, or None
    cdef public object on_told        # called with (attempt, event) whenever one is told
    cdef public bint raises           # open raises


cdef class FakeAttempt(Attempt):
    cdef readonly bytearray wire
    cdef readonly list events
    cdef readonly list violations
    cdef readonly list inbox          # (bytes, last, counted) or (pairs,): not delivered yet
    cdef readonly bint asked          # the exchange lets the body come
    cdef readonly bint over           # nothing more may be said either way
    cdef readonly bint tunnel
    cdef public long window           # bytes of the request it still takes before "no room"
    cdef readonly bint answered       # a response head was given
    cdef bint full, pumping, chunked, response_over
    cdef FakeTarget home

    cdef void note(self, object event) noexcept
    cdef void retire(self) noexcept
    cdef void pump(self) noexcept
    cdef bint deliver(self, object item) except -1
    cdef void write_head(self, Exchange x, bint last) except *


cdef class EchoTarget(Target):
    """Answers 200 at once and gives every byte of the request back: no socket, no waiting."""


cdef class EchoAttempt(Attempt):
    cdef Chunk held                   # arrived while the answer was held
    cdef bint has_held, held_last, asked
    cdef Fields* held_trailers

    cdef void retire(self) noexcept


cdef class StaticTarget(Target):
    """Answers with a fixed body within `send_head`."""
    cdef readonly int status
    cdef readonly bytes body


cdef class StaticAttempt(Attempt):
    cdef StaticTarget home
    cdef bint asked, done
    cdef bint in_call                 # freed now, it would be used after that

    cdef void retire(self) noexcept
    cdef void give(self) noexcept
