"""Slots: the open addressing tables by which the matcher finds hosts and paths.

The compiler process calls this with the rows that it has laid out, so that writer and
matcher have one hash. A table is a power of two and at most half full.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.matcher cimport hash_bytes, hash_path
from fastgw.ext.route.plan cimport EMPTY_SLOT, HostRow, PathRow, Slot, Text


cdef bytearray _empty(size_t rows):
    """A table for so many rows, with nothing in it."""
    cdef size_t size = 1
    while size <= 2 * rows:
        size *= 2
    return bytearray(b"\xff") * (size * sizeof(Slot))


cdef void _put(Slot* slots, uint32_t mask, uint64_t h, uint32_t row, Text text) noexcept nogil:
    """Note a row in the first empty slot from its hash's on."""
    cdef uint32_t at = <uint32_t>(h >> 32) & mask
    while slots[at].row != EMPTY_SLOT:
        at = (at + 1) & mask
    slots[at].hash = <uint32_t>h
    slots[at].row = row
    slots[at].text = text


cdef Span _text(bytes strings, Text t) except *:
    """A text of the strings."""
    if t.at > <size_t>len(strings) or t.n > <size_t>len(strings) - t.at:
        raise PlanError("a text is not within the strings")
    return span(<const char*>strings + t.at, t.n)


def fill_hosts(bytes rows not None, bytes strings not None):
    """The slots of HostRows; the first row, the default host, is found without them."""
    cdef const HostRow* row = <const HostRow*><const char*>rows
    cdef size_t n = <size_t>len(rows) // sizeof(HostRow)
    cdef bytearray table = _empty(n)
    cdef Slot* slots = <Slot*><char*>table
    cdef uint32_t mask = <uint32_t>(<size_t>len(table) // sizeof(Slot)) - 1
    cdef size_t i
    cdef Span name
    for i in range(1, n):
        name = _text(strings, row[i].name)
        _put(slots, mask, hash_bytes(0, name.p, name.n), i, row[i].name)
    return bytes(table)


def fill_paths(bytes rows not None, bytes strings not None):
    """The slots of PathRows."""
    cdef const PathRow* row = <const PathRow*><const char*>rows
    cdef size_t n = <size_t>len(rows) // sizeof(PathRow)
    cdef bytearray table = _empty(n)
    cdef Slot* slots = <Slot*><char*>table
    cdef uint32_t mask = <uint32_t>(<size_t>len(table) // sizeof(Slot)) - 1
    cdef size_t i
    cdef Span path
    for i in range(n):
        path = _text(strings, row[i].path)
        _put(slots, mask, hash_path(path, row[i].params, row[i].host), i, row[i].path)
    return bytes(table)


def hash_of(bytes path not None, uint64_t params, uint32_t host):
    """The hash of a path of a host, for tests."""
    return hash_path(span(<const char*>path, len(path)), params, host)
