"""Limits of connections by the client's address: how many at once, how many new ones a second.

IPv6 clients own whole networks, so they are counted by a prefix (64 bits unless said
otherwise). The table is fixed; a full one lets the client through, and counts that.

Connections at once are counted on the whole node (NodePeerLimits, over a table in shared
memory), new ones a second by each worker for itself. LocalPeerLimits keeps both in this process.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from fastgw.ext.base.address_counts cimport AddressCounts
from fastgw.ext.io.connection_limit cimport ConnectionLimit


cdef enum PeerVerdict:
    PEER_ADMITTED               # counted: `leave` must follow
    PEER_UNCOUNTED              # the table is full: let through, nothing to give back
    PEER_TOO_MANY               # connections at once
    PEER_TOO_FAST               # new connections a second


cdef class PeerLimits:
    cdef readonly uint32_t connections        # at once; 0 = no limit
    cdef readonly uint32_t per_second         # new ones; 0 = no limit
    cdef readonly uint64_t too_many, too_fast # refused
    cdef readonly uint64_t uncounted          # let through because the table was full

    cdef PeerVerdict enter(self, const uint8_t* ip16, int64_t now_ms, int32_t* row) noexcept
    cdef void leave(self, int32_t row) noexcept


cdef struct PeerRow:
    uint8_t key[16]             # the address, cut to the prefix
    uint32_t open               # connections now
    uint32_t credit             # thousandths of a connection that may begin now
    int64_t at_ms               # when `credit` was counted; 0 = the row is empty


cdef class LocalPeerLimits(PeerLimits):
    cdef PeerRow* rows                        # owned
    cdef uint32_t mask                        # rows - 1
    cdef uint8_t prefix                       # bits of an IPv6 address that count
    cdef uint64_t seed                        # so that nobody can aim at one row

    cdef PeerRow* find(self, const uint8_t* key, int64_t now_ms) noexcept
    cdef bint spend(self, PeerRow* row, int64_t now_ms) noexcept
    cdef bint idle(self, const PeerRow* row, int64_t now_ms) noexcept


cdef class NodePeerLimits(PeerLimits):
    cdef AddressCounts counts                 # of the node
    cdef uint64_t whose                       # which listener's counts these are
    cdef LocalPeerLimits rate                 # new ones a second; None: no limit
    cdef uint8_t prefix                       # bits of an IPv6 address that count


cdef class Lease(ConnectionLimit):
    """A counted connection: gives back to the table and to the listener's limit."""
    cdef PeerLimits peers
    cdef ConnectionLimit whole
    cdef int32_t row


cdef Lease new_lease(PeerLimits peers, ConnectionLimit whole, int32_t row)
cdef void cut_to_prefix(const uint8_t* ip16, int bits, uint8_t* key) noexcept nogil
