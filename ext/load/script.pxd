"""Script: what a load sends, in which order, when, and which answers are right."""

cimport cython
from libc.stdint cimport int64_t, uint16_t, uint32_t
from libc.stddef cimport size_t


cdef struct Step:
    const char* p               # the bytes of one request (or WebSocket frame)
    size_t n
    const char* want            # the body that must come; NULL: any
    int64_t want_n              # its length; -1: any
    uint16_t status             # that must come; 0: any from 200 to 399
    bint no_body                # an answer to HEAD


@cython.final
cdef class Script:
    cdef list kept              # bytes objects that the steps point into
    cdef Step* steps            # owned
    cdef int count
    cdef uint32_t* order        # steps in the order of sending, again and again; owned
    cdef uint32_t order_n
    cdef int64_t* due           # ns after the begin of each of the order; NULL: as fast as asked
