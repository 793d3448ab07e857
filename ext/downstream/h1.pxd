"""HTTP/1.1 from the client: one object a connection plays each of its requests in turn.

Reading   HEAD -> (LENGTH | CHUNKED) -> WHOLE -> HEAD ...       a request after the other
          any of them -> DISCARD -> HEAD                          answered early, little is left
          any of them -> LINGER -> CLOSED                         answered early, much is left
          WHOLE -> TUNNEL -> WHOLE -> CLOSED                      the client's direction ended

Pipelined requests wait, counted, in `kept` until the answer before them was handed on;
answers thus stand in the stream's queue in order and leave together.

The connection is three classes, one a file, each on top of the one before: H1Ends (from
request to request, and the end), H1Reading (what is received), H1Downstream (what the
exchange tells).
"""

from libc.stddef cimport size_t
from fastgw.ext.downstream.h1_ends cimport H1Connections
from fastgw.ext.downstream.h1_reading cimport H1Reading
from fastgw.ext.downstream.h1_response cimport WriteFraming
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.io.stream cimport Codec


cdef class H1Server(H1Connections):
    """Makes a connection for each accepted stream."""
    cdef public bint learns           # upstreams want to know which of our addresses it came to


cdef class H1Codec(Codec):
    """The stream's end of a connection; passes everything on."""
    cdef H1Downstream down


cdef class H1Downstream(H1Reading):
    """A connection, as its exchange sees it."""
    cdef bint may_persist(self, Exchange x, WriteFraming framing) noexcept
    cdef bint write_text(self, const char* p, size_t n) noexcept
    cdef void on_stream_room(self) noexcept
