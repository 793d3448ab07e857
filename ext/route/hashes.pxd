"""Hashes of host names, and of paths segment by segment. The matcher finds rows by them, and the
compiler process puts rows where they will be found; both are little-endian, as plans are.

Nothing secret is hashed and requests put nothing into a table, so speed is all that counts.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy
from fastgw.ext.base.span cimport Span

cdef extern from *:
    """
    #define FASTGW_MULTIPLIER 0x9E3779B97F4A7C15ULL
    #define FASTGW_PARAMETER 0x5851F42D4C957F2DULL
    #define FASTGW_ONES 0x0101010101010101ULL
    """
    const uint64_t MULTIPLIER "FASTGW_MULTIPLIER"
    const uint64_t PARAMETER "FASTGW_PARAMETER"     # stands for a parameter in a hash
    const uint64_t ONES "FASTGW_ONES"
    int _lowest "__builtin_ctzll"(unsigned long long x) noexcept nogil


cdef inline uint64_t mix(uint64_t h, uint64_t word) noexcept nogil:
    """A hash with eight more bytes in it."""
    h = (h ^ word) * MULTIPLIER
    return h ^ (h >> 32)


cdef inline uint64_t load_bytes(const char* p, size_t n) noexcept nogil:
    """The first eight of `n` bytes, or all of them and zeros; the first one is the lowest."""
    cdef uint64_t word
    cdef uint32_t low, high
    if n >= 8:
        memcpy(&word, p, 8)
        return word
    if n >= 4:
        memcpy(&low, p, 4)
        memcpy(&high, p + n - 4, 4)
        return low | <uint64_t>high << 8 * (n - 4)
    if n == 0:
        return 0
    return (
        <uint64_t><uint8_t>p[0]
        | <uint64_t><uint8_t>p[n >> 1] << 8 * (n >> 1)
        | <uint64_t><uint8_t>p[n - 1] << 8 * (n - 1)
    )


cdef inline uint64_t hash_bytes(uint64_t h, const char* p, size_t n) noexcept nogil:
    """`h` with `n` bytes in it, eight at a time, and how many the last ones were."""
    while n >= 8:
        h = mix(h, load_bytes(p, 8))
        p += 8
        n -= 8
    return mix(h, load_bytes(p, n) ^ (<uint64_t>(n + 1) << 56))


cdef inline const char* hash_segment(uint64_t* h, const char* p, const char* end) noexcept nogil:
    """Like `hash_bytes`, of what stands before the next slash, if not the end; where that is.
    The slash is looked for in the very words that are hashed."""
    cdef uint64_t word, odd
    cdef size_t n
    while True:
        n = end - p
        word = load_bytes(p, n)
        odd = word ^ ONES * 47
        odd = (odd - ONES) & ~odd & ONES << 7       # its lowest bit is in the first slash
        if odd:
            n = _lowest(odd) >> 3
        elif n >= 8:
            h[0] = mix(h[0], word)
            p += 8
            continue
        word &= (<uint64_t>1 << 8 * n) - 1
        h[0] = mix(h[0], word ^ (<uint64_t>(n + 1) << 56))
        return p + n


cdef inline uint64_t hash_path(Span path, uint64_t params, uint32_t host) noexcept nogil:
    """The hash of a path of a host: its segments', chained, then the host's index. A bit of
    `params` per segment says that it is a parameter."""
    cdef uint64_t h = 0, before
    cdef const char* p = path.p
    cdef const char* end = path.p + path.n
    while p < end:
        before = h
        p = hash_segment(&h, p + 1, end)
        if params & 1:
            h = mix(before, PARAMETER)
        params >>= 1
    return mix(h, host)
