"""The head of a request as HTTP/1.1 sends it upstream."""

from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Attempt, Exchange
from fastgw.ext.http.head cimport ResponseHead
from fastgw.ext.io.stream cimport Stream


cdef bint write_request_head(Stream s, Exchange x, Attempt a, Span host) noexcept
cdef bint announce_client(Stream s, Exchange x, int version) noexcept
cdef bint agrees_to_tunnel(Exchange x, ResponseHead* head) noexcept
