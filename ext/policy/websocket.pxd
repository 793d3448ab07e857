"""WebSocket through a route: who may open one, and its limits (docs/websocket.md)."""

from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange, Policy
from fastgw.ext.exchange.tunnel cimport TunnelRule


cdef class Origins:
    """Which pages may open one: exact origins, `https://*.example.com`, `same`, `*`."""
    cdef readonly bint anyone         # `*`
    cdef readonly bint same           # the request's own scheme-less authority
    cdef frozenset exact              # bytes, lower case
    cdef tuple suffixes               # (b"https://", b".example.com"), lower case

    cdef bint admits(self, Exchange x, Span origin) except -1


cdef class WebsocketPolicy(Policy):
    cdef readonly TunnelRule rule
    cdef readonly Origins origins     # None: every origin

    cdef bint admits(self, Exchange x) except -1
