"""An attempt over HTTP/1.1: picks a connection, sends the request over it."""

from libc.stdint cimport uint8_t
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange, Outcome
from fastgw.ext.upstream.contract cimport Endpoint
from fastgw.ext.upstream.h1_connection cimport Borrower


cdef class H1Attempt(Borrower):
    """One request to an endpoint over HTTP/1.1."""
    cdef bint chunked                 # the request's body goes out chunked
    cdef bint begun                   # endpoint.begin() was called, end() not yet
    cdef uint8_t host_mode            # HostMode
    cdef bytes host_text              # with HOST_FIXED

    cdef Reason why_none(self) noexcept
    cdef void connect(self, Endpoint e) noexcept
    cdef void refuse(self, Reason why) noexcept
    cdef Span host(self) noexcept
    cdef bint send_opaque(self, Chunk* c, bint last) noexcept
    cdef void end(self, const Outcome* outcome) noexcept


cdef enum HostMode:
    HOST_KEEP                   # what the client asked for
    HOST_UPSTREAM               # the endpoint's own authority
    HOST_FIXED                  # a configured name


cdef H1Attempt new_attempt(Exchange x, Endpoint endpoint, HostMode mode, bytes host_text)
