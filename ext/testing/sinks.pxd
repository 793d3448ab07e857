"""A reader of a body, as slow as a test wants it."""

from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange, Sink
from fastgw.ext.http.head cimport Fields


cdef class FakeSink(Sink):
    cdef public long window           # bytes it still takes before it says "no room"
    cdef readonly bytearray body
    cdef readonly bint whole
    cdef readonly list trailers       # or None
    cdef readonly str cut             # reason, or None
    cdef Exchange x                   # set when it is added
