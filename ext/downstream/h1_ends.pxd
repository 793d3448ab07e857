"""How a client's HTTP/1.1 connection goes from request to request, and how it ends.

The first of three classes that together are the connection, one a file, each on top of
the one before: H1Ends, H1Reading, H1Downstream (h1.pxd has the drawing). What a lower one
calls of a higher one is declared where it is called.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Downstream, Exchange
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.http.chunked cimport ChunkDecoder
from fastgw.ext.io.listener cimport Acceptor
from fastgw.ext.io.stream cimport Stream


cdef enum:
    LINGER_BYTES = 1048576      # bytes read away from a connection that is being closed


cdef enum ReadState:
    R_HEAD                      # between requests, or inside a head
    R_LENGTH                    # `left` bytes of body to come
    R_CHUNKED                   # a chunked body to come
    R_WHOLE                     # nothing more of the request is to come, its answer is
    R_DISCARD                   # the rest of an unwanted body is read away
    R_LINGER                    # nothing more is served, what still comes is read away
    R_TUNNEL                    # opaque bytes both ways
    R_CLOSED                    # the stream is closing or gone


cdef enum ReadDeadline:
    K_KEEPALIVE                 # the first byte of the next head
    K_HEAD                      # the whole head
    K_BODY                      # the next byte of a body that is asked for
    K_LINGER                    # the end of what is read away
    K_ATTENTION                 # nothing: from now on it is heard when the client leaves


cdef class H1Connections(Acceptor):
    """What the connections of a worker share."""
    cdef readonly Dispatcher dispatcher
    cdef set connections              # H1Downstream, all of them
    cdef object on_empty              # called when draining and the last one is gone
    cdef readonly uint64_t accepted
    cdef readonly uint64_t refused    # heads that were not acceptable
    cdef readonly uint64_t timeouts   # idle connections closed

    cdef void forget(self, H1Ends d) noexcept


cdef class H1Ends(Downstream):
    cdef H1Connections server
    cdef Stream stream                # None once gone
    cdef Exchange x                   # the request under way, or None
    cdef uint8_t state                # ReadState
    cdef uint8_t writing              # h1_response.WriteFraming
    cdef bint persistent              # another request may follow
    cdef bint asked                   # the exchange takes body
    cdef bint expects                 # the client waits for a 100 that was not sent
    cdef bint consuming               # inside `consume`
    cdef bint old                     # the request is HTTP/1.0
    cdef bint trusted                 # the peer is in trusted_proxies
    cdef bint eof                     # the client ended its side, and all of it was read
    cdef bint client_closes           # the client said that it sends nothing more
    cdef bint head_sent               # of the answer under way
    cdef bint chunked_in              # with R_DISCARD: the rest is chunked
    cdef uint32_t served              # requests so far
    cdef int64_t accepted_us          # of the engine's clock
    cdef int64_t begun_us             # first byte of the head under way; 0 = none yet
    cdef uint64_t left                # with R_LENGTH, R_DISCARD: bytes to come
    cdef uint64_t budget              # with R_DISCARD, R_LINGER: bytes that are read away
    cdef uint64_t taken_at_mark       # bytes_taken when the stall deadline was set
    cdef Buffer* partial              # a head, or trailers, not whole yet; or NULL
    cdef size_t searched              # how far `partial` was looked through
    cdef Chunk kept                   # received, not dealt with yet; n = 0: none
    cdef ChunkDecoder chunks          # with R_CHUNKED
    cdef Deadline reads               # what the client must send, see ReadDeadline
    cdef Deadline writes              # the client must take bytes

    # -- between requests -----------------------------------------------------------------
    cdef void next_request(self) noexcept
    cdef void leave_if_draining(self) noexcept
    cdef void end_connection(self) noexcept
    cdef void discard_rest(self) noexcept
    cdef void linger(self) noexcept
    cdef void close(self) noexcept
    # -- ends -----------------------------------------------------------------------------
    cdef void on_client_half_closed(self) noexcept
    cdef void on_client_end(self) noexcept
    cdef bint cancels_at_eof(self) noexcept
    cdef void end_opaque(self) noexcept
    cdef void on_stream_gone(self, Reason why) noexcept
    cdef void lose(self, Reason why) noexcept
    cdef void let_go(self) noexcept
    cdef void drop_partial(self) noexcept
    # -- deadlines ------------------------------------------------------------------------
    cdef void set_read_deadline(self, int kind, uint32_t after_ms) noexcept
    cdef void on_read_deadline(self, int kind) noexcept
    cdef void on_keepalive_deadline(self) noexcept
    cdef void on_linger_deadline(self) noexcept
    cdef void attend(self) noexcept
    cdef void mark_stall(self) noexcept
    cdef void mark_leaving(self) noexcept
    cdef void on_write_deadline(self) noexcept
    # -- of higher classes ----------------------------------------------------------------
    cdef void resume_reading(self) noexcept
    cdef void refuse_head(self, Reason why) noexcept
    cdef void broken(self, Reason why) noexcept
