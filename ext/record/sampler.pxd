"""Sampler: what a worker counts anyway, copied to its row once a second.

Levels and sums that would cost something a request if they were counted in shared memory,
and how late the loop and how long the collector was. Nobody has to ask a worker for them.
"""

from libc.stdint cimport uint64_t
from fastgw.ext.downstream.h1_ends cimport H1Connections
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.io.connection_limit cimport ConnectionLimit
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.record.lines cimport LineSink
from fastgw.ext.record.rows cimport Rows
from fastgw.ext.route.snapshot cimport Snapshot


cdef class Sampler:
    cdef Engine engine
    cdef Dispatcher dispatcher
    cdef H1Connections server
    cdef ConnectionLimit limit
    cdef LineSink lines               # or None: no access log
    cdef list doors                   # Doorways, whose connections are no requests
    cdef uint64_t* cells              # of the worker's row
    cdef Rows rows                    # keeps them
    cdef Snapshot sampled             # whose servers were copied last
    cdef list servers                 # of that snapshot
    cdef object loop                  # None while it does not run
    cdef object timer
    cdef double due_s                 # of the loop's clock, when `tick` should run
    cdef double collecting_s          # when the collector began; 0 = it does not run

    cdef void copy_worker(self) noexcept
    cdef void copy_endpoints(self)
    cdef void copy_bytes(self)
