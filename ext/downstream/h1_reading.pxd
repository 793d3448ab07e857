"""What a client's HTTP/1.1 connection receives: heads, bodies, and what nobody wants."""

from libc.stddef cimport size_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.downstream.h1_ends cimport H1Ends
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.chunked cimport ChunkEvent
from fastgw.ext.http.head cimport Fields, RequestHead


cdef class H1Reading(H1Ends):
    """Bytes in, requests out; see h1_ends.pxd for what it knows."""
    cdef void on_bytes(self, Chunk* c) noexcept
    cdef void consume(self, Chunk* c) noexcept
    cdef size_t take(self, Chunk* c) noexcept
    cdef size_t take_body(self, Chunk* c) noexcept
    cdef void keep(self, Chunk* c) noexcept
    # -- heads ----------------------------------------------------------------------------
    cdef size_t take_head(self, const char* p, size_t n) noexcept
    cdef bint gather(self, const char* p, size_t n) noexcept
    cdef Exchange new_exchange(self)
    cdef void begin_request(self, RequestHead* head, const char* p, size_t n) noexcept
    cdef void await_body(self, const RequestHead* head) noexcept
    cdef void refuse_request(self, Exchange x, Reason why) noexcept
    # -- bodies ---------------------------------------------------------------------------
    cdef size_t take_length(self, Chunk* c) noexcept
    cdef size_t take_chunked(self, Chunk* c) noexcept
    cdef ChunkEvent feed_chunked(
        self, Chunk* c, size_t* used, Span* data, Fields* trailers
    ) noexcept
    cdef void end_chunked(self, Fields* trailers) noexcept
    cdef void request_whole(self) noexcept
    cdef void deliver(self, const char* p, size_t n, Buffer* owner, bint last) noexcept
    cdef void watch_body(self) noexcept
    cdef size_t take_opaque(self, Chunk* c) noexcept
    # -- what nobody wants ----------------------------------------------------------------
    cdef size_t read_away(self, Chunk* c) noexcept
    cdef void stop_lingering(self) noexcept
    cdef size_t skip_body(self, Chunk* c) noexcept
