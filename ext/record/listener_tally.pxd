"""What is counted of each listener: connections, their bytes, who was turned away, TLS.

One tally for each name, kept over generations; connections hold the one that they came by.
"""

from libc.stdint cimport uint64_t
from fastgw.ext.io.stream cimport ConnectionTally
from fastgw.ext.record.rows cimport Rows


cdef class ListenerTally(ConnectionTally):
    cdef Rows rows
    cdef uint64_t* cells              # of the listener's row


cdef class ListenerTallies:
    """The tallies of a worker, by the listener's name."""
    cdef Rows rows
    cdef dict tallies

    cdef ListenerTally of(self, str name)
