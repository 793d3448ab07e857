"""HTTP/1.1 from the client: one object a connection plays each of its requests in turn.

Reading   HEAD -> (LENGTH | CHUNKED) -> WHOLE -> HEAD ...       a request after the other
          any of them -> DISCARD -> HEAD                          answered early, little is left
          any of them -> LINGER -> CLOSED                         answered early, much is left
          WHOLE -> TUNNEL -> CLOSED

Pipelined requests wait, counted, in `kept` until the answer before them was handed on;
answers thus stand in the stream's queue in order and leave together.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.downstream.h1_response cimport WriteFraming
from fastgw.ext.exchange.contract cimport Downstream, Exchange
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.http.chunked cimport ChunkDecoder, ChunkEvent
from fastgw.ext.http.head cimport Fields, RequestHead
from fastgw.ext.io.listener cimport Acceptor
from fastgw.ext.io.stream cimport Codec, Stream


cdef enum ReadState:
    R_HEAD                      # between requests, or inside a head
    R_LENGTH                    # `left` bytes of body to come
    R_CHUNKED                   # a chunked body to come
    R_WHOLE                     # the request is whole, its answer is not
    R_DISCARD                   # the rest of an unwanted body is read away
    R_LINGER                    # our side is closed, what still comes is read away
    R_TUNNEL                    # opaque bytes both ways
    R_CLOSED                    # the stream is closing or gone


cdef class H1Server(Acceptor):
    """What the connections of a worker share; makes one for each accepted stream."""
    cdef readonly Dispatcher dispatcher
    cdef set connections              # H1Downstream, all of them
    cdef object on_empty              # called when draining and the last one is gone
    cdef readonly uint64_t accepted
    cdef readonly uint64_t refused    # heads that were not acceptable
    cdef readonly uint64_t timeouts   # idle connections closed

    cdef void forget(self, H1Downstream d) noexcept


cdef class H1Codec(Codec):
    """The stream's end of a connection; passes everything on."""
    cdef H1Downstream down


cdef class H1Downstream(Downstream):
    cdef H1Server server
    cdef Stream stream                # None once gone
    cdef Exchange x                   # the request under way, or None
    cdef uint8_t state                # ReadState
    cdef uint8_t writing              # WriteFraming
    cdef bint persistent              # another request may follow
    cdef bint asked                   # the exchange takes body
    cdef bint expects                 # the client waits for a 100 that was not sent
    cdef bint consuming               # inside `consume`
    cdef bint old                     # the request is HTTP/1.0
    cdef bint trusted                 # the peer is in trusted_proxies
    cdef bint eof                     # the client ended its side
    cdef bint client_closes           # the client said that it sends nothing more
    cdef bint head_sent               # of the answer under way
    cdef bint chunked_in              # with R_DISCARD: the rest is chunked
    cdef uint32_t served              # requests so far
    cdef int64_t begun_us             # first byte of the head under way; 0 = none yet
    cdef uint64_t left                # with R_LENGTH: bytes to come
    cdef uint64_t budget              # with R_DISCARD, R_LINGER: bytes that are read away
    cdef uint64_t sent_at_mark        # stream.bytes_out when the stall deadline was set
    cdef Buffer* partial              # a head that is not whole, or NULL
    cdef size_t searched              # how far `partial` was looked through
    cdef Chunk kept                   # received, not dealt with yet; n = 0: none
    cdef ChunkDecoder chunks          # with R_CHUNKED
    cdef Deadline reads               # head, keep-alive, body, linger
    cdef Deadline writes              # the client takes no bytes

    # -- reading --------------------------------------------------------------------------
    cdef void on_bytes(self, Chunk* c) noexcept
    cdef void consume(self, Chunk* c) noexcept
    cdef bint crowded(self) noexcept
    cdef bint wants_body(self) noexcept
    cdef void keep(self, Chunk* c) noexcept
    cdef void resume_reading(self) noexcept
    cdef size_t take_head(self, const char* p, size_t n) noexcept
    cdef bint gather(self, const char* p, size_t n) noexcept
    cdef void drop_partial(self) noexcept
    cdef Exchange new_exchange(self) noexcept
    cdef void begin_request(self, RequestHead* head, const char* p, size_t n) noexcept
    cdef void await_body(self, const RequestHead* head) noexcept
    cdef void refuse_head(self, Reason why) noexcept
    cdef void refuse_request(self, Exchange x, Reason why) noexcept
    cdef size_t take_length(self, Chunk* c) noexcept
    cdef size_t take_chunked(self, Chunk* c) noexcept
    cdef void deliver(self, const char* p, size_t n, Buffer* owner, bint last) noexcept
    cdef ChunkEvent feed_chunked(
        self, Chunk* c, size_t* used, Span* data, Fields* trailers
    ) noexcept
    cdef void end_chunked(self, Fields* trailers) noexcept
    cdef void request_whole(self) noexcept
    cdef void watch_body(self) noexcept
    cdef void broken(self, Reason why) noexcept
    cdef size_t take_opaque(self, Chunk* c) noexcept
    cdef size_t read_away(self, Chunk* c) noexcept
    cdef size_t skip_body(self, Chunk* c) noexcept
    # -- between requests -------------------------------------------------------------------
    cdef void next_request(self) noexcept
    cdef void end_connection(self) noexcept
    cdef void discard_rest(self) noexcept
    cdef void linger(self) noexcept
    cdef void close(self) noexcept
    # -- writing ----------------------------------------------------------------------------
    cdef bint may_persist(self, Exchange x, WriteFraming framing) noexcept
    cdef bint write_text(self, const char* p, size_t n) noexcept
    cdef uint64_t taken(self) noexcept
    cdef void mark_stall(self) noexcept
    # -- ends -------------------------------------------------------------------------------
    cdef void on_stream_room(self) noexcept
    cdef void on_client_half_closed(self) noexcept
    cdef void on_client_end(self) noexcept
    cdef void let_go(self) noexcept
    cdef void on_stream_gone(self, Reason why) noexcept
    cdef void lose(self, Reason why) noexcept
    cdef void set_read_deadline(self, int kind, uint32_t after_ms) noexcept
    cdef void on_read_deadline(self, int kind) noexcept
    cdef void on_write_deadline(self) noexcept
