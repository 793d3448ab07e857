"""Addresses: how many connections each client address has on the whole node, in one mutable
segment.

    header | tags, one a row | counts, a row of columns for each tag

A row is found by its *tag*, a hash of the address that nobody outside can aim at, among the few
places where that may stand. Each incarnation of a process counts in a column of its own (that
of its statistics), so that the master can clear what a dead one had counted. A row without
counts may be given to another tag: who does so holds the row meanwhile, and looks again whether
somebody has begun to count there; who counts looks, after counting, whether the row is still
his. A table without a place lets the client through.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from fastgw.ext.base.address_counts cimport AddressCounts
from fastgw.ext.shm.segment cimport Segment, SegmentHeader


cdef enum:
    TAG_FREE                    # was never used
    TAG_HELD                    # somebody gives the row to another tag just now
    TAG_VOID                    # was held by one that died; may be given away
    TAG_FIRST                   # tags of addresses begin here


cdef struct AddressesHeader:
    SegmentHeader segment
    uint32_t rows               # a power of two
    uint32_t columns            # of each row
    uint64_t seed               # of the tags' hash
    uint64_t at_tags            # offset of the tags
    uint64_t at_counts          # of the counts


cdef class Addresses:
    """The mapped segment, for the master and for tests."""
    cdef readonly Segment segment
    cdef AddressesHeader* head
    cdef uint64_t* tags
    cdef uint32_t* counts             # rows x columns

    cdef uint32_t total(self, uint32_t row) noexcept nogil
    cdef int32_t find(self, uint64_t tag) noexcept nogil
    cdef int32_t take(self, uint32_t row, uint64_t was, uint64_t tag) noexcept nogil


cdef class AddressColumn(AddressCounts):
    """What one process counts with."""
    cdef readonly Addresses table
    cdef readonly uint32_t index
