"""InternalDownstream: an exchange without a client: sub-requests, mirrors, fills.

Whoever begins one fills the request's head in `x.request` (memory of `x.arena`), hangs a
Receiver on it or none, and calls `begin`. The exchange is nobody's part: it goes on when
the one that began it has ended, until it is whole or `abandon` is called. It takes every
byte of its answer at once unless the Receiver says "no room".
"""

from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Downstream, Exchange
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.exchange.held cimport HeldQueue
from fastgw.ext.http.head cimport Fields, ResponseHead


cdef class Receiver:
    """Who wants an internal exchange's answer. Told of one end: whole or broken."""
    cdef void on_head(self, ResponseHead* head, bint last) noexcept
    cdef bint on_chunk(self, Chunk* c, bint last) noexcept
    cdef void on_trailers(self, Fields* trailers) noexcept
    cdef void on_end(self, Reason why) noexcept


cdef class InternalDownstream(Downstream):
    cdef Exchange x                   # None once it has ended
    cdef Receiver receiver            # or None: nobody looks at the answer
    cdef HeldQueue body               # of the request, not asked for yet; counted chunks
    cdef bint asked                   # the exchange lets the body come
    cdef bint pumping                 # `pump` is at work
    cdef bint stalled                 # the receiver said "no room"

    cdef void begin(self, bint last) noexcept
    cdef bint send_body(self, Chunk* c, bint last) noexcept
    cdef void take_more(self) noexcept
    cdef void abandon(self, Reason why) noexcept
    cdef void pump(self) noexcept
    cdef void end(self, Reason why) noexcept


cdef InternalDownstream new_internal(Dispatcher dispatcher, Receiver receiver)
