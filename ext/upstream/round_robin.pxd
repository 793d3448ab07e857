"""Round robin over the endpoints of an upstream, by weight."""

from libc.stdint cimport uint32_t
from fastgw.ext.upstream.contract cimport Balancer


cdef class RoundRobin(Balancer):
    cdef list turns                   # endpoints, each as often as its weight, spread out
    cdef uint32_t at                  # whose turn it is
