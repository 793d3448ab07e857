"""Rows that metrics are counted in: cells of this process alone, found by identity.

An identity is a kind of row and a name; several labels are joined to one by LABEL_BREAK.
Cells are plain numbers that only this process writes (record/metric_cells.pxd says what each
means); whoever reads them adds up the processes.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.record.metric_cells cimport BUCKETS
from fastgw.ext.shm.statistics cimport Column, Statistics


cdef enum:
    LABEL_BREAK = 0x1F          # stands between two labels; no name holds it


cdef class Rows:
    """Where rows come from. An identity's cells stay where they are until its labels have
    been gone for ten minutes."""
    cdef uint64_t* row(self, int kind, bytes name) except NULL
    cdef uint64_t* crossing(self, int number, uint64_t* row, int other) noexcept


cdef class LocalRows(Rows):
    """Memory of this process; of use where nobody else reads."""
    cdef dict found                   # (kind, name) -> bytes, the cells
    cdef dict crossings               # (number, address of the row, other) -> bytes, a cell


cdef class SharedRows(Rows):
    """This process's column of the statistics segment. Rows are given by the master."""
    cdef readonly Column column
    cdef dict found                   # b"kind name", or its key if that is long -> index
    cdef list serials                 # which use of each row was seen last
    cdef list texts                   # under which key each row is found

    cdef object index(self, str kind, bytes name)


cdef inline void observe(uint64_t* histogram, const int64_t* ends, int64_t us) noexcept nogil:
    """Count a duration in its bucket and add it to the sum; the first buckets are the likely
    ones."""
    cdef int i = 0
    if us < 0:
        us = 0
    while i < BUCKETS and us > ends[i]:
        i += 1
    histogram[i] += 1
    histogram[BUCKETS + 1] += us
