"""Limits by address; see peer_limits.pxd."""

from hashlib import blake2b
from ipaddress import ip_address
import os
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy
from fastgw.ext.base.address_counts cimport COUNT_TOO_MANY, address_hash

cdef enum:
    PROBES = 16                 # rows that an address may stand in
    WHOLE = 1000                # credit of one connection

#: Names of the verdicts, in their order.
VERDICTS = ("admitted", "uncounted", "too_many", "too_fast")


cdef class PeerLimits:
    """See peer_limits.pxd."""

    cdef PeerVerdict enter(self, const uint8_t* ip16, int64_t now_ms, int32_t* row) noexcept:
        """Whether a connection of this address may begin; `row` is for `leave`."""
        return PEER_UNCOUNTED

    cdef void leave(self, int32_t row) noexcept:
        """A connection that was admitted has ended."""

    def ask(self, str address, int64_t now_ms) -> tuple[str, int]:
        """`enter` for tests: verdict and row."""
        cdef int32_t row
        cdef bytes packed
        parsed = ip_address(address)
        value = int(parsed) | (0xFFFF << 32 if parsed.version == 4 else 0)
        packed = value.to_bytes(16, "big")
        verdict = self.enter(<const uint8_t*><const char*>packed, now_ms, &row)
        return VERDICTS[<int>verdict], row

    def give_back(self, int32_t row) -> None:
        """`leave` for tests."""
        self.leave(row)


cdef class LocalPeerLimits(PeerLimits):
    """See peer_limits.pxd. `rows`: addresses that can be counted, a power of two."""

    def __init__(
        self, *, uint32_t connections=0, uint32_t per_second=0, uint8_t ipv6_prefix=64,
        uint32_t rows=65536,
    ) -> None:
        if rows < PROBES or rows & (rows - 1) or not 1 <= ipv6_prefix <= 128:
            raise ValueError("rows is a power of two from 16 on, a prefix has 1 to 128 bits")
        self.connections, self.per_second, self.prefix = connections, per_second, ipv6_prefix
        self.mask = rows - 1
        self.seed = int.from_bytes(os.urandom(8), "little") | 1
        self.rows = <PeerRow*>calloc(rows, sizeof(PeerRow))
        if self.rows == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.rows)

    cdef PeerVerdict enter(self, const uint8_t* ip16, int64_t now_ms, int32_t* row) noexcept:
        """See PeerLimits."""
        cdef uint8_t key[16]
        cdef PeerRow* found
        cut_to_prefix(ip16, self.prefix, key)
        found = self.find(key, now_ms)
        row[0] = -1
        if found == NULL:
            self.uncounted += 1
            return PEER_UNCOUNTED
        if self.connections and found.open >= self.connections:
            self.too_many += 1
            return PEER_TOO_MANY
        if self.per_second and not self.spend(found, now_ms):
            self.too_fast += 1
            return PEER_TOO_FAST
        found.open += 1
        row[0] = <int32_t>(found - self.rows)
        return PEER_ADMITTED

    cdef void leave(self, int32_t row) noexcept:
        """See PeerLimits."""
        if row >= 0:
            self.rows[row].open -= 1

    cdef PeerRow* find(self, const uint8_t* key, int64_t now_ms) noexcept:
        """The row of an address, perhaps a new one; NULL when its places are all taken."""
        cdef uint64_t at = address_hash(key, self.seed)
        cdef PeerRow* free_row = NULL
        cdef PeerRow* row
        cdef int i
        for i in range(PROBES):
            row = &self.rows[(at + i) & self.mask]
            if row.at_ms and memcmp(row.key, key, 16) == 0:
                return row
            if free_row == NULL and (row.at_ms == 0 or self.idle(row, now_ms)):
                free_row = row
        if free_row != NULL:
            memcpy(free_row.key, key, 16)
            free_row.open = 0
            free_row.credit = self.per_second * WHOLE
            free_row.at_ms = now_ms or 1
        return free_row

    cdef bint spend(self, PeerRow* row, int64_t now_ms) noexcept:
        """Take one connection off a credit that grows by `per_second`, up to a second's worth."""
        cdef uint64_t credit = row.credit + <uint64_t>(now_ms - row.at_ms) * self.per_second
        cdef uint64_t most = <uint64_t>self.per_second * WHOLE
        row.credit = <uint32_t>(credit if credit < most else most)
        row.at_ms = now_ms or 1
        if row.credit < WHOLE:
            return False
        row.credit -= WHOLE
        return True

    cdef bint idle(self, const PeerRow* row, int64_t now_ms) noexcept:
        """Whether a row says nothing that a new one would not."""
        return row.open == 0 and now_ms - row.at_ms >= 1000


cdef class NodePeerLimits(PeerLimits):
    """See peer_limits.pxd. `whose`: listeners that say the same share their counts."""

    def __init__(
        self, AddressCounts counts not None, str whose, *, uint32_t connections=0,
        uint32_t per_second=0, uint8_t ipv6_prefix=64, uint32_t rows=65536,
    ) -> None:
        if not 1 <= ipv6_prefix <= 128:
            raise ValueError("a prefix has 1 to 128 bits")
        self.connections, self.per_second, self.prefix = connections, per_second, ipv6_prefix
        self.counts = counts
        digest = blake2b(whose.encode(), digest_size=8).digest()
        self.whose = int.from_bytes(digest, "little")
        if per_second:
            self.rate = LocalPeerLimits(per_second=per_second, ipv6_prefix=ipv6_prefix, rows=rows)

    cdef PeerVerdict enter(self, const uint8_t* ip16, int64_t now_ms, int32_t* row) noexcept:
        """See PeerLimits."""
        cdef uint8_t key[16]
        cdef int32_t counted = -1
        cdef int32_t rated = -1
        row[0] = -1
        if self.connections:
            cut_to_prefix(ip16, self.prefix, key)
            counted = self.counts.enter(key, self.whose, self.connections)
            if counted == COUNT_TOO_MANY:
                self.too_many += 1
                return PEER_TOO_MANY
        if self.rate is not None:
            if self.rate.enter(ip16, now_ms, &rated) == PEER_TOO_FAST:
                self.counts.leave(counted)
                self.too_fast += 1
                return PEER_TOO_FAST
            self.rate.leave(rated)
        row[0] = counted
        if counted < 0 and (self.connections or rated < 0):
            self.uncounted += 1
        return PEER_ADMITTED if counted >= 0 else PEER_UNCOUNTED

    cdef void leave(self, int32_t row) noexcept:
        """See PeerLimits."""
        self.counts.leave(row)


cdef void cut_to_prefix(const uint8_t* ip16, int bits, uint8_t* key) noexcept nogil:
    """The part of an address that counts; of an IPv4 one it is all."""
    cdef int i
    cdef bint mapped = ip16[10] == 255 and ip16[11] == 255
    for i in range(10):
        mapped = mapped and ip16[i] == 0
    memcpy(key, ip16, 16)
    if mapped:
        return
    for i in range(16):
        if bits < 8 * i + 8:
            key[i] &= 0 if bits <= 8 * i else <uint8_t>(0xFF << (8 * i + 8 - bits))


cdef class Lease(ConnectionLimit):
    """See peer_limits.pxd."""

    cdef void leave(self) noexcept:
        """The connection ended."""
        self.peers.leave(self.row)
        self.whole.leave()


cdef Lease new_lease(PeerLimits peers, ConnectionLimit whole, int32_t row):
    """What a counted connection holds instead of the listener's limit."""
    cdef Lease lease = Lease.__new__(Lease, 0)
    lease.peers, lease.whole, lease.row = peers, whole, row
    return lease
