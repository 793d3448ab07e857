"""Keys of session tickets: memory that the master makes before it forks, so that all workers
of a node see the same keys, however often they are replaced. The keys turn by themselves; see
ext/io/tls/tickets.pxd."""

from __future__ import annotations

import mmap
from typing import Protocol

from fastgw.ext.io.tls.tickets import RING_BYTES, make_ring
from fastgw.tls.bundle import open_bundle


class Keyed(Protocol):
    """What a generation says of ticket keys."""

    @property
    def bundle_fd(self) -> int:
        """The files that it names by digest; -1: none."""

    @property
    def ticket_keys(self) -> str:
        """Digest of a file of keys; empty: the node makes its own."""


def shared_ring(keys: bytes = b"") -> mmap.mmap:
    """Fresh keys, or those of a file, in memory that is shared with every later fork and left
    out of core dumps. ValueError: not the content of a file of keys."""
    memory = mmap.mmap(-1, RING_BYTES)
    memory.madvise(mmap.MADV_DONTDUMP)
    make_ring(memory, keys)
    return memory


class NodeTickets:
    """The ring of a node, over all of its generations."""

    def __init__(self) -> None:
        self.ring = shared_ring()
        self._file = ""

    def take(self, generation: Keyed) -> None:
        """Use the file of keys that a generation names, if it names another one than before;
        one that names none goes on with the keys there are."""
        if generation.ticket_keys and generation.ticket_keys != self._file:
            make_ring(self.ring, open_bundle(generation.bundle_fd)[generation.ticket_keys])
            self._file = generation.ticket_keys
