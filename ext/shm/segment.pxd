"""Segment: a piece of memory that processes share, a memfd with a header.

    header (40 bytes, the same for all kinds) | content

A *sealed* segment (plan, rows, certificates ...) never changes any more: whoever maps it
reads it in place, and it is unmapped with the last object that looks into it. A *mutable*
one (statistics, endpoint state) is sealed against another size only, and lives as long as
the gateway. The header is checked once, by `map_segment`; the content belongs to its kind.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t


# The first bytes of every segment; a plan's header (route/plan.pxd) begins the same way.
cdef struct SegmentHeader:
    char magic[8]               # which kind: "FGWPLAN\0", "FGWROWS\0", "FGWSTAT\0" ...
    uint32_t layout             # version of the kind's layout
    uint32_t parts              # the kind's own
    uint64_t size               # bytes of the whole segment
    uint64_t generation         # counts up with each published version
    uint32_t checksum           # CRC-32 of a sealed segment with this field zero; else 0
    uint32_t reserved


cdef enum:
    SEGMENT_HEADER = 40         # bytes


cdef class Segment:
    """A mapped segment; gives its memory by the buffer protocol, unmaps with the last view."""
    cdef readonly int fd              # a descriptor of its own; -1 when closed
    cdef char* base
    cdef readonly size_t size
    cdef readonly bint writable
    cdef readonly bint sealed         # nobody can write to it any more
    cdef Py_ssize_t views             # buffers that are held

    cdef SegmentHeader* header(self) noexcept
    cdef void unmap(self) noexcept
