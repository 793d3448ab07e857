"""Networks: a set of IP networks, asked once or more a request whether it holds an address.

Addresses are 16 bytes in network order; IPv4 stands as ::ffff:a.b.c.d. An IPv6 network
never holds an IPv4 address, unless it is written below ::ffff:0:0/96 itself: "::/0" means
every IPv6 client and no other.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t


# Addresses from `first` to `last`, both included.
cdef struct Range:
    uint8_t first[16]
    uint8_t last[16]


cdef class Networks:
    """An immutable set of networks: sorted ranges that neither touch nor overlap."""
    cdef Range* ranges                # owned
    cdef size_t n                     # ranges
    cdef readonly tuple texts         # as given, for errors and `fastgw show`

    cdef bint contains(self, const uint8_t* ip16) noexcept nogil
