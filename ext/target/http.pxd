"""The target that forwards to an upstream over HTTP."""

from libc.stdint cimport uint8_t
from fastgw.ext.exchange.contract cimport Target
from fastgw.ext.upstream.contract cimport Balancer


cdef class HttpTarget(Target):
    cdef readonly Balancer balancer   # over the endpoints that there are now
    cdef readonly list servers        # upstream/servers.Server, as configured
    cdef readonly frozenset hosts     # names among them, whose addresses are told
    cdef object balance               # what makes a balancer of endpoints
    cdef uint8_t host_mode            # upstream/endpoint_attempt.HostMode
    cdef bytes host_text              # with HOST_FIXED
    cdef readonly uint8_t send_proxy  # version of the PROXY header for its servers; 0 = none
