# distutils: libraries = ssl crypto
"""TlsStream; see stream.pxd."""

cimport cython
from libc.stdlib cimport free
from libc.string cimport memcpy
from fastgw.ext.base.buffers cimport (
    Chunk, buffer_release, chunk_release, pool_tight,
)
from fastgw.ext.base.debug cimport debug_assert
from fastgw.ext.base.reasons cimport (
    REASON_CLIENT_RESET, REASON_CLIENT_STALLED, REASON_MEMORY, REASON_NONE, REASON_TLS_FAILED,
    REASON_UPSTREAM_RESET, REASON_UPSTREAM_STALLED, REASON_UPSTREAM_TLS_FAILED,
)
from fastgw.ext.io.pieces cimport Piece, pieces_at, pieces_drop, pieces_taken
from fastgw.ext.io.stream cimport (
    S_BLOCKED, S_BROKEN, S_CLOSE_AFTER, S_CLOSED, S_CONNECTING, S_EOF, S_HALF_CLOSED, S_PAUSED,
    S_READABLE, S_SHUT_AFTER, S_UPSTREAM, Codec,
)
from fastgw.ext.io.syscalls cimport MSG_DONTWAIT, recv, ssize_t
from fastgw.ext.io.tls.hello cimport HELLO_MORE, HELLO_MOST, HelloLook, hello_look
from fastgw.ext.io.tls.openssl cimport (
    BIO, SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN, SSL_RECEIVED_SHUTDOWN, SSL_SENT_SHUTDOWN,
    SSL_do_handshake, SSL_free, SSL_get_error, SSL_pending, SSL_read_ex, SSL_set_app_data,
    SSL_set_bio, SSL_set_shutdown, SSL_shutdown, SSL_write_ex, ERR_clear_error, X509_STORE_free,
    X509_free,
)
from fastgw.ext.io.tls.pem cimport free_chain
from fastgw.ext.io.tls.wire cimport wire_bio, wire_drop, wire_init, wire_put, wire_taken

cdef enum:
    RECORD = 16384              # plain bytes of a record, at most
    RECORD_SPACE = 16640        # a whole record with its overhead
    PLAIN = 65536 + 16640       # what one receive may hold when it is opened
    BULK = 65536                # a counted buffer that records are opened into
    SEAL_BYTES = 262144         # sealed in one turn
    RUN = 65536                 # sealed by one call
    TLS_TEXTS = 9               # identity.TlsText; that module knows this one
    CHATTER = 16384             # unasked records that may wait for a peer that does not read
    # A chunk is not delivered while one of these is set.
    NOT_TOLD = S_CLOSED | S_CLOSE_AFTER

#: Where records are opened that are passed on at once; one worker is one thread.
cdef char[82176] _plain
#: Where short pieces are put together to one record.
cdef char[16384] _record


cdef class TlsSide:
    """See stream.pxd."""

    cdef bint admits(self, TlsStream s) noexcept:
        """Whether a handshake may go on in this turn; else it is tried in the next."""
        return True

    cdef SSL* begin(self, TlsStream s, const Hello* hello) noexcept:
        """A session with all its settings, in its accept or connect state; NULL: refused."""
        return NULL

    cdef void finished(self, TlsStream s) noexcept:
        """The handshake is done: note what became known."""

    cdef Reason failed(self, TlsStream s) noexcept:
        """Why the handshake failed; OpenSSL's error queue still says so."""
        return REASON_TLS_FAILED

    cdef bint directs(self, const TlsFacts* t, const char* host, size_t n) noexcept:
        """Whether a request for `host` may come over a connection with these facts."""
        return True


cdef TlsStream new_tls_client(TlsSide side):
    """A stream for `connect_into`; its handshake begins when the socket is connected."""
    cdef TlsStream s = TlsStream.__new__(TlsStream)
    s.side = side
    s.facts.tls = True
    s.facts.identity = &s.tls
    return s


@cython.no_gc
@cython.final
cdef class TlsStream(Stream):
    """See stream.pxd."""

    def __dealloc__(self):
        cdef int i
        debug_assert(self.ssl == NULL)
        for i in range(TLS_TEXTS):
            free(self.tls.texts[i])
        free_chain(self.tls.chain)
        X509_STORE_free(self.tls.roots)
        if self.tls.peer != NULL:
            X509_free(self.tls.peer)
        free(self.tls.name)

    # -- the handshake ----------------------------------------------------------------------

    cdef void begin_server(self, TlsSide side) noexcept:
        """Await a client's hello."""
        self.side = side
        self.state = T_HELLO
        self.facts.tls = True
        self.facts.identity = &self.tls

    cdef void opened(self) noexcept:
        """The socket to the upstream is connected."""
        if self.begin(NULL) and self.precede():
            self.shake()

    cdef bint precede(self) noexcept:
        """Put what was written already before the first record; False, and ended: no memory."""
        cdef Piece* piece
        while self.pieces.count:
            piece = pieces_at(&self.pieces, 0)
            if not wire_put(&self.wire, piece.p, piece.n):
                self.fail(REASON_MEMORY)
                return False
            self.queued -= piece.n
            pieces_taken(&self.pieces, piece.n)
        self.drop_plain()
        return True

    cdef bint look(self, const char** p, size_t* n) noexcept:
        """Gather the hello and begin the session that it asks for. True: there is one, and `p`
        points to all bytes so far."""
        cdef Hello hello
        cdef HelloLook found
        if self.held != NULL:
            if not self.hold(p[0], n[0]):
                return False
            p[0], n[0] = self.held.data, self.held.used
        found = hello_look(p[0], n[0], &hello)
        if found == HELLO_MORE and n[0] < 2 * HELLO_MOST:
            if self.held == NULL:
                self.hold(p[0], n[0])
            return False
        return self.begin(&hello)

    cdef bint hold(self, const char* p, size_t n) noexcept:
        """Append to what is held; without memory the stream is aborted."""
        cdef size_t used = self.held.used if self.held != NULL else 0
        cdef Buffer* b = self.held
        if b == NULL or used + n > b.cap:
            b = self.engine.pool.take(used + n)
            if b == NULL:
                self.abort(REASON_MEMORY)
                return False
            if self.held != NULL:
                memcpy(b.data, self.held.data, used)
                buffer_release(self.held)
            self.held = b
        memcpy(b.data + used, p, n)
        b.used = used + n
        return True

    cdef bint begin(self, const Hello* hello) noexcept:
        """Make the session; False, and ended, where that is refused or there is no memory."""
        cdef BIO* bio
        try:
            wire_init(&self.wire, self.engine.pool)
        except MemoryError:
            self.fail(REASON_MEMORY)
            return False
        ERR_clear_error()
        self.ssl = self.side.begin(self, hello)
        bio = wire_bio(&self.wire) if self.ssl != NULL else NULL
        if bio == NULL:
            self.fail(self.side.failed(self))
            return False
        SSL_set_bio(self.ssl, bio, bio)
        SSL_set_app_data(self.ssl, <void*>self)
        self.state = T_SHAKING
        return True

    cdef void shake(self) noexcept:
        """Go on with the handshake as far as the received bytes allow."""
        cdef int done
        ERR_clear_error()
        done = SSL_do_handshake(self.ssl)
        self.account()
        if self.wire.no_memory:
            self.fail(REASON_MEMORY)
        elif done == 1:
            self.shaken()
        elif SSL_get_error(self.ssl, done) != SSL_ERROR_WANT_READ:
            self.fail(self.side.failed(self))

    cdef void shaken(self) noexcept:
        """The handshake is done. What it leaves to be sent counts as sent: `bytes_out` moves from
        here on only by what the codec writes."""
        cdef Codec codec = self.codec
        self.state = T_OPEN
        self.bytes_out += self.wire.out_n
        self.precounted = self.wire.out_n
        self.side.finished(self)
        self.choice = None
        if self.queued or self.flags & (S_SHUT_AFTER | S_CLOSE_AFTER):
            self.engine.do_later(self)
        if not self.flags & NOT_TOLD:
            codec.on_open()

    # -- receiving --------------------------------------------------------------------------

    cdef void resume(self) noexcept:
        """Deliver again, at the end of the turn; what is held comes first."""
        if self.held != NULL:
            self.flags |= S_READABLE
        Stream.resume(self)

    cdef void receive(self) noexcept:
        """What is held, then what arrives."""
        if self.held != NULL and self.state == T_OPEN:
            if self.flags & S_PAUSED:
                return
            self.deliver_held()
        Stream.receive(self)

    cdef void receive_lent(self, size_t asked) noexcept:
        """Receive, and open it into memory that is lent on."""
        cdef ssize_t n
        if self.state != T_OPEN and not self.side.admits(self):
            self.sated = <uint32_t>self.engine.turns
            return
        n = recv(self.fd, self.engine.scratch, asked, MSG_DONTWAIT)
        if not self.received(n, asked):
            return
        if <size_t>n == self.engine.scratch_n:
            self.bulk_level = 2
        self.take(self.engine.scratch, n, NULL)

    cdef void receive_counted(self) noexcept:
        """Receive, and open it into a buffer of its own that passes on by reference."""
        cdef Buffer* b
        cdef size_t asked = BULK - RECORD_SPACE
        cdef ssize_t n
        if self.state != T_OPEN:
            self.receive_lent(self.engine.scratch_n)
            return
        b = self.engine.pool.take(BULK)
        if b == NULL:
            self.receive_lent(RECORD_SPACE)
            return
        n = recv(self.fd, self.engine.scratch, asked, MSG_DONTWAIT)
        if not self.received(n, asked):
            buffer_release(b)
            return
        self.bulk_level = 2 if <size_t>n == asked else self.bulk_level
        self.take(self.engine.scratch, n, b)

    cdef void take(self, const char* p, size_t n, Buffer* into) noexcept:
        """Work through received bytes, all of them."""
        cdef Buffer* hello = NULL
        if self.state == T_HELLO:
            if not self.look(&p, &n):
                return
            hello, self.held = self.held, NULL
        self.wire.p, self.wire.n = p, n
        if self.state == T_SHAKING:
            self.shake()
        if self.state == T_OPEN and not self.flags & S_CLOSED:
            self.open_records(into)
        elif into != NULL:
            buffer_release(into)
        debug_assert(self.wire.n == 0 or self.flags & S_CLOSED)
        self.wire.n = 0
        if hello != NULL:
            buffer_release(hello)

    cdef void open_records(self, Buffer* into) noexcept:
        """Open what was received, deliver it as one chunk, then what else was said."""
        cdef char* to = into.data if into != NULL else _plain
        cdef size_t most = into.cap if into != NULL else PLAIN
        cdef size_t n = 0, k = 0
        cdef int said = SSL_ERROR_WANT_READ
        cdef size_t before = self.wire.out_n
        while n < most:
            ERR_clear_error()
            if SSL_read_ex(self.ssl, to + n, most - n, &k) != 1:
                said = SSL_get_error(self.ssl, 0)
                break
            n += k
            if self.wire.n == 0 and SSL_pending(self.ssl) == 0:
                break
        self.chatter += self.wire.out_n - before
        self.account()
        self.deliver(to, n, into)
        if self.flags & S_CLOSED:
            return
        if said == SSL_ERROR_ZERO_RETURN:
            self.peer_farewell = True
            self.end_by_peer()
        elif self.wire.no_memory:
            self.fail(REASON_MEMORY)
        elif said != SSL_ERROR_WANT_READ:
            self.fail(REASON_UPSTREAM_TLS_FAILED if self.flags & S_UPSTREAM else REASON_TLS_FAILED)
        elif self.chatter > CHATTER:
            self.fail(
                REASON_UPSTREAM_STALLED if self.flags & S_UPSTREAM else REASON_CLIENT_STALLED
            )

    cdef void deliver(self, char* p, size_t n, Buffer* owner) noexcept:
        """Tell the codec of opened bytes: by reference where they fill much of their buffer."""
        cdef Chunk c
        cdef bint much = owner != NULL and (n >= owner.cap // 4 or pool_tight(self.engine.pool))
        c.p, c.n, c.owner = p, n, owner if much else NULL
        if much:
            owner.used = n
        elif owner != NULL:
            self.bulk_level = 0
        if n == 0 or self.flags & NOT_TOLD:
            chunk_release(&c)
        elif self.flags & S_PAUSED:
            self.hold(p, n)
            chunk_release(&c)
        else:
            self.codec.on_bytes(&c)
        if owner != NULL and not much:
            buffer_release(owner)

    cdef void deliver_held(self) noexcept:
        """Deliver what came while the codec wanted nothing."""
        cdef Buffer* b = self.held
        self.held = NULL
        self.deliver(b.data, b.used, NULL)
        buffer_release(b)
        if self.peer_farewell and not self.flags & S_CLOSED:
            self.end_by_peer()

    cdef void end_by_peer(self) noexcept:
        """The peer's close_notify: nothing of it counts that comes later (RFC 8446 section 6.1)."""
        if self.held != NULL:
            return
        self.flags = (self.flags | S_EOF | S_HALF_CLOSED) & ~<uint32_t>S_READABLE
        if not self.flags & NOT_TOLD:
            self.codec.on_eof()

    cdef void ended(self) noexcept:
        """A FIN without a close_notify: whoever cut the connection, its end can't be trusted."""
        self.flags |= S_BROKEN
        self.lose(0)

    cdef void lose(self, int error) noexcept:
        """The connection broke; inside the handshake that is the handshake's failure."""
        if self.state != T_SHAKING or not self.flags & S_UPSTREAM or self.flags & S_CLOSED:
            Stream.lose(self, error)
            return
        self.end(REASON_UPSTREAM_TLS_FAILED)
        self.tell_gone()

    # -- writing ----------------------------------------------------------------------------

    cdef bint flush(self) noexcept:
        """Write what is queued; before the handshake is done, only its own records."""
        if self.flags & (S_CLOSED | S_CONNECTING):
            return Stream.flush(self)
        if self.state != T_OPEN:
            if self.flags & S_CLOSE_AFTER:
                self.end(REASON_NONE)
                self.tell_gone()
                return False
            if self.sealed == 0:
                return False
        elif self.queued == 0 and self.flags & (S_SHUT_AFTER | S_CLOSE_AFTER):
            self.say_farewell()
        return Stream.flush(self)

    cdef bint send_pieces(self) noexcept:
        """Seal what is queued, then one sendmsg of all records."""
        if self.state == T_OPEN and not self.seal():
            return False
        if self.sealed == 0:
            return True
        return self.send_from(&self.wire.out)

    cdef bint seal(self) noexcept:
        """Make records of plain bytes, a turn's worth; False, and ended, where that fails."""
        cdef size_t most = RECORD if pool_tight(self.engine.pool) else SEAL_BYTES
        cdef size_t n, k = 0
        cdef const char* p
        while self.pieces.count and self.sealed < most:
            n = self.next_record(&p)
            ERR_clear_error()
            if SSL_write_ex(self.ssl, p, n, &k) != 1:
                self.fail(
                    REASON_MEMORY if self.wire.no_memory
                    else REASON_UPSTREAM_RESET if self.flags & S_UPSTREAM else REASON_CLIENT_RESET
                )
                return False
            pieces_taken(&self.pieces, k)
            self.queued -= k
            self.account()
        if self.pieces.count == 0:
            self.drop_plain()
            if self.flags & (S_SHUT_AFTER | S_CLOSE_AFTER):
                self.say_farewell()
        return True

    cdef size_t next_record(self, const char** p) noexcept:
        """The next plain bytes in one run: the oldest piece where it fills records, else several
        pieces put together, so that a head and its body share a record."""
        cdef Piece* piece = pieces_at(&self.pieces, 0)
        cdef size_t n = 0, k
        cdef uint32_t i
        p[0] = piece.p
        if piece.n >= RECORD or self.pieces.count == 1:
            return min(piece.n, <size_t>RUN)
        for i in range(self.pieces.count):
            piece = pieces_at(&self.pieces, i)
            k = min(piece.n, <size_t>RECORD - n)
            memcpy(_record + n, piece.p, k)
            n += k
            if n == RECORD:
                break
        p[0] = _record
        return n

    cdef void account(self) noexcept:
        """OpenSSL may have appended records: they are queued, and will be flushed."""
        self.queued += self.wire.out_n - self.sealed
        self.sealed = self.wire.out_n
        if self.sealed and not self.later and not self.flags & S_CLOSED:
            self.engine.do_later(self)

    cdef void sent(self, size_t n) noexcept:
        """The kernel took `n` bytes of records."""
        cdef size_t known = min(n, self.precounted)
        self.precounted -= known
        self.bytes_out += n - known
        self.queued -= n
        self.sealed -= n
        wire_taken(&self.wire, n)
        if self.sealed == 0:
            self.chatter = 0

    cdef void say_farewell(self) noexcept:
        """Queue our close_notify, once."""
        if not self.farewell:
            self.farewell = True
            ERR_clear_error()
            SSL_shutdown(self.ssl)
            self.account()

    cdef void drained(self) noexcept:
        """Nothing is queued any more."""
        if self.state == T_OPEN:
            Stream.drained(self)

    cdef void drop_plain(self) noexcept:
        """All plain bytes are sealed: let go of their memory."""
        pieces_drop(&self.pieces)
        if self.tail != NULL:
            buffer_release(self.tail)
            self.tail = NULL

    cdef void drop_queue(self) noexcept:
        """Let go of plain bytes and records."""
        Stream.drop_queue(self)
        wire_drop(&self.wire)
        self.sealed = self.precounted = 0

    # -- ending -----------------------------------------------------------------------------

    cdef void fail(self, Reason why) noexcept:
        """Give up: the alert that OpenSSL may have left is sent if the socket takes it."""
        if self.flags & S_CLOSED:
            return
        self.account()
        if self.sealed and not self.flags & (S_BLOCKED | S_BROKEN):
            self.send_from(&self.wire.out)
        self.end(why)
        self.tell_gone()

    cdef void end(self, Reason why) noexcept:
        """Close the descriptor, forget the session."""
        Stream.end(self, why)
        self.choice = None
        if self.held != NULL:
            buffer_release(self.held)
            self.held = NULL
        if self.ssl != NULL:
            if self.state == T_OPEN and why != REASON_TLS_FAILED and (
                why != REASON_UPSTREAM_TLS_FAILED
            ):
                # However it ended, its tickets may begin another one.
                SSL_set_shutdown(self.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
            SSL_free(self.ssl)
            self.ssl = NULL
