"""Internal exchanges driven from Python: a fill, a mirror, a sub-request."""

from fastgw.ext.downstream.internal cimport InternalDownstream, Receiver
from fastgw.ext.exchange.exchange cimport Dispatcher


cdef class ListReceiver(Receiver):
    cdef InternalDownstream inner
    cdef readonly int status
    cdef readonly bytearray body
    cdef readonly list trailers       # or None
    cdef readonly list ends           # reasons: exactly one
    cdef public long window           # bytes it takes before it says "no room"
