"""Idle connections of one worker to one endpoint, newest first."""

from fastgw.ext.upstream.contract cimport Pool


cdef class IdlePool(Pool):
    cdef list waiting                 # H1Link, newest last
