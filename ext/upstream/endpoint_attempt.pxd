"""An attempt at an endpoint, whatever it speaks: what it is called there, and how it is accounted
for. HTTP/1.1 is in h1."""

from libc.stdint cimport uint8_t
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Attempt, Exchange, Outcome
from fastgw.ext.upstream.contract cimport Endpoint


cdef enum HostMode:
    HOST_KEEP                   # what the client asked for
    HOST_UPSTREAM               # the endpoint's own authority
    HOST_FIXED                  # a configured name


cdef class EndpointAttempt(Attempt):
    cdef bint begun                   # endpoint.begin() was called, end() not yet
    cdef uint8_t host_mode            # HostMode
    cdef bytes host_text              # with HOST_FIXED
    cdef Span said_host               # in the Host field; lives as long as the exchange
    cdef Reason none_left             # why there is no endpoint; REASON_NONE: all were tried

    cdef Span find_host(self) noexcept
    cdef void aim(self, Exchange x, Endpoint endpoint, HostMode mode, bytes host_text) noexcept
    cdef void account(self, Endpoint e) noexcept
    cdef void refuse(self, Reason why) noexcept
    cdef void refuse_all(self) noexcept
    cdef void finish(self) noexcept
    cdef void end(self, const Outcome* outcome) noexcept
