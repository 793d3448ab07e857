"""Origin: the server behind every benchmark, made to cost as little as it can.

One thread, one epoll set, edge-triggered. It knows a few request targets by their whole bytes
and sends each the bytes of one prepared answer; any other target gets the first one. Request
bodies are read and dropped. It trusts its clients, which are a gateway and a benchmark: it is
no server for anything else.
"""

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t
from fastgw.ext.io.syscalls cimport iovec

cdef enum:
    ORIGIN_ROOM = 32768         # bytes of a request's head, or of a WebSocket frame
    MOST_AT_ONCE = 64           # answers in one write

cdef enum AnswerKind:
    K_BYTES                     # `p` is the whole answer
    K_EVENTS                    # `p` is the head; an event every `every_ns` follows
    K_ECHO                      # a WebSocket that sends back what it gets

cdef enum PeerState:
    P_HEAD                      # between or within request heads
    P_LENGTH                    # `skip` more bytes of a request body
    P_CHUNK_LINE
    P_CHUNK                     # `skip` more bytes of a chunk and its CRLF
    P_TRAILER
    P_EVENTS
    P_ECHO


cdef struct Prepared:
    const char* target
    size_t target_n
    const char* p
    size_t n
    uint8_t kind                # AnswerKind
    int64_t every_ns            # K_EVENTS


cdef struct Peer:
    int fd
    uint8_t state               # PeerState
    bint closes                 # the request asks for the end of the connection
    const Prepared* answer      # to the request whose body is being read
    int64_t skip
    int64_t next_ns             # P_EVENTS: when the next event is due
    size_t have                 # bytes of `room` not taken yet
    iovec out[MOST_AT_ONCE]     # answers that the socket has not taken
    int out_first
    int out_count
    char* echo                  # frame that is being sent back; owned, or NULL
    Peer* before                # neighbours in the list of all
    Peer* after
    char room[ORIGIN_ROOM]


@cython.final
cdef class Origin:
    cdef list kept              # bytes that the prepared answers point into
    cdef Prepared* prepared     # owned
    cdef int prepared_n
    cdef int listener, ep, timer
    cdef readonly int port
    cdef Peer* peers            # all of them
    cdef int64_t stall_ns       # it does nothing for so long ...
    cdef int64_t stall_every_ns  # ... at the begin of each of these; 0: never
    cdef bint halted
    cdef readonly uint64_t requests

    cdef void accept_all(self) noexcept nogil
    cdef void drop(self, Peer* c) noexcept nogil
    cdef void readable(self, Peer* c) noexcept nogil
    cdef bint take(self, Peer* c) noexcept nogil
    cdef int64_t take_one(self, Peer* c, const char* p, size_t n) noexcept nogil
    cdef int64_t take_head(self, Peer* c, const char* p, size_t n) noexcept nogil
    cdef const Prepared* find(self, const char* p, size_t n) noexcept nogil
    cdef void answer(self, Peer* c) noexcept nogil
    cdef int64_t take_frame(self, Peer* c, const char* p, size_t n) noexcept nogil
    cdef bint flush(self, Peer* c) noexcept nogil
    cdef void send_events(self, int64_t now) noexcept nogil
    cdef void stall(self, int64_t now) noexcept nogil
    cdef void set_timer(self) noexcept nogil
