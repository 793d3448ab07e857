"""Keys of session tickets: memory that the master makes before it forks, so that all workers
of a node see the same keys, however often they are replaced. The keys turn by themselves; see
ext/io/tls/tickets.pxd."""

from __future__ import annotations

import mmap

from fastgw.ext.io.tls.tickets import RING_BYTES, make_ring


def shared_ring(keys: bytes = b"") -> mmap.mmap:
    """Fresh keys, or those of a file, in memory that is shared with every later fork and left
    out of core dumps. ValueError: not the content of a file of keys."""
    memory = mmap.mmap(-1, RING_BYTES)
    memory.madvise(mmap.MADV_DONTDUMP)
    make_ring(memory, keys)
    return memory
