"""A ring of log lines in shared memory: one worker writes, the control process reads.

    page 0: RingHeader | `size` bytes of lines

The bytes are mapped twice, one mapping behind the other, so that a line never has to be cut
at the end. The writer publishes `head` once a line is whole, so a reader sees whole lines
only, whatever the writer died of. `head` and `tail` count bytes ever; a full ring drops
lines and counts them.

A reader that wants to sleep says in `wake_at` at what `head` it wants to be woken; the
writer then writes to the doorbell, once. A wake-up may be lost if both look at the same
instant, so a reader sleeps a second at most.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.record.lines cimport LineSink


cdef enum:
    RING_LAYOUT = 1             # version of RingHeader
    RING_HEADER = 4096          # bytes before the lines
    RING_SIZE = 1048576         # bytes of lines, unless told otherwise


cdef struct RingHeader:
    char magic[8]               # "FGWRING\0"
    uint32_t layout             # RING_LAYOUT
    uint32_t reserved
    uint64_t size               # bytes of lines, a power of two
    uint64_t pad_1[5]
    uint64_t head               # the writer's, alone in its cache line
    uint64_t lines              # written
    uint64_t dropped            # for want of room
    uint64_t pad_2[5]
    uint64_t tail               # the reader's, alone in its cache line
    uint64_t wake_at            # ring the doorbell when `head` is above this


cdef class Ring:
    """The mapping; both ends have one."""
    cdef RingHeader* header
    cdef char* data                   # `size` bytes, twice in a row
    cdef size_t size

    cdef int map(self, int fd) except -1
    cdef size_t check(self, int fd) except 0
    cdef int place(self, char* at, size_t n, int fd, int64_t offset) except -1


cdef class RingWriter(LineSink):
    cdef Ring ring
    cdef int doorbell                 # an eventfd, borrowed; -1 = none
    cdef uint64_t head                # ours; the header's follows
    cdef uint64_t rung                # `wake_at` that the doorbell was rung for


cdef class RingReader:
    cdef Ring ring

    cdef size_t there(self) noexcept
    cdef const char* first(self) noexcept
