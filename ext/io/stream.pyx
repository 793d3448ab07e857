"""Stream: the plain one, over TCP or a unix socket; see stream.pxd.

The socket is registered once, edge-triggered; an accepted one when an event is waited for. A read
shorter than asked for means that the socket is drained, unless a FIN or a reset waits behind.
EPOLLOUT is added after the first EAGAIN and stays: TCP wakes writers only after they met EAGAIN.
A unix socket wakes them for whatever its peer reads, so there it is taken back.
"""

from libc.errno cimport EAGAIN, ECONNREFUSED, EINTR, ETIMEDOUT, errno
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
cimport cython
from fastgw.ext.base.buffers cimport (
    BufferPool, buffer_hold, buffer_release, chunk_release, pool_full, pool_tight,
)
from fastgw.ext.base.debug cimport STREAMS, debug_assert, debug_born, debug_died
from fastgw.ext.base.reasons cimport (
    REASON_CLIENT_RESET, REASON_CLIENT_STALLED, REASON_CONNECT_FAILED, REASON_CONNECT_REFUSED,
    REASON_CONNECT_TIMEOUT, REASON_MEMORY, REASON_NONE, REASON_UPSTREAM_RESET,
    REASON_UPSTREAM_STALLED,
)
from fastgw.ext.io.pieces cimport (
    Piece, Pieces, pieces_at, pieces_drop, pieces_gather, pieces_init, pieces_push, pieces_taken,
)
from fastgw.ext.io.syscalls cimport (
    AF_UNIX, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, MSG_DONTWAIT, MSG_NOSIGNAL,
    SHUT_WR, SO_ERROR, SO_LINGER, SOL_SOCKET, c_linger, getsockopt, iovec, msghdr, recv, send,
    sendmsg, setsockopt, shutdown, socklen_t, ssize_t,
)

cdef enum:
    IOVECS = 1024               # IOV_MAX: pieces in one sendmsg
    TAIL = 4096                 # least size of a tail buffer
    SIP = 4032                  # what is received while memory is tight: it fits a tail, framed
    COPY_UNDER = 1024           # counted chunks shorter than this are copied
    # Nothing more is written, or told of, after these.
    WRITTEN_OUT = S_CLOSED | S_SHUT | S_SHUT_AFTER | S_CLOSE_AFTER | S_BROKEN
    # Nothing is received while one of these is set.
    NOT_READING = S_PAUSED | S_CLOSED | S_EOF | S_STARVED | S_CLOSE_AFTER | S_RELAYING \
        | S_CONNECTING


cdef class Codec:
    """See stream.pxd."""

    cdef void on_bytes(self, Chunk* c) noexcept:
        """Bytes arrived; take them all (a lent chunk is gone when this returns)."""

    cdef void on_room(self) noexcept:
        """After `write` said "no room": less than half of the mark is queued."""

    cdef void on_eof(self) noexcept:
        """Everything up to the peer's FIN was delivered."""

    cdef void on_half_closed(self) noexcept:
        """The peer's FIN was seen, but bytes before it are unread (paused, or many)."""

    cdef void on_gone(self, Reason why) noexcept:
        """The stream has ended; the last call. NONE after the codec's own `close`."""

    cdef void on_open(self) noexcept:
        """The connection that was being made is there."""

    cdef void on_relayed(self, uint64_t moved, bint done) noexcept:
        """A relay moved bytes (since last told); `done`: it is over, whole or not."""


cdef class ConnectionTally:
    """See stream.pxd."""

    cdef void begun(self, Stream s) noexcept:
        """A connection was let in."""

    cdef void count(self, Stream s) noexcept:
        """Count the bytes that it has moved so far."""

    cdef void over(self, Stream s) noexcept:
        """Its descriptor is closed."""

    cdef void happened(self, ConnectionEvent what) noexcept:
        """Something else that is counted."""

    cdef void unsecured(self, Reason why) noexcept:
        """A TLS handshake came to nothing."""


@cython.no_gc
cdef class Stream(Handle):
    """See stream.pxd."""

    def __cinit__(self):
        self.facts = <Facts*>calloc(1, sizeof(Facts))
        if self.facts == NULL:
            raise MemoryError
        pieces_init(&self.pieces)
        self.mark = MARK
        debug_born(STREAMS)

    def __dealloc__(self):
        debug_assert(self.fd < 0)
        self.drop_queue()
        free(self.facts.proxy)
        free(self.facts)
        debug_died(STREAMS)

    # -- writing --------------------------------------------------------------------------

    cdef bint write(self, Chunk* c) noexcept:
        """Queue a chunk; takes it over. False: there is no room for more, wait for on_room. When
        memory is short the stream is aborted (`memory`)."""
        cdef bint ok
        if self.flags & WRITTEN_OUT or c.n == 0:
            chunk_release(c)
            return True
        if c.owner != NULL and c.n >= COPY_UNDER:
            ok = self.push(c.p, c.n, c.owner)
            c.owner = NULL
        else:
            ok = self.copy_in(c.p, c.n)
            chunk_release(c)
        if not ok:
            self.abort(REASON_MEMORY)
            return False
        if not self.later:
            self.engine.do_later(self)
        return stream_has_room(self)

    cdef char* reserve(self, size_t n) noexcept:
        """Where up to `n` bytes may be put, then committed; NULL: no memory, or ended.

        Nothing else may be written between `reserve` and `commit`. For heads and framing, not
        for bodies: what is said to a client may use the pool's reserve if it is short."""
        if self.flags & WRITTEN_OUT:
            return NULL
        if self.tail != NULL and self.tail.cap - self.tail.used >= n:
            return self.tail.data + self.tail.used
        return self.new_tail(n, n <= TAIL and not self.flags & S_UPSTREAM)

    cdef void commit(self, size_t n) noexcept:
        """Queue the first `n` bytes of what was reserved."""
        cdef Piece* last
        cdef char* p
        if n == 0 or self.flags & WRITTEN_OUT:
            return
        debug_assert(self.tail.cap - self.tail.used >= n)
        p = self.tail.data + self.tail.used
        self.tail.used += n
        last = pieces_at(&self.pieces, self.pieces.count - 1)
        if self.pieces.count and last.owner == self.tail and last.p + last.n == p:
            last.n += n
            self.queued += n
        else:
            buffer_hold(self.tail)
            if not self.push(p, n, self.tail):
                self.abort(REASON_MEMORY)
                return
        if not self.later:
            self.engine.do_later(self)

    cdef bint relay(self, Stream to, uint64_t n) noexcept:
        """Move the next `n` bytes that arrive to `to`; False: not offered, read and write.

        Told by `on_relayed` of this stream's codec; until it is done neither stream may
        be read, paused or written otherwise."""
        cdef Relay r
        if self.engine.relays is None or self.facts.tls or to.facts.tls:
            return False
        r = (<Relays>self.engine.relays).new_relay()
        return r is not None and r.start(self, to, n)

    # -- reading --------------------------------------------------------------------------

    cdef void pause(self) noexcept:
        """Deliver nothing until `resume`; the kernel's buffer brakes the peer."""
        self.flags |= S_PAUSED
        if self.flags & S_BROKEN:
            self.engine.do_later(self)

    cdef void resume(self) noexcept:
        """Deliver again, at the end of the turn: never from inside this call."""
        self.flags &= ~S_PAUSED
        if self.flags & S_READABLE and not self.flags & NOT_READING:
            self.engine.do_later(self)

    cdef void set_bulk(self, bint on) noexcept:
        """Whether a large body is under way: it is received into counted buffers."""
        if on:
            self.flags |= S_BULK
            self.bulk_level = 1
        else:
            self.flags &= ~S_BULK

    # -- ending ---------------------------------------------------------------------------

    cdef void half_close(self) noexcept:
        """Send a FIN once what is queued is written; reading goes on."""
        if not self.flags & WRITTEN_OUT:
            self.flags |= S_SHUT_AFTER
            self.engine.do_later(self)

    cdef void close(self) noexcept:
        """Close once what is queued is written; nothing more is delivered.

        Bytes that the peer sent and nobody read make the kernel answer with an RST, which
        may overtake what was written: a codec that answers early reads on before it closes
        (RFC 9112 section 9.6)."""
        if not self.flags & (S_CLOSED | S_CLOSE_AFTER):
            self.flags |= S_CLOSE_AFTER
            self.engine.do_later(self)

    cdef void abort(self, Reason why) noexcept:
        """Close now, whatever is queued; the codec is told at the end of the turn."""
        if not self.flags & S_CLOSED:
            self.end(why)
            self.engine.do_later(self)

    cdef void reset(self, Reason why) noexcept:
        """Like `abort`, and the peer gets an RST."""
        cdef c_linger linger
        if not self.flags & S_CLOSED:
            linger.l_onoff, linger.l_linger = 1, 0
            setsockopt(self.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger))
            self.abort(why)

    cdef void end(self, Reason why) noexcept:
        """Close the descriptor and let go of all but the codec."""
        self.flags |= S_CLOSED
        self.why = why
        self.drop_queue()
        if self.source is not None:
            self.source.cut()
        if self.sink is not None:
            self.sink.cut()
        self.engine.drop(self)
        if self.limit is not None:
            if self.tally is not None:
                self.tally.over(self)
            self.limit.leave()
            self.limit = None

    cdef void tell_gone(self) noexcept:
        """The last call to the codec."""
        cdef Codec codec = self.codec
        if codec is not None:
            self.codec = None
            codec.on_gone(self.why)

    cdef void lose(self, int error) noexcept:
        """The connection broke; 0 = ask the socket why."""
        cdef socklen_t n = sizeof(error)
        cdef bint upstream = self.flags & S_UPSTREAM != 0
        if self.flags & S_CLOSED:
            return
        if error == 0:
            getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &error, &n)
        if self.flags & S_CONNECTING:
            self.end(REASON_CONNECT_REFUSED if error == ECONNREFUSED
                     else REASON_CONNECT_TIMEOUT if error == ETIMEDOUT
                     else REASON_CONNECT_FAILED)
        elif error == ETIMEDOUT:
            self.end(REASON_UPSTREAM_STALLED if upstream else REASON_CLIENT_STALLED)
        else:
            self.end(REASON_UPSTREAM_RESET if upstream else REASON_CLIENT_RESET)
        self.tell_gone()

    # -- events ---------------------------------------------------------------------------

    cdef void on_events(self, uint32_t events) noexcept:
        """Epoll's word; edge-triggered, so each is told once."""
        if self.flags & S_CONNECTING:
            self.connected(events)
            if self.flags & S_CLOSED:
                return
        if events & EPOLLOUT and self.flags & S_BLOCKED:
            self.flags &= ~S_BLOCKED
            self.engine.do_later(self)
        if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            self.incoming(events)

    cdef void on_later(self) noexcept:
        """The end of the turn: go on receiving, then write what is queued."""
        if self.flags & S_CLOSED:
            self.tell_gone()
            return
        if self.flags & S_READABLE:
            self.receive()
        self.settle()
        self.flush()
        if self.unwatched and not self.flags & (S_CLOSED | S_PATIENT):
            if not self.engine.watch(self):
                self.abort(REASON_MEMORY)

    cdef void on_relief(self) noexcept:
        """Buffer memory is there again."""
        self.flags &= ~S_STARVED
        self.engine.do_later(self)

    cdef void connected(self, uint32_t events) noexcept:
        """The connect ended, one way or the other."""
        if events & (EPOLLERR | EPOLLHUP):
            self.lose(0)
        elif events & EPOLLOUT:
            self.flags &= ~S_CONNECTING
            if self.queued or self.flags & (S_SHUT_AFTER | S_CLOSE_AFTER):
                self.engine.do_later(self)
            elif self.facts.peer.family == AF_UNIX:
                self.engine.change(self, self.interest & ~<uint32_t>EPOLLOUT)
            if not self.flags & S_CLOSE_AFTER:
                self.opened()

    cdef void opened(self) noexcept:
        """The socket is connected (TLS: the handshake begins)."""
        self.codec.on_open()

    cdef void incoming(self, uint32_t events) noexcept:
        """Bytes, a FIN or a reset arrived."""
        cdef bint half_closed = False
        self.flags |= S_READABLE
        if events & (EPOLLRDHUP | EPOLLHUP) and not self.flags & S_HALF_CLOSED:
            self.flags |= S_HALF_CLOSED
            half_closed = True
        if events & EPOLLERR:
            self.flags |= S_BROKEN
        self.receive()
        if self.flags & (S_BROKEN | S_DRAIN_FIRST) == S_BROKEN:
            half_closed = False             # a reset is told as such
        if half_closed and not self.flags & (S_EOF | S_CLOSED | S_CLOSE_AFTER):
            self.codec.on_half_closed()
        if events & EPOLLHUP and self.flags & S_EOF and not self.flags & S_SHUT:
            self.flags |= S_BROKEN          # a unix peer that closed: it can't be written to
        self.settle()

    cdef void settle(self) noexcept:
        """A broken stream ends as soon as nothing more is to be read of it."""
        if self.flags & (S_BROKEN | S_CLOSED) != S_BROKEN:
            return
        if self.flags & (S_EOF | S_CLOSE_AFTER):
            self.lose(0)
        elif self.flags & (S_PAUSED | S_STARVED) and not self.flags & S_DRAIN_FIRST:
            self.lose(0)

    # -- receiving ------------------------------------------------------------------------

    cdef void receive(self) noexcept:
        """Receive and deliver, up to this stream's share of a turn."""
        cdef Codec held = self.codec        # it may hand the stream to another codec  # no-cython-lint
        cdef uint64_t enough = self.bytes_in + READ_BYTES
        cdef int reads = READS
        if self.flags & S_RELAYING and not self.flags & S_CLOSED:
            self.source.move()
        while self.flags & (NOT_READING | S_READABLE) == S_READABLE:
            if reads == 0 or self.bytes_in >= enough or self.sated == <uint32_t>self.engine.turns:
                self.sated = <uint32_t>self.engine.turns
                self.engine.do_next(self)
                return
            reads -= 1
            if self.flags & S_BULK and pool_full(self.engine.pool):
                self.flags |= S_STARVED
                self.engine.starve(self)
            elif self.flags & S_BULK and self.bulk_level and not pool_tight(self.engine.pool):
                self.receive_counted()
            else:
                self.receive_lent(
                    SIP if pool_tight(self.engine.pool) else self.engine.scratch_n
                )

    cdef void receive_lent(self, size_t asked) noexcept:
        """Receive into the engine's scratch and deliver it as a lent chunk: a small one while
        memory is tight, since it may have to be copied."""
        cdef Chunk c
        cdef ssize_t n = recv(self.fd, self.engine.scratch, asked, MSG_DONTWAIT)
        if not self.received(n, asked):
            return
        if <size_t>n == self.engine.scratch_n:
            self.bulk_level = 2
        c.p, c.n, c.owner = self.engine.scratch, n, NULL
        self.codec.on_bytes(&c)

    cdef void receive_counted(self) noexcept:
        """Receive into a buffer of its own that passes on by reference.

        A read that would waste most of the buffer is lent instead, unless there may be no
        memory left to copy it, and the next ones go through the scratch until one fills it:
        senders of small pieces hold no memory."""
        cdef Chunk c
        cdef BufferPool pool = self.engine.pool
        cdef size_t asked = 65536 if self.bulk_level == 1 else 262144
        cdef Buffer* b = pool.take(asked)
        cdef ssize_t n
        if b == NULL:
            self.receive_lent(SIP)
            return
        n = recv(self.fd, b.data, asked, MSG_DONTWAIT)
        if not self.received(n, asked):
            buffer_release(b)
            return
        self.bulk_level = 2 if <size_t>n == asked else self.bulk_level
        c.p, c.n, c.owner = b.data, n, b
        if <size_t>n >= asked // 4 or pool_tight(pool):
            b.used = n
            self.codec.on_bytes(&c)
            return
        self.bulk_level = 0
        c.owner = NULL
        self.codec.on_bytes(&c)
        buffer_release(b)

    cdef bint received(self, ssize_t n, size_t asked) noexcept:
        """What recv said; True when there are bytes to deliver."""
        self.engine.receives += 1
        if n > 0:
            if <size_t>n < asked and not self.flags & (S_HALF_CLOSED | S_BROKEN):
                self.flags &= ~S_READABLE
            self.bytes_in += n
            return True
        if n < 0 and errno == EINTR:
            return False
        if n < 0 and errno == EAGAIN:
            self.flags &= ~S_READABLE
        elif n < 0:
            self.lose(errno)
        elif self.flags & S_BROKEN and self.why != REASON_NONE:
            self.lose(0)            # a reset whose error the failed write has consumed
        else:
            self.flags = (self.flags | S_EOF | S_HALF_CLOSED) & ~<uint32_t>S_READABLE
            self.ended()
        return False

    cdef void ended(self) noexcept:
        """The peer's FIN was read (TLS: without a close_notify before it)."""
        self.codec.on_eof()

    # -- the write queue ------------------------------------------------------------------

    cdef char* new_tail(self, size_t n, bint reserved) noexcept:
        """Begin a buffer with space for `n` bytes at least; NULL without memory."""
        cdef BufferPool pool = self.engine.pool
        cdef size_t want = TAIL
        cdef Buffer* b
        if self.tail != NULL and not pool_tight(pool):
            # A tail that ran full shows that more is coming: the next one is larger.
            want = self.tail.cap * 4 if self.tail.cap < 65536 else self.tail.cap
        b = pool.take(want if want > n else n)
        if b == NULL and reserved:
            b = pool.take_reserved(n)
        if b == NULL:
            return NULL
        if self.tail != NULL:
            buffer_release(self.tail)
        self.tail = b
        return b.data

    cdef bint copy_in(self, const char* p, size_t n) noexcept:
        """Append a copy to the tail."""
        cdef char* to
        if self.tail != NULL and self.tail.cap - self.tail.used >= n:
            to = self.tail.data + self.tail.used
        else:
            to = self.new_tail(n, False)
        if to == NULL:
            return False
        memcpy(to, p, n)
        self.commit(n)
        return True

    cdef bint push(self, const char* p, size_t n, Buffer* owner) noexcept:
        """Append a piece; takes the reference over, also when there is no memory for it."""
        if not pieces_push(&self.pieces, p, n, owner):
            return False
        self.queued += n
        return True

    cdef bint flush(self) noexcept:
        """Write what is queued, once a turn; True when all of it is with the kernel."""
        if self.flags & (S_CLOSED | S_CONNECTING):
            if self.flags & S_CONNECTING and self.flags & S_CLOSE_AFTER:
                self.end(REASON_NONE)
                self.tell_gone()
            return False
        if self.queued:
            if self.flags & S_BLOCKED:
                return False
            if self.flushed == <uint32_t>self.engine.turns:
                self.engine.do_next(self)
                return False
            self.flushed = <uint32_t>self.engine.turns
            if not self.send_pieces():
                return False
            self.tell_room()
        if self.queued == 0:
            self.drained()
        return self.queued == 0

    cdef void tell_room(self) noexcept:
        """Tell the codec, if it waits for that, that half of the mark is free."""
        if self.flags & S_WANT_ROOM and self.queued < self.mark // 2 and (
            self.queued == 0 or not pool_tight(self.engine.pool)
        ):
            self.flags &= ~S_WANT_ROOM
            if not self.flags & WRITTEN_OUT:
                self.codec.on_room()

    cdef bint send_pieces(self) noexcept:
        """One sendmsg of what is queued; False when the connection broke."""
        return self.send_from(&self.pieces)

    cdef bint send_from(self, const Pieces* q) noexcept:
        """One sendmsg of the oldest in `q`; False when the connection broke."""
        cdef iovec iov[IOVECS]
        cdef msghdr message
        cdef size_t total
        cdef ssize_t n
        cdef int i = pieces_gather(q, iov, IOVECS, FLUSH_BYTES, &total)
        if i == 1:
            n = send(self.fd, iov[0].iov_base, total, MSG_NOSIGNAL | MSG_DONTWAIT)
        else:
            message = _no_message
            message.msg_iov, message.msg_iovlen = iov, i
            n = sendmsg(self.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT)
        self.engine.sends += 1
        if n < 0 and errno != EAGAIN and errno != EINTR:
            self.unwritable(errno)
            return False
        if n > 0:
            self.sent(n)
        if n < 0 and errno == EAGAIN or <size_t>n < total:
            self.block()
        elif self.queued:
            self.engine.do_next(self)
        return True

    cdef void sent(self, size_t n) noexcept:
        """The kernel took `n` bytes."""
        self.bytes_out += n
        self.queued -= n
        pieces_taken(&self.pieces, n)
        if self.queued == 0:
            self.drop_queue()

    cdef void block(self) noexcept:
        """The socket takes no more: have epoll say when it does."""
        self.flags |= S_BLOCKED
        if not self.interest & EPOLLOUT:
            self.engine.change(self, self.interest | EPOLLOUT)

    cdef void unwritable(self, int error) noexcept:
        """The peer takes nothing more; what it had said before is delivered first."""
        self.drop_queue()
        if not self.flags & S_HALF_CLOSED:
            self.why = REASON_UPSTREAM_RESET if self.flags & S_UPSTREAM else REASON_CLIENT_RESET
        self.flags |= S_BROKEN | S_READABLE
        self.engine.do_later(self)

    cdef void drained(self) noexcept:
        """Nothing is queued any more: do what waited for that."""
        if self.facts.peer.family == AF_UNIX and self.interest & EPOLLOUT:
            self.engine.change(self, self.interest & ~<uint32_t>EPOLLOUT)
        if self.sink is not None:
            self.sink.move()
        if self.queued or self.flags & S_CLOSED:
            return
        if self.flags & S_CLOSE_AFTER:
            self.end(REASON_NONE)
            self.tell_gone()
        elif self.flags & (S_SHUT_AFTER | S_SHUT) == S_SHUT_AFTER:
            self.flags |= S_SHUT
            shutdown(self.fd, SHUT_WR)

    cdef void drop_queue(self) noexcept:
        """Let go of all that is queued, and of the queue's memory."""
        pieces_drop(&self.pieces)
        self.queued = 0
        if self.tail != NULL:
            buffer_release(self.tail)
            self.tail = NULL


cdef msghdr _no_message


cdef class Relay:
    """See stream.pxd."""

    cdef bint start(self, Stream source, Stream to, uint64_t n) noexcept:
        """Begin; False when it can't."""
        return False

    cdef void move(self) noexcept:
        """One end can go on."""

    cdef void cut(self) noexcept:
        """One end is gone."""


cdef class Relays:
    """See stream.pxd."""

    cdef Relay new_relay(self):
        """A relay that is ready to start, or None."""
        return None
