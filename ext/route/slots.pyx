"""Slots: the open addressing tables by which the matcher finds hosts and paths.

The compiler process calls this with the rows that it has laid out, so that writer and
matcher have one hash. A table is a power of two and at most half full.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memset
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.hashes cimport hash_bytes, hash_path
from fastgw.ext.route.plan cimport (
    EMPTY_SLOT, SHAPE_MANY, Candidate, HostRow, HostSlot, PathRow, PathSlot, Text,
)


cdef bytearray _empty(size_t rows, size_t row):
    """A table for so many rows, with nothing in it; a slot has `row` bytes."""
    cdef size_t size = 1
    while size <= 2 * rows:
        size *= 2
    return bytearray(b"\xff") * (size * row)


cdef Span _text(bytes strings, Text t) except *:
    """A text of the strings."""
    if t.at > <size_t>len(strings) or t.n > <size_t>len(strings) - t.at:
        raise PlanError("a text is not within the strings")
    return span(<const char*>strings + t.at, t.n)


def fill_hosts(bytes rows not None, bytes strings not None):
    """The slots of HostRows; the first row, the default host, is found without them."""
    cdef const HostRow* row = <const HostRow*><const char*>rows
    cdef size_t n = <size_t>len(rows) // sizeof(HostRow)
    cdef bytearray table = _empty(n, sizeof(HostSlot))
    cdef HostSlot* slots = <HostSlot*><char*>table
    cdef uint32_t mask = <uint32_t>(<size_t>len(table) // sizeof(HostSlot)) - 1
    cdef uint32_t at
    cdef uint64_t h
    cdef size_t i
    cdef Span name
    for i in range(1, n):
        name = _text(strings, row[i].name)
        h = hash_bytes(0, name.p, name.n)
        at = <uint32_t>(h >> 32) & mask
        while slots[at].host != EMPTY_SLOT:
            at = (at + 1) & mask
        slots[at].host, slots[at].looks = i, row[i].looks
        slots[at].name, slots[at].n = row[i].name.at, row[i].name.n
        slots[at].tag = <uint16_t>h
    return bytes(table)


def fill_paths(bytes rows not None, bytes candidates not None, bytes strings not None):
    """The slots of PathRows, with the candidate of those that have only one."""
    cdef const PathRow* row = <const PathRow*><const char*>rows
    cdef size_t n = <size_t>len(rows) // sizeof(PathRow)
    cdef bytearray table = _empty(n, sizeof(PathSlot))
    cdef PathSlot* slots = <PathSlot*><char*>table
    cdef uint32_t mask = <uint32_t>(<size_t>len(table) // sizeof(PathSlot)) - 1
    cdef uint32_t at
    cdef uint64_t h
    cdef size_t i
    for i in range(n):
        h = hash_path(_text(strings, row[i].path), row[i].params, row[i].host)
        at = <uint32_t>(h >> 32) & mask
        while slots[at].path != EMPTY_SLOT:
            at = (at + 1) & mask
        slots[at].hash, slots[at].path, slots[at].host = <uint32_t>h, i, row[i].host
        slots[at].text = row[i].path
        _take_own(&slots[at], &row[i], candidates)
    return bytes(table)


cdef int _take_own(PathSlot* slot, const PathRow* row, bytes candidates) except -1:
    """Put the only candidate of a path into its slot."""
    cdef const Candidate* all_of_them = <const Candidate*><const char*>candidates
    cdef size_t count = <size_t>len(candidates) // sizeof(Candidate)
    memset(&slot.own, 0, sizeof(Candidate))
    slot.own.kind = SHAPE_MANY
    if row.exact_n + row.prefix_n == 1 and row.regex_n == 0:
        if row.first >= count:
            raise PlanError("a path has no candidate")
        slot.own = all_of_them[row.first]
    return 0
