"""The access log: a JSON line an exchange, written at the end of the turn it ended in.

A line is put together without Python. What can't be written at once stays in the buffer; past
its bound lines are dropped and counted, so that a reader who stalls never stalls a client.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.exchange.shared cimport Recorder
from fastgw.ext.io.engine cimport Engine, Handle


cdef class AccessLog(Recorder):
    cdef Engine engine
    cdef LogWriter writer
    cdef Recorder following           # told after this one, or None

    cdef size_t bound(self, Exchange x) noexcept
    cdef char* put_line(self, char* at, Exchange x) noexcept


cdef class LogWriter(Handle):
    """A descriptor and the bytes that wait for it."""
    cdef int out                      # where lines go
    cdef char* buffer
    cdef size_t used
    cdef readonly uint64_t lines      # written or waiting
    cdef readonly uint64_t dropped    # for want of room

    cdef char* reserve(self, size_t n) noexcept
    cdef void commit(self, size_t n) noexcept
    cdef void write_out(self) noexcept
