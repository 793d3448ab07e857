"""Keys of session tickets: memory that the master makes before it forks, so that all workers
of a node see the same keys, however often they are replaced; the next master gets it too. The
keys turn by themselves; see ext/io/tls/tickets.pxd."""

from __future__ import annotations

import fcntl
import mmap
import os

from fastgw.ext.io.tls.tickets import RING_BYTES, TicketKeys, make_ring

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class NodeTickets:
    """The ring of a node, in memory that has a descriptor and so can be handed over."""

    def __init__(self, fd: int = -1) -> None:
        """A ring with fresh keys, or the one behind a descriptor of another process; then
        ValueError or OSError: it is none."""
        self.fd = fd if fd >= 0 else _new_memory()
        self.memory = mmap.mmap(self.fd, RING_BYTES)
        self.memory.madvise(mmap.MADV_DONTDUMP)
        if fd < 0:
            make_ring(self.memory, b"")
        self.keys()

    def keys(self) -> TicketKeys:
        """The keys, for one process."""
        return TicketKeys(self.memory)


def _new_memory() -> int:
    fd = os.memfd_create("fastgw-tickets", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, RING_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd
