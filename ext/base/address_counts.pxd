"""AddressCounts: how many connections each address has; the contract, without a table.

The table of a node (shm/addresses.pxd) is one; who asks it (io/peer_limits.pxd) need not know
where it keeps its counts. An address is 16 bytes, IPv4 as ::ffff:a.b.c.d, cut to the prefix
that counts as one client.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef enum:
    COUNT_NO_PLACE = -1         # the table is full: nothing was counted
    COUNT_TOO_MANY = -2         # the address has as many as it may have; nothing was counted


cdef class AddressCounts:
    # The row that the connection is counted in, for `leave`; negative: see above. `whose` keeps
    # the counts of one listener from those of another; `most` = 0: no limit.
    cdef int32_t enter(self, const uint8_t* address, uint64_t whose, uint32_t most) noexcept
    cdef void leave(self, int32_t row) noexcept


cdef inline uint64_t address_hash(const uint8_t* address, uint64_t seed) noexcept nogil:
    """A hash of an address; the odd seed keeps others from choosing where they meet."""
    cdef uint64_t a, b
    memcpy(&a, address, 8)
    memcpy(&b, address + 8, 8)
    a = (a ^ seed) * <uint64_t>0x9E3779B97F4A7C15
    a ^= a >> 32
    a = (a ^ b) * <uint64_t>0xD6E8FEB86659FD93
    a ^= a >> 32
    a *= seed | 1
    return a ^ a >> 29
