"""A downstream like HTTP/2's: many streams on one connection, windows, tunnels.

    conn.request("POST", "/", last=False) -> FakeStream; push, push_trailers, grant, leave
    conn.frames      what the client got, in order: (stream, kind, payload)
    conn.violations  what the exchange did that its contract forbids
"""

from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Downstream, Exchange
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.http.head cimport Fields, ResponseHead


cdef class FakeConnection:
    cdef readonly Dispatcher dispatcher
    cdef readonly list frames         # (stream id, kind, payload), in the order sent
    cdef readonly list violations     # texts
    cdef readonly dict streams        # id -> FakeStream, ended ones too
    cdef public long window           # bytes that all streams together may still send
    cdef int next_id


cdef class FakeStream(Downstream):
    cdef readonly int id
    cdef FakeConnection home
    cdef Exchange x                   # None once told of an end
    cdef readonly list outbox         # (bytes, last, counted) or (pairs,): not delivered yet
    cdef readonly bint asked          # the exchange lets the body come
    cdef readonly bint asked_ever     # it did so at least once (meets Expect)
    cdef bint pumping
    cdef public long window           # bytes the exchange may still send
    cdef bint full                    # the exchange was told "no room"
    cdef public object on_event       # called with (kind) at every event, or None
    # -- what the client got --
    cdef readonly int status          # 0 before the head
    cdef readonly list fields         # (name, value)
    cdef readonly list informational  # statuses
    cdef readonly bytearray body
    cdef readonly list trailers       # (name, value), or None
    cdef readonly bint whole          # the answer was ended in order
    cdef readonly bint tunnel         # open_tunnel was called
    cdef readonly list ends           # "finish", "reset:reason", "gone": exactly one

    cdef void note(self, str kind, object payload) noexcept
    cdef void wrong(self, str text) noexcept
    cdef void pump(self) noexcept
    cdef bint deliver(self, object item) except -1
