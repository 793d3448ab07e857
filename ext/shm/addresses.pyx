"""Addresses; see addresses.pxd."""

cimport cython
from ipaddress import ip_address
import os
from fastgw.ext.base.address_counts cimport COUNT_NO_PLACE, COUNT_TOO_MANY, address_hash
from fastgw.ext.base.atomics cimport fence, load32, load64, store32, store64, swap64
from fastgw.ext.shm.segment import create_segment, map_segment

cdef enum:
    LAYOUT = 1
    PAGE = 4096
    PROBES = 16                 # places where a tag may stand
    TRIES = 64                  # looks for a place while others move rows
    HELD_LOOKS = 1_000_000      # who holds a row for longer than these has died

MAGIC = b"FGWADDR\0"
#: Addresses that are counted at once.
ROWS = 262_144


def create_addresses(columns: int, rows: int = ROWS) -> Addresses:
    """A new table for processes with columns below `columns`; `rows` is a power of two. What
    nobody uses takes no memory."""
    cdef AddressesHeader* head
    if rows < PROBES or rows & (rows - 1):
        raise ValueError(f"{rows} rows of addresses: a power of two, {<int>PROBES} at least")
    at_tags = (sizeof(AddressesHeader) + 63) // 64 * 64
    at_counts = (at_tags + rows * 8 + PAGE - 1) // PAGE * PAGE
    size = at_counts + rows * columns * 4
    segment = create_segment("addresses", MAGIC, LAYOUT, size)
    head = <AddressesHeader*>(<Segment>segment).base
    head.rows, head.columns = rows, columns
    head.seed = int.from_bytes(os.urandom(8), "little") | 1
    head.at_tags, head.at_counts = at_tags, at_counts
    return Addresses(segment)


def map_addresses(fd: int, columns: int) -> Addresses:
    """The table behind a descriptor, which stays the caller's; SegmentError if it isn't one,
    ValueError if it has fewer columns."""
    found = Addresses(map_segment(fd, MAGIC, LAYOUT, writable=True))
    if (<Addresses>found).head.columns < columns:
        raise ValueError(f"{(<Addresses>found).head.columns} columns of addresses, not {columns}")
    return found


cdef class Addresses:
    """See addresses.pxd."""

    def __init__(self, Segment segment not None) -> None:
        self.segment = segment
        self.head = <AddressesHeader*>segment.base
        self.tags = <uint64_t*>(segment.base + self.head.at_tags)
        self.counts = <uint32_t*>(segment.base + self.head.at_counts)

    # -- a row ------------------------------------------------------------------------------

    cdef uint32_t total(self, uint32_t row) noexcept nogil:
        """Connections of all processes."""
        cdef uint32_t* counts = self.counts + <uint64_t>row * self.head.columns
        cdef uint32_t c, n = 0
        for c in range(self.head.columns):
            n += load32(&counts[c])
        return n

    cdef int32_t find(self, uint64_t tag) noexcept nogil:
        """The row of a tag, perhaps a new one; COUNT_NO_PLACE."""
        cdef uint32_t mask = self.head.rows - 1
        cdef uint32_t i, row, spare
        cdef int32_t taken
        cdef uint64_t seen, was
        cdef bint held, found
        cdef int _try
        for _try in range(TRIES):
            held = found = False
            spare = 0
            was = TAG_FREE
            for i in range(<uint32_t>PROBES):
                row = <uint32_t>(tag >> 32) + i & mask
                seen = load64(&self.tags[row])
                if seen == tag:
                    return <int32_t>row
                held = held or seen == TAG_HELD
                if not found and seen != TAG_HELD and (
                    seen == TAG_FREE or self.total(row) == 0
                ):
                    found, spare, was = True, row, seen
                if seen == TAG_FREE:
                    break               # whoever came after would have taken this one
            if held:
                continue                # perhaps it is being given to this tag
            if not found:
                return COUNT_NO_PLACE
            taken = self.take(spare, was, tag)
            if taken >= 0:
                return taken
        return COUNT_NO_PLACE

    cdef int32_t take(self, uint32_t row, uint64_t was, uint64_t tag) noexcept nogil:
        """Give a row to a tag, unless somebody was faster or counts there."""
        if not swap64(&self.tags[row], was, TAG_HELD):
            return COUNT_NO_PLACE
        fence()
        if self.total(row):
            swap64(&self.tags[row], TAG_HELD, was)
            return COUNT_NO_PLACE
        return <int32_t>row if swap64(&self.tags[row], TAG_HELD, tag) else COUNT_NO_PLACE

    # -- the master -------------------------------------------------------------------------

    def clear(self, column: int) -> None:
        """The process of a column is dead: what it had counted is gone."""
        cdef uint32_t row, c
        if not 0 <= column < self.head.columns:
            raise IndexError(f"column {column}")
        c = column
        for row in range(self.head.rows):
            if load64(&self.tags[row]) != TAG_FREE:
                store32(&self.counts[<uint64_t>row * self.head.columns + c], 0)
                if load64(&self.tags[row]) == TAG_HELD:
                    self.free_held(row)

    def free_held(self, row: int) -> None:
        """Whoever holds a row for so long has died with it."""
        cdef uint32_t at = row
        cdef int _i
        for _i in range(HELD_LOOKS):
            if load64(&self.tags[at]) != TAG_HELD:
                return
        swap64(&self.tags[at], TAG_HELD, TAG_VOID)

    def columns(self) -> int:
        """How many processes can count at once."""
        return self.head.columns

    def rows_used(self) -> int:
        """Rows that belong to an address."""
        cdef uint32_t row, n = 0
        for row in range(self.head.rows):
            n += load64(&self.tags[row]) >= TAG_FIRST
        return n

    def connections(self) -> int:
        """All connections that are counted."""
        cdef uint32_t row
        cdef uint64_t n = 0
        for row in range(self.head.rows):
            if load64(&self.tags[row]) != TAG_FREE:
                n += self.total(row)
        return n

    def hold(self, row: int) -> None:
        """For tests: as if a process died while it gave the row away."""
        store64(&self.tags[<uint32_t>row], TAG_HELD)


@cython.final
cdef class AddressColumn(AddressCounts):
    """See addresses.pxd."""

    def __init__(self, Addresses table not None, index: int) -> None:
        if not 0 <= index < table.head.columns:
            raise IndexError(f"column {index}")
        self.table, self.index = table, index

    cdef int32_t enter(self, const uint8_t* address, uint64_t whose, uint32_t most) noexcept:
        """See address_counts.pxd. Counting before looking at the sum: of two that come at once
        over the limit's last place none gets in by mistake."""
        cdef Addresses t = self.table
        cdef uint64_t tag = tag_of(address, t.head.seed ^ whose)
        cdef uint32_t* mine
        cdef int32_t row
        cdef int _try
        for _try in range(TRIES):
            row = t.find(tag)
            if row < 0:
                return COUNT_NO_PLACE
            mine = &t.counts[<uint64_t>row * t.head.columns + self.index]
            store32(mine, mine[0] + 1)
            fence()
            if load64(&t.tags[row]) != tag:
                store32(mine, mine[0] - 1)
            elif most and t.total(row) > most:
                store32(mine, mine[0] - 1)
                return COUNT_TOO_MANY
            else:
                return row
        return COUNT_NO_PLACE

    cdef void leave(self, int32_t row) noexcept:
        """See address_counts.pxd."""
        cdef uint32_t* mine
        if row >= 0:
            mine = &self.table.counts[<uint64_t>row * self.table.head.columns + self.index]
            store32(mine, mine[0] - 1)

    def ask(self, address: str, whose: int = 0, most: int = 0) -> int:
        """`enter` for tests."""
        cdef bytes packed
        parsed = ip_address(address)
        value = int(parsed) | (0xFFFF << 32 if parsed.version == 4 else 0)
        packed = value.to_bytes(16, "big")
        return self.enter(<const uint8_t*><const char*>packed, whose, most)

    def give_back(self, row: int) -> None:
        """`leave` for tests."""
        self.leave(row)


cdef uint64_t tag_of(const uint8_t* address, uint64_t seed) noexcept nogil:
    """An address's hash, none of the numbers that mean something else."""
    cdef uint64_t tag = address_hash(address, seed)
    return tag if tag >= TAG_FIRST else tag + TAG_FIRST
