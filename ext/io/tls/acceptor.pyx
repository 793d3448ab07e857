"""TlsAcceptor; see acceptor.pxd."""

cimport cython
from libc.stdint cimport int64_t
from fastgw.ext.base.buffers cimport Chunk, chunk_release
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.reasons cimport (
    REASON_DRAINING, REASON_NONE, REASON_TLS_FAILED, REASON_TLS_TIMEOUT,
)
from fastgw.ext.io.stream cimport (
    EVENT_HANDSHAKE, EVENT_HANDSHAKE_LEGACY, EVENT_HANDSHAKE_RESUMED, Stream,
)
from fastgw.ext.io.tls.openssl cimport TLS1_2_VERSION

cdef enum:
    LOG_EVERY_MS = 1000         # at most one line in this time


cdef void _due(void* owner, int kind) noexcept:
    cdef Greeter g = <Greeter>owner
    g.home.drop(g, REASON_TLS_TIMEOUT)


@cython.no_gc
@cython.final
cdef class Greeter(Codec):
    """See acceptor.pxd."""

    def __cinit__(self):
        deadline_init(&self.deadline, <void*>self, _due)

    cdef void on_open(self) noexcept:
        """The handshake is done."""
        self.home.opened(self)

    cdef void on_bytes(self, Chunk* c) noexcept:
        """Nothing is told before `on_open`, and afterwards there is another codec."""
        chunk_release(c)

    cdef void on_gone(self, Reason why) noexcept:
        """It came to nothing."""
        self.home.gone(self, why)


@cython.final
cdef class TlsAcceptor(Acceptor):
    """See acceptor.pxd. `log`: called with (event, details), at most once a second."""

    def __init__(self, Acceptor behind not None, TlsServer server not None, log=None) -> None:
        self.behind, self.server, self.log = behind, server, log
        self.by_address = {}
        self.logged_ms = -LOG_EVERY_MS

    def offer(self, TlsServer server not None) -> None:
        """From now on new connections get what `server` offers; established ones stay."""
        self.server = server

    def abort(self) -> None:
        """Close every connection whose handshake is under way."""
        while self.oldest is not None:
            self.drop(self.oldest, REASON_DRAINING)

    # -- accepting --------------------------------------------------------------------------

    cdef Stream new_stream(self):
        """See listener.pxd."""
        return TlsStream.__new__(TlsStream)

    cdef void on_accept(self, Stream s) noexcept:
        """Await the hello of a new connection."""
        cdef Greeter g = Greeter.__new__(Greeter)
        g.home, g.stream = self, <TlsStream>s
        g.address = (<const char*>s.facts.peer.ip)[:16]
        s.codec = g
        g.stream.begin_server(self.server)
        self.make_room(g)
        self.enter(g)
        if self.server.handshake_ms:
            s.engine.wheel.set(&g.deadline, s.engine.now_ms + self.server.handshake_ms)

    cdef void make_room(self, Greeter g) noexcept:
        """At a bound the oldest greeter has to go: of the same address, or of all."""
        cdef Greeter old = self.oldest
        if self.by_address.get(g.address, 0) >= self.server.most_by_address:
            while old is not None and old.address != g.address:
                old = old.newer
            if old is not None:
                self.drop(old, REASON_TLS_TIMEOUT)
        if self.greeting >= self.server.most_handshakes and self.oldest is not None:
            self.drop(self.oldest, REASON_TLS_TIMEOUT)

    cdef void enter(self, Greeter g) noexcept:
        """Count a greeter, as the newest."""
        self.greeting += 1
        self.by_address[g.address] = self.by_address.get(g.address, 0) + 1
        g.older = self.newest
        if self.newest is not None:
            self.newest.newer = g
        else:
            self.oldest = g
        self.newest = g

    cdef void leave(self, Greeter g) noexcept:
        """It is one no more, whatever became of it; once."""
        if g.stream is None:
            return
        g.stream.engine.wheel.clear(&g.deadline)
        g.stream.engine.keep(g)
        g.stream = None
        if g.older is not None:
            g.older.newer = g.newer
        else:
            self.oldest = g.newer
        if g.newer is not None:
            g.newer.older = g.older
        else:
            self.newest = g.older
        g.older = g.newer = None
        self.greeting -= 1
        self.by_address[g.address] -= 1
        if self.by_address[g.address] == 0:
            del self.by_address[g.address]

    # -- how it ends ------------------------------------------------------------------------

    cdef void opened(self, Greeter g) noexcept:
        """Hand the stream on."""
        cdef TlsStream s = g.stream
        self.leave(g)
        self.handshakes += 1
        self.resumed += s.tls.resumed
        self.count(s)
        self.behind.on_accept(s)
        if s.codec is g:
            s.abort(REASON_NONE)

    cdef void drop(self, Greeter g, Reason why) noexcept:
        """Close it before its handshake is done."""
        cdef TlsStream s = g.stream
        if s is None:
            return
        self.timeouts += why == REASON_TLS_TIMEOUT
        if s.tally is not None:
            s.tally.unsecured(why)
        self.leave(g)
        s.abort(why)

    cdef void gone(self, Greeter g, Reason why) noexcept:
        """The connection ended; a failed handshake is told."""
        if g.stream is not None and g.stream.tally is not None:
            g.stream.tally.unsecured(why)
        if why == REASON_TLS_FAILED:
            self.failures += 1
            self.tell(g)
        self.leave(g)

    cdef void count(self, TlsStream s) noexcept:
        """A handshake was finished."""
        if s.tally is None:
            return
        s.tally.happened(EVENT_HANDSHAKE)
        if s.tls.version == TLS1_2_VERSION:
            s.tally.happened(EVENT_HANDSHAKE_LEGACY)
        if s.tls.resumed:
            s.tally.happened(EVENT_HANDSHAKE_RESUMED)

    cdef void tell(self, Greeter g) noexcept:
        """Log a failure, at most once a second."""
        cdef TlsStream s = g.stream
        cdef int64_t now_ms
        if s is None or self.log is None:
            return
        now_ms = s.engine.now_ms
        if now_ms < self.logged_ms + LOG_EVERY_MS:
            return
        self.logged_ms = now_ms
        try:
            peer = s.facts.peer.text[:s.facts.peer.text_n].decode("ascii", "replace")
            name = s.tls.name[:s.tls.name_n].decode("ascii") if s.tls.name != NULL else ""
            self.log("tls_failed", {"peer": peer, "name": name, "why": self.server.trouble})
        except Exception:
            self.log = None
