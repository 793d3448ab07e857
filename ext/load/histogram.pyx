"""Histogram; see histogram.pxd."""

cimport cython
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset


cdef int64_t _middle(int i) noexcept nogil:
    """The value that a bucket stands for."""
    cdef int shift
    if i < EXACT:
        return i
    shift = i // HALF - 1
    return (<int64_t>(i - shift * HALF) << shift) + (<int64_t>1 << (shift - 1))


@cython.final
cdef class Histogram:
    """Counts of values >= 0 (nanoseconds, mostly)."""

    def __cinit__(self):
        self.h = <Counts*>calloc(1, sizeof(Counts))
        if self.h == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.h)

    def record(self, value: int, times: int = 1) -> None:
        """Count a value, `times` times; ValueError when either is negative."""
        cdef int64_t v = value
        if value < 0 or times < 0:
            raise ValueError("values and counts are not negative")
        if times == 0:
            return
        count_value(self.h, v)
        self.h.count[bucket_of(v)] += <uint64_t>(times - 1)
        self.h.total += <uint64_t>(times - 1)
        self.h.sum += <double>v * <double>(times - 1)

    def clear(self) -> None:
        """Forget everything."""
        memset(self.h, 0, sizeof(Counts))

    def add(self, Histogram other not None) -> None:
        """Count what the other has, too."""
        cdef int i
        if other.h.total == 0:
            return
        if self.h.total == 0 or other.h.least < self.h.least:
            self.h.least = other.h.least
        if other.h.most > self.h.most:
            self.h.most = other.h.most
        self.h.total += other.h.total
        self.h.sum += other.h.sum
        for i in range(BUCKETS):
            self.h.count[i] += other.h.count[i]

    def quantile(self, q: float) -> int:
        """The least value that a share `q` (0 to 1) of all values does not exceed; 0 if empty."""
        cdef uint64_t want, seen = 0
        cdef int i
        cdef int64_t found
        if not 0 <= q <= 1:
            raise ValueError(f"{q} is no share: 0 to 1")
        want = <uint64_t>(<double>q * <double>self.h.total + 0.999999)
        for i in range(BUCKETS):
            seen += self.h.count[i]
            if seen >= want and seen:
                found = _middle(i)
                return max(self.h.least, min(found, self.h.most))
        return self.h.most

    @property
    def total(self) -> int:
        """How many values."""
        return self.h.total

    @property
    def least(self) -> int:
        """The smallest value, exactly."""
        return self.h.least

    @property
    def most(self) -> int:
        """The largest value, exactly."""
        return self.h.most

    @property
    def mean(self) -> float:
        """The mean, exactly; 0 if empty."""
        return self.h.sum / <double>self.h.total if self.h.total else 0.0

    def buckets(self) -> list[tuple[int, int]]:
        """(value, count) of every bucket that is not empty, rising."""
        return [(_middle(i), self.h.count[i]) for i in range(BUCKETS) if self.h.count[i]]
