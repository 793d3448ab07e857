"""HTTP/1.1 to the upstream: one connection, and the attempt that uses it.

The connection is the stream's codec and lives in a pool between attempts; the attempt lives
as long as its exchange wants it. They stand on one page because each names the other.

A response that is whole gives its connection back *before* its last bytes are handed on: whoever
is told of the end may need a connection at once, and this one is the warmest.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Attempt, Exchange, Outcome
from fastgw.ext.http.chunked cimport ChunkDecoder, ChunkEvent
from fastgw.ext.http.head cimport Fields, ResponseHead
from fastgw.ext.io.stream cimport Codec, Stream
from fastgw.ext.upstream.contract cimport Endpoint, Pool


cdef enum ReadState:
    U_CONNECTING                # connect() is under way
    U_IDLE                      # nobody's: in the pool, or about to be
    U_HEAD                      # a response head is awaited or partly there
    U_LENGTH                    # `left` bytes of body to come
    U_CHUNKED                   # a chunked body to come
    U_UNTIL_CLOSE               # body until the connection ends
    U_WHOLE                     # the response is whole, the request not yet
    U_TUNNEL                    # opaque bytes both ways
    U_CLOSED                    # no stream any more


cdef enum DeadlineKind:
    D_CONNECT                   # connect() -> connected
    D_HEAD                      # request sent -> response head
    D_IDLE                      # a byte came -> the next one
    D_STALL                     # no room for the request's body -> room
    D_POOL                      # waits in the pool


cdef class H1Connection(Codec):
    """A connection to an endpoint."""
    cdef Stream stream                # None once closed
    cdef Endpoint endpoint
    cdef Pool pool
    cdef H1Attempt attempt            # whose response is read; None while idle
    cdef Deadline deadline            # one at a time: connect, head, idle, stall, pool
    cdef uint8_t state                # ReadState
    cdef bint reused                  # served an attempt before this one
    cdef bint persistent              # may serve another one
    cdef bint asked                   # the exchange takes body
    cdef bint reading                 # inside on_bytes
    cdef uint8_t informational        # 1xx heads seen for this request
    cdef uint32_t served              # attempts
    cdef uint32_t idle_ms             # how long it may wait in the pool
    cdef uint64_t left                # with U_LENGTH: bytes of body to come
    cdef uint64_t sent_before         # stream.bytes_out when the attempt began
    cdef uint64_t taken_at_mark       # bytes_taken when the stall deadline was set
    cdef ChunkDecoder chunks          # with U_CHUNKED
    cdef Buffer* partial              # a head that is not whole yet, or NULL
    cdef size_t searched              # how far `partial` was looked through
    cdef Chunk kept                   # received, not deliverable yet (owner set), n = 0: none

    cdef void start(self, H1Attempt a) noexcept
    cdef void consume(self, Chunk* c) noexcept
    cdef size_t take_head(self, const char* p, size_t n) noexcept
    cdef bint gather(self, const char* p, size_t n) noexcept
    cdef void drop_partial(self) noexcept
    cdef bint accept_head(self, const char* p, size_t used, ResponseHead* head) noexcept
    cdef bint accept_informational(self, ResponseHead* head) noexcept
    cdef bint accept_tunnel(self, ResponseHead* head) noexcept
    cdef void begin_body(self, const ResponseHead* head, bint last) noexcept
    cdef size_t take_length(self, Chunk* c) noexcept
    cdef size_t take_chunked(self, Chunk* c) noexcept
    cdef bint deliver(self, const char* p, size_t n, Buffer* owner, bint last) noexcept
    cdef ChunkEvent feed_chunked(
        self, Chunk* c, size_t* used, Span* data, Fields* trailers
    ) noexcept
    cdef void end_chunked(self, Fields* trailers) noexcept
    cdef void keep(self, Chunk* c) noexcept
    cdef void resume_reading(self) noexcept
    cdef void response_whole(self) noexcept
    cdef void request_whole(self) noexcept
    cdef void give_back(self) noexcept
    cdef void fail(self, Reason why) noexcept
    cdef void shut(self) noexcept
    cdef void watch_idle(self) noexcept
    cdef void set_deadline(self, int kind, uint32_t after_ms) noexcept
    cdef void on_deadline(self, int kind) noexcept
    cdef void mark_stall(self) noexcept
    cdef Reason cut_reason(self) noexcept


cdef class H1Attempt(Attempt):
    """One request to an endpoint over HTTP/1.1."""
    cdef H1Connection connection      # None before it is there and after it was given back
    cdef bint chunked                 # the request's body goes out chunked
    cdef bint begun                   # endpoint.begin() was called, end() not yet
    cdef bint whole                   # the response was received whole
    cdef uint8_t host_mode            # HostMode
    cdef bytes host_text              # with HOST_FIXED

    cdef Reason why_none(self) noexcept
    cdef void connect(self, Endpoint e) noexcept
    cdef void refuse(self, Reason why) noexcept
    cdef void ready(self) noexcept
    cdef Span host(self) noexcept
    cdef bint send_opaque(self, Chunk* c, bint last) noexcept
    cdef void finish(self) noexcept
    cdef void end(self, const Outcome* outcome) noexcept


cdef enum HostMode:
    HOST_KEEP                   # what the client asked for
    HOST_UPSTREAM               # the endpoint's own authority
    HOST_FIXED                  # a configured name


cdef H1Attempt new_attempt(Exchange x, Endpoint endpoint, HostMode mode, bytes host_text)
