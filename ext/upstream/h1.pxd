"""HTTP/1.1 to the upstream: a connection, which reads responses.

The connection is the stream's codec and lives in a pool between attempts; an attempt
(h1_attempt.pxd) writes the request, and lives as long as its exchange wants it.

A response that is whole gives its connection back *before* its last bytes are handed on: whoever
is told of the end may need a connection at once, and this one is the warmest.

What is left of a large body of known length is *relayed* where the exchange says where to: it
goes from socket to socket, and this connection only hears how much did. Who holds it up is
told by the client's socket: while that takes nothing the client is to blame, not the upstream.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.head cimport Fields, ResponseHead
from fastgw.ext.io.stream cimport Stream
from fastgw.ext.upstream.contract cimport Endpoint
from fastgw.ext.upstream.endpoint_attempt cimport EndpointAttempt, HostMode
from fastgw.ext.upstream.h1_link cimport H1Link


cdef enum ReadState:
    U_CONNECTING                # connect() is under way
    U_IDLE                      # nobody's: in the pool, or about to be
    U_HEAD                      # a response head is awaited or partly there
    U_WHOLE                     # the response is whole, the request not yet
    U_LENGTH                    # `left` bytes of body to come; from here on bodies
    U_CHUNKED                   # a chunked body to come
    U_UNTIL_CLOSE               # body until the connection ends
    U_TUNNEL                    # opaque bytes both ways


cdef class H1Connection(H1Link):
    """A connection to an endpoint, as its attempts use it."""
    cdef LinkedAttempt attempt            # whose response is read; None while idle
    cdef uint8_t state                # ReadState
    cdef bint reused                  # served an attempt before this one
    cdef bint persistent              # may serve another one
    cdef bint asked                   # the exchange takes body
    cdef bint reading                 # inside `consume`
    cdef uint8_t informational        # 1xx heads seen for this request
    cdef uint64_t left                # with U_LENGTH: bytes of body to come
    cdef uint64_t sent_before         # stream.bytes_out when the attempt began
    cdef uint64_t taken_at_mark       # `taken` when D_IDLE was set
    cdef Stream client                # where the body is relayed to, or None

    cdef void start(self, LinkedAttempt a) noexcept
    # -- reading ----------------------------------------------------------------------------
    cdef void consume(self, Chunk* c) noexcept
    cdef void resume_reading(self) noexcept
    cdef size_t take_head(self, const char* p, size_t n) noexcept
    cdef bint accept_head(self, ResponseHead* head, const char* p, size_t used, bint more) noexcept
    cdef void note_persistence(self, ResponseHead* head, bint more) noexcept
    cdef bint accept_informational(self, ResponseHead* head) noexcept
    cdef bint accept_tunnel(self, ResponseHead* head) noexcept
    cdef void begin_body(self, const ResponseHead* head, bint last) noexcept
    cdef size_t take_length(self, Chunk* c) noexcept
    cdef size_t take_chunked(self, Chunk* c) noexcept
    cdef void end_chunked(self, Fields* trailers) noexcept
    cdef void relay_rest(self) noexcept
    cdef bint deliver(self, const char* p, size_t n, Buffer* owner, bint last) noexcept
    # -- ends -------------------------------------------------------------------------------
    cdef void response_whole(self) noexcept
    cdef void response_told(self, LinkedAttempt a, Exchange x) noexcept
    cdef void request_whole(self) noexcept
    cdef void give_back(self) noexcept
    cdef void leave(self) noexcept
    cdef void fail(self, Reason why) noexcept
    cdef Reason cut_reason(self) noexcept
    cdef uint64_t taken(self) noexcept
    cdef void watch(self) noexcept


cdef class LinkedAttempt(EndpointAttempt):
    """An attempt, as its connection sees it; h1_attempt.pxd has the rest of it."""
    cdef H1Connection connection      # None before it is there and after it was given back
    cdef bint whole                   # the response was received whole
