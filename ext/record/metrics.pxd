"""Metrics of exchanges and attempts, counted where they end.

    route, upstream, endpoint                   a row each, found once for a snapshot (`bind`)
    route x reason, upstream x endpoint x reason   a cell each, claimed when it first happens

Everything is a plain addition to a cell of this process's own.
"""

from libc.stdint cimport uint64_t
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.exchange.shared cimport Recorder
from fastgw.ext.record.rows cimport Rows
from fastgw.ext.upstream.contract cimport AttemptTally


cdef class Metrics(Recorder):
    cdef readonly Rows rows
    cdef dict endpoints               # name -> EndpointTally, of every generation so far
    cdef uint64_t* nowhere            # of requests that no route took
    cdef uint64_t statuses[6]         # of this process, by class; 0 = no answer was begun
    cdef uint64_t reasons[128]        # of this process, by Reason
    cdef Recorder following           # told after this one, or None

    cdef void count_upstream(self, Exchange x, int status_class) noexcept
    cdef void count_reason(self, uint64_t* row, Reason why) noexcept


cdef class EndpointTally(AttemptTally):
    cdef Rows rows
    cdef uint64_t* cells
