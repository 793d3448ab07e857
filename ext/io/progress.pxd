"""How far a peer has come: what it took, not what the kernel took for it.

A socket with a large send buffer is writable again only when a good part of it is free, so
a slow reader may be fine for minutes while `bytes_out` stands still.
"""

from libc.stdint cimport uint64_t
from fastgw.ext.io.stream cimport Stream

cdef uint64_t bytes_taken(Stream s) noexcept
