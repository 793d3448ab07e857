"""Planted faults: they prove that the sanitizers' job can fail. Never called elsewhere."""

from libc.stdlib cimport free, malloc


def overflow(int n) -> int:
    """Read the byte after a block of `n` bytes."""
    cdef char* p = <char*>malloc(n)
    if p == NULL:
        raise MemoryError
    cdef int i, total = 0
    for i in range(n + 1):
        p[i] = <char>i
        total += p[i]
    free(p)
    return total


def use_after_free() -> int:
    """Read a block that was freed."""
    cdef volatile char* p = <volatile char*>malloc(16)
    if p == NULL:
        raise MemoryError
    p[0] = 1
    free(<void*>p)
    return p[0]


def undefined(int n) -> int:
    """Shift a number by `n` bits, which no 32-bit number can be if `n` is 40.

    (Overflow is no fault here: Python's own flags define it by -fwrapv.)"""
    cdef int one = 1
    return one << n
