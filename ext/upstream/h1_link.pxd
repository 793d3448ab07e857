"""An HTTP/1.1 connection to an upstream, apart from what it carries: what the pool sees of it, its
one deadline, and the bytes that were received but are not whole, or not wanted, yet."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.chunked cimport ChunkDecoder, ChunkEvent
from fastgw.ext.http.head cimport Fields, MethodId, ResponseHead
from fastgw.ext.io.stream cimport Codec, S_BROKEN, S_CLOSED, S_HALF_CLOSED, Stream
from fastgw.ext.route.plan cimport Limits
from fastgw.ext.upstream.contract cimport Pool


cdef enum:
    # One of these, and a connection serves nobody any more.
    UNUSABLE = S_HALF_CLOSED | S_BROKEN | S_CLOSED


cdef enum DeadlineKind:
    D_NONE                      # nothing: what was set before means nothing any more
    D_CONNECT                   # connect() -> connected
    D_HEAD                      # request sent -> response head
    D_IDLE                      # a byte moved, either way -> the next one
    D_POOL                      # waits in the pool


cdef class H1Link(Codec):
    cdef Stream stream                # None once closed
    cdef Pool pool
    cdef bint pooled                  # waits in the pool
    cdef bint flush                   # what is queued is sent before it closes
    cdef bint cut                     # it ends by a reset: the upstream shall stop at once
    cdef uint32_t served              # attempts
    cdef uint32_t idle_ms             # how long it may wait in the pool
    cdef Deadline deadline            # one at a time
    # -- received, and not dealt with yet ---------------------------------------------------
    cdef Buffer* partial              # a head, or trailers, not whole yet; or NULL
    cdef size_t searched              # how far a head was looked through
    cdef ChunkDecoder chunks          # of a chunked body
    cdef Chunk kept                   # not wanted yet; owner set, n = 0: none

    cdef int64_t read_head(
        self, const char** p, size_t* n, const Limits* limits, MethodId method, ResponseHead* head
    ) noexcept
    cdef ChunkEvent feed_chunked(
        self, Chunk* c, size_t* used, Span* data, Fields* trailers
    ) noexcept
    cdef bint gather(self, const char* p, size_t n) noexcept
    cdef void drop_partial(self) noexcept
    cdef bint put_by(self, Chunk* c) noexcept
    cdef Chunk take_kept(self) noexcept
    cdef Reason unwritten(self) noexcept
    cdef void set_deadline(self, int kind, uint32_t after_ms) noexcept
    cdef void on_deadline(self, int kind) noexcept
    cdef void shut(self) noexcept


cdef uint32_t idle_allowed(Fields* fields, uint32_t idle_ms) noexcept
