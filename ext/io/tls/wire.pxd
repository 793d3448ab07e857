"""Wire: what stands between OpenSSL and a stream, a BIO of our own.

Reads take from bytes that the engine received (lent, for the length of a call); writes
append records to a queue of our own, which the stream sends with one sendmsg at the end of
the turn. OpenSSL never waits: a write always finds room, or there is no memory.
"""

from libc.stddef cimport size_t
from fastgw.ext.base.buffers cimport Buffer
from fastgw.ext.io.pieces cimport Pieces
from fastgw.ext.io.tls.openssl cimport BIO


cdef struct Wire:
    const char* p               # received, not yet taken; lent
    size_t n                    # how much
    Pieces out                  # records that the kernel does not have yet
    size_t out_n                # their bytes
    Buffer* tail                # the buffer that records are appended to; or NULL
    void* pool                  # BufferPool (borrowed)
    bint no_memory              # a record found no room


cdef int wire_init(Wire* w, object pool) except -1
cdef BIO* wire_bio(Wire* w) noexcept
cdef bint wire_put(Wire* w, const char* p, size_t n) noexcept
cdef void wire_taken(Wire* w, size_t n) noexcept
cdef void wire_drop(Wire* w) noexcept
