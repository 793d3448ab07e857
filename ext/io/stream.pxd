"""Stream: bytes both ways, plain or TLS; the layers above can't tell which.

The stream owns the socket and the write queue. Above it sits one Codec, which is told:
`on_bytes`, `on_room`, `on_eof`, `on_half_closed`, `on_gone`. A codec takes all bytes it
is told of; what it may not pass on yet it keeps as a counted chunk, asks the stream to
`pause`, and deals with first when it resumes.

Writing: pieces are queued and flushed by the engine at the end of the turn in one
sendmsg (at most IOV_MAX pieces, 256 KiB a turn). Small things are put together in one
tail buffer (`reserve`/`commit`); counted chunks are queued by reference; lent ones are
copied.

Ending: every codec is told `on_gone` exactly once, last of all, whoever ended it: at
once when the peer or the network did, at the end of the turn (never from inside the
call) after the codec's own `close` or `abort`. From `close` or `abort` on no other event
is told, and writing, pausing or ending again does nothing. `flags & S_CLOSED` says that
the descriptor is closed.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport Buffer, Chunk, pool_tight
from fastgw.ext.base.span cimport Span
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.io.connection_limit cimport ConnectionLimit
from fastgw.ext.io.engine cimport Engine, Handle
from fastgw.ext.io.pieces cimport Pieces


cdef struct Address:
    uint8_t family              # AF_INET, AF_INET6, AF_UNIX; 0 = not known
    uint8_t text_n              # length of `text`
    uint16_t port               # host order; 0 for unix
    uint8_t ip[16]              # IPv4 as ::ffff:a.b.c.d
    char text[46]               # the address without port, as inet_ntop writes it; "unix"


# What is known about a connection; filled when it begins, read-only afterwards.
cdef struct Facts:
    Address peer                # who the socket says it is
    Address client              # who it is by the listener's rules (PROXY protocol)
    Address local               # our side; behind a wildcard address only `port` is known
    uint16_t listener           # index into the plan's listeners
    bint tls                    # bytes are encrypted
    void* identity              # TLS peer identity, SNI, ALPN (the TLS stream's; or NULL)
    void* proxy                 # io/proxy_protocol.ProxyFacts: its header's TLVs, or NULL


cdef enum StreamFlag:
    S_PAUSED       = 1 << 0     # the codec wants no bytes now
    S_READABLE     = 1 << 1     # the socket may hold bytes we have not received
    S_BLOCKED      = 1 << 2     # the last write met EAGAIN; EPOLLOUT is asked for
    S_WANT_ROOM    = 1 << 3     # tell the codec when the queue has drained
    S_BULK         = 1 << 4     # receive into counted buffers: a body is under way, which
                                # waits while buffer memory is tight
    S_EOF          = 1 << 5     # the peer's FIN was read
    S_HALF_CLOSED  = 1 << 6     # the peer's FIN was seen, bytes may be unread
    S_SHUT_AFTER   = 1 << 7     # half-close once the queue is empty
    S_CLOSE_AFTER  = 1 << 8     # close once the queue is empty
    S_SHUT         = 1 << 9     # our FIN is sent
    S_CLOSED       = 1 << 10    # no descriptor any more
    S_STARVED      = 1 << 11    # reading waits for buffer memory
    S_CONNECTING   = 1 << 12    # connect() is under way (upstream side)
    S_UPSTREAM     = 1 << 13    # the peer is an upstream: decides which reason a loss has
    S_DRAIN_FIRST  = 1 << 14    # set by the codec: while paused, a reset waits until what
                                # was received is read (an answer before an RST counts)
    S_BROKEN       = 1 << 15    # reset or timed out; what was received is being read
    S_RELAYING     = 1 << 16    # what arrives goes through a pipe (relay)
    S_PATIENT      = 1 << 17    # set by the codec: of what the peer does it need not be told yet


cdef enum:
    FLUSH_BYTES = 262144        # written by one stream in one turn
    READ_BYTES = 262144         # received by one stream in one turn
    READS = 4                   # recv calls of one stream in one turn
    MARK = 262144               # default of `mark`


cdef class Codec:
    """What sits above a stream. Subclasses override what they need to hear."""
    cdef void on_bytes(self, Chunk* c) noexcept
    cdef void on_room(self) noexcept
    cdef void on_eof(self) noexcept
    cdef void on_half_closed(self) noexcept
    cdef void on_gone(self, Reason why) noexcept
    cdef void on_open(self) noexcept
    cdef void on_relayed(self, uint64_t moved, bint done) noexcept


cdef enum ConnectionEvent:
    EVENT_LIMIT_STOP            # the listener stopped: the worker holds enough connections
    EVENT_FILE_STOP             # it stopped for want of descriptors or memory
    EVENT_PROXY_UNTRUSTED       # closed: the peer may send no PROXY header
    EVENT_PROXY_MALFORMED       # closed: what came was none
    EVENT_ARRIVAL_TIMED_OUT     # closed: a PROXY header or ClientHello took too long
    EVENT_ARRIVAL_LEFT          # it ended before that was whole
    EVENT_NAME_UNKNOWN          # closed: nobody takes the name of its ClientHello
    EVENT_ADDRESS_TOO_MANY      # refused: its address has as many as it may
    EVENT_ADDRESS_TOO_FAST      # refused: its address opens them too fast
    EVENT_ADDRESS_UNCOUNTED     # let in, but not counted by address
    EVENT_PASS_BEGUN            # to be carried to a server as it is
    EVENT_PASS_FAILED           # no server took it
    EVENT_PASS_IDLE             # ended because no byte moved
    EVENT_PASS_ENDED            # whatever became of it
    EVENT_HANDSHAKE             # of TLS, finished
    EVENT_HANDSHAKE_LEGACY      # it was of TLS 1.2
    EVENT_HANDSHAKE_RESUMED     # it went on with an earlier session
    CONNECTION_EVENTS


cdef class Stream(Handle)


cdef class ConnectionTally:
    """Told of the connections of a listener; record/ implements it. Nothing a request."""
    cdef void begun(self, Stream s) noexcept
    cdef void count(self, Stream s) noexcept
    cdef void over(self, Stream s) noexcept
    cdef void happened(self, ConnectionEvent what) noexcept
    cdef void unsecured(self, Reason why) noexcept


cdef class Stream(Handle):
    cdef Codec codec                  # told of everything; None after the end
    cdef uint32_t flags               # StreamFlag
    cdef Reason why                   # told with on_gone
    cdef Facts* facts                 # owned by the stream
    cdef size_t queued                # bytes waiting to be written
    cdef size_t mark                  # `write` says "no room" at or above this many
    cdef uint64_t bytes_in            # received since the beginning, as on the wire
    cdef uint64_t bytes_out           # taken by the kernel since the beginning, likewise
    cdef ConnectionLimit limit        # given back when the descriptor closes; or None
    cdef ConnectionTally tally        # of the listener that it came by; or None
    cdef uint64_t counted_in          # of `bytes_in`, those that `tally` has counted
    cdef uint64_t counted_out         # of `bytes_out`, likewise
    # -- the write queue ----------------------------------------------------------
    cdef Buffer* tail                 # buffer that small writes are put together in
    cdef Pieces pieces                # what is queued
    cdef uint32_t flushed             # the turn of the last sendmsg
    # -- receiving ----------------------------------------------------------------
    cdef uint32_t sated               # the turn in which its share was used up
    cdef uint8_t bulk_level           # size of the next bulk buffer: 0 = lent scratch
    # -- relaying -----------------------------------------------------------------
    cdef Relay source                 # moves our bytes away, or None
    cdef Relay sink                   # moves bytes to us, or None

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
    cdef void reset(self, Reason why) noexcept
    # -- what happens on the socket (for stream.pyx and its subclasses) ------------
    cdef void connected(self, uint32_t events) noexcept
    cdef void opened(self) noexcept
    cdef void incoming(self, uint32_t events) noexcept
    cdef void unwritable(self, int error) noexcept
    cdef void settle(self) noexcept
    cdef void lose(self, int error) noexcept
    cdef void end(self, Reason why) noexcept
    cdef void tell_gone(self) noexcept
    # -- receiving ----------------------------------------------------------------
    cdef void receive(self) noexcept
    cdef void receive_lent(self, size_t asked) noexcept
    cdef void receive_counted(self) noexcept
    cdef bint received(self, ssize_t n, size_t asked) noexcept
    cdef void ended(self) noexcept
    # -- the queue ----------------------------------------------------------------
    cdef char* new_tail(self, size_t n, bint reserved) noexcept
    cdef bint copy_in(self, const char* p, size_t n) noexcept
    cdef bint push(self, const char* p, size_t n, Buffer* owner) noexcept
    cdef bint send_pieces(self) noexcept
    cdef bint send_from(self, const Pieces* q) noexcept
    cdef void block(self) noexcept
    cdef void sent(self, size_t n) noexcept
    cdef void tell_room(self) noexcept
    cdef void drained(self) noexcept
    cdef void drop_queue(self) noexcept


cdef class Relay:
    """Moves bytes from one plain stream to another without copying; see relay.pxd."""
    cdef bint start(self, Stream source, Stream to, uint64_t n) noexcept
    cdef void move(self) noexcept
    cdef void cut(self) noexcept


cdef class Relays:
    """Where an engine's relays come from; see relay.pxd."""
    cdef Relay new_relay(self)


cdef inline char* stream_reserve(Stream s, size_t n) noexcept:
    """`Stream.reserve` without the call when the tail has space."""
    if s.tail != NULL and s.tail.cap - s.tail.used >= n:
        return s.tail.data + s.tail.used
    return s.reserve(n)


cdef inline bint stream_has_room(Stream s) noexcept:
    """What `write` answers; after "no" the codec is told `on_room`. While buffer memory is
    tight a stream may queue one piece at a time."""
    if s.queued < s.mark and (s.queued == 0 or not pool_tight(s.engine.pool)):
        return True
    s.flags |= S_WANT_ROOM
    return False
