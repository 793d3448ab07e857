"""An attempt over HTTP/1.1: takes a connection, writes the request; its answer is read by the
connection (h1.pxd)."""

from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.upstream.contract cimport Endpoint
from fastgw.ext.upstream.endpoint_attempt cimport HostMode
from fastgw.ext.upstream.h1 cimport LinkedAttempt


cdef class H1Attempt(LinkedAttempt):
    """One request to an endpoint over HTTP/1.1."""
    cdef bint chunked                 # the request's body goes out chunked

    cdef void connect(self, Endpoint e) noexcept
    cdef bint send_opaque(self, Chunk* c, bint last) noexcept


cdef H1Attempt new_attempt(Exchange x, Endpoint endpoint, HostMode mode, bytes host_text)
