"""Where finished log lines go, as the access log sees it: room, a line, done."""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from fastgw.ext.io.engine cimport Handle


cdef class LineSink(Handle):
    """`reserve` answers where the next line may be written and how much room there is;
    NULL = none. Then either `commit(n)` or `drop()`."""
    cdef readonly uint64_t lines      # committed
    cdef readonly uint64_t dropped    # for want of room

    cdef char* reserve(self, size_t* room) noexcept
    cdef void commit(self, size_t n) noexcept
    cdef void drop(self) noexcept
    cdef void flush(self) noexcept


cdef class LineWriter(LineSink):
    """A descriptor of this process, written at the end of the turn. What its reader does not
    take stays in the buffer; past its bound lines are dropped."""
    cdef int out                      # should not block; -1 = closed
    cdef char* buffer
    cdef size_t used
