"""Counters of a worker: what ended how, by status class and by reason."""

from libc.stdint cimport uint64_t
from fastgw.ext.exchange.shared cimport Recorder


cdef class Counters(Recorder):
    cdef uint64_t statuses[6]         # by hundreds; 0 = no answer was begun
    cdef uint64_t reasons[128]         # by Reason; 0 = answered by the upstream
    cdef readonly uint64_t request_bytes, response_bytes      # of bodies
    cdef readonly uint64_t tries      # attempts opened
    cdef Recorder following           # told after this one, or None
