"""Histogram: how often each value came, to a fixed relative precision (an HDR histogram).

Values below EXACT have a bucket each; above, every power of two is cut into HALF buckets of
one width. A value is told as the middle of its bucket, so it is off by at most 1 in 256
(0.4 %), from one nanosecond to centuries, in 59 KiB and one increment a value.
"""

cimport cython
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    HALF = 128                  # buckets a power of two
    EXACT = 256                 # values below are told exactly
    BUCKETS = 58 * HALF


cdef struct Counts:
    uint64_t total              # values
    int64_t least
    int64_t most
    double sum
    uint64_t count[BUCKETS]


cdef extern from *:
    int leading_zeros "__builtin_clzll" (unsigned long long v) noexcept nogil


cdef inline int bucket_of(int64_t v) noexcept nogil:
    cdef int shift
    if v < EXACT:
        return <int>v if v > 0 else 0
    shift = 56 - leading_zeros(<unsigned long long>v)
    return shift * HALF + <int>(v >> shift)


cdef inline void count_value(Counts* h, int64_t v) noexcept nogil:
    """One more value; what is below 0 counts as 0."""
    if v < 0:
        v = 0
    h.count[bucket_of(v)] += 1
    if h.total == 0 or v < h.least:
        h.least = v
    if v > h.most:
        h.most = v
    h.total += 1
    h.sum += <double>v


@cython.final
cdef class Histogram:
    cdef Counts* h              # owned
