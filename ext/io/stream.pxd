"""Stream: bytes both ways, plain or TLS; the layers above can't tell which.

The stream owns the socket and the write queue. Above it sits one Codec, which is told:
`on_bytes`, `on_room`, `on_eof`, `on_half_closed`, `on_gone`. A codec takes all bytes it
is told of; what it may not pass on yet it keeps as a counted chunk, asks the stream to
`pause`, and deals with first when it resumes.

Writing: pieces are queued and flushed by the engine at the end of the turn in one
sendmsg (at most IOV_MAX pieces, 256 KiB a turn). Small things are put together in one
tail buffer (`reserve`/`commit`); counted chunks are queued by reference; lent ones are
copied.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.span cimport Span
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.io.engine cimport Engine, Handle


cdef struct Address:
    uint8_t family              # AF_INET, AF_INET6, AF_UNIX
    uint8_t text_n              # length of `text`
    uint16_t port               # host order; 0 for unix
    uint8_t ip[16]              # IPv4 as ::ffff:a.b.c.d
    char text[46]               # the address without port, as inet_ntop writes it; "unix"


# What is known about a connection; filled when it begins, read-only afterwards.
cdef struct Facts:
    Address peer                # who the socket says it is
    Address client              # who it is by the listener's rules (PROXY protocol)
    Address local               # our side
    uint16_t listener           # index into the plan's listeners
    bint tls                    # bytes are encrypted
    void* identity              # TLS peer identity, SNI, ALPN (the TLS stream's; or NULL)


cdef enum StreamFlag:
    S_PAUSED       = 1 << 0     # the codec wants no bytes now
    S_READABLE     = 1 << 1     # the socket may hold bytes we have not received
    S_BLOCKED      = 1 << 2     # the last write met EAGAIN; EPOLLOUT is asked for
    S_WANT_ROOM    = 1 << 3     # tell the codec when the queue has drained
    S_BULK         = 1 << 4     # receive into counted buffers: a large body is under way
    S_EOF          = 1 << 5     # the peer's FIN was read
    S_HALF_CLOSED  = 1 << 6     # the peer's FIN was seen, bytes may be unread
    S_SHUT_AFTER   = 1 << 7     # half-close once the queue is empty
    S_CLOSE_AFTER  = 1 << 8     # close once the queue is empty
    S_SHUT         = 1 << 9     # our FIN is sent
    S_CLOSED       = 1 << 10    # no descriptor any more
    S_STARVED      = 1 << 11    # reading waits for buffer memory
    S_CONNECTING   = 1 << 12    # connect() is under way (upstream side)


cdef struct Piece:
    const char* p
    size_t n
    Buffer* owner               # NULL: bytes that outlive the stream (constants)


cdef class Codec:
    """What sits above a stream. Subclasses override what they need to hear."""
    cdef void on_bytes(self, Chunk* c) noexcept
    cdef void on_room(self) noexcept
    cdef void on_eof(self) noexcept
    cdef void on_half_closed(self) noexcept
    cdef void on_gone(self, Reason why) noexcept
    cdef void on_open(self) noexcept


cdef class Stream(Handle):
    cdef Codec codec                  # told of everything; None after the end
    cdef uint32_t flags               # StreamFlag
    cdef Facts* facts                 # owned by the stream
    cdef size_t queued                # bytes waiting to be written
    cdef size_t mark                  # `write` says "no room" at or above this many
    cdef uint64_t bytes_in            # received since the beginning
    cdef uint64_t bytes_out           # taken by the kernel since the beginning
    cdef Buffer* tail                 # buffer that small writes are put together in
    cdef Piece* pieces                # ring of what is queued, oldest at `first`
    cdef uint32_t first, count, slots

    # -- writing ------------------------------------------------------------------
    cdef bint write(self, Chunk* c) noexcept
    cdef char* reserve(self, size_t n) noexcept
    cdef void commit(self, size_t n) noexcept
    cdef bint relay(self, Stream to, uint64_t n) noexcept
    cdef bint flush(self) noexcept
    # -- reading ------------------------------------------------------------------
    cdef void pause(self) noexcept
    cdef void resume(self) noexcept
    cdef void set_bulk(self, bint on) noexcept
    # -- ending -------------------------------------------------------------------
    cdef void half_close(self) noexcept
    cdef void close(self) noexcept
    cdef void abort(self, Reason why) noexcept
