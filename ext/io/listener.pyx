"""Listener; see listener.pxd."""

from libc.errno cimport EAGAIN, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.stdlib cimport free
import os
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.reasons cimport REASON_NONE
from fastgw.ext.io.address cimport address_fill, address_text
from fastgw.ext.io.connection_limit cimport limit_full
from fastgw.ext.io.options cimport set_deferred, set_options
from fastgw.ext.io.stream cimport EVENT_FILE_STOP, EVENT_LIMIT_STOP, S_READABLE
from fastgw.ext.io.syscalls cimport (
    AF_INET, AF_INET6, EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLRDHUP, SOCK_CLOEXEC, SOCK_NONBLOCK,
    accept4, close_fd, getsockname, sockaddr_storage, socklen_t,
)

cdef enum:
    MOST_A_TURN = 64            # connections accepted in one turn
    RETRY_MS = 100              # wait after descriptors ran out
    LOG_EVERY_MS = 1000         # at most one line in this time
    USER_TIMEOUT_MS = 30000     # default bound on unacknowledged bytes


cdef class Acceptor:
    """See listener.pxd."""

    cdef Stream new_stream(self):
        """An empty stream of the kind that this listener makes; plain by default."""
        return Stream.__new__(Stream)

    cdef void on_accept(self, Stream s) noexcept:
        """Give `s` its codec, or abort it; it is registered and may be written to."""


cdef class Door:
    """See listener.pxd."""

    cdef bint receive(self, Listener home, int fd, const Address* peer) noexcept:
        """Ask an accepted connection, which is counted in `home.limit`; it is the door's from here
        on, until it calls `home.begin`. Whether to go on accepting."""
        return home.begin(fd, peer, peer, &home.local, home.limit, NULL, home.acceptor)


cdef class Listener(Handle):
    """See listener.pxd. Takes `fd` over: a socket that listens and does not block."""

    def __init__(self, Engine engine not None, int fd, Acceptor acceptor not None,
                 ConnectionLimit limit not None, uint16_t index=0,
                 uint32_t user_timeout_ms=USER_TIMEOUT_MS, bint shared=False, log=None,
                 Door door=None, ConnectionTally tally=None):
        cdef sockaddr_storage ours
        cdef socklen_t n = sizeof(ours)
        if getsockname(fd, <sockaddr*>&ours, &n) < 0:
            raise OSError(errno, os.strerror(errno))
        address_fill(&self.local, <sockaddr*>&ours)
        self.wildcard = is_wildcard(&self.local)
        self.acceptor, self.limit, self.index, self.log = acceptor, limit, index, log
        self.shared, self.door, self.tally = shared, door, tally
        self.share = 1
        deadline_init(&self.retry, <void*>self, retry_now)
        set_options(fd, self.local.family, user_timeout_ms)
        self.fd = fd
        engine.add(self, EPOLLIN | EPOLLEXCLUSIVE if shared else EPOLLIN)
        limit.watch(self)

    # -- from Python ----------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Where it listens, for logs."""
        return address_text(&self.local)

    @property
    def accepting(self) -> bool:
        """Whether it accepts now."""
        return self.fd >= 0 and self.interest != 0

    def pause(self) -> None:
        """Accept nothing until `resume`; what arrives waits in the kernel's queue."""
        self.held = True
        self.stop()

    def resume(self) -> None:
        """Accept again."""
        self.held = False
        self.go_on()

    def defer(self, bint on) -> None:
        """Accept a connection only once its client has spoken, as in TLS it does first: that spares
        a wake-up each, and those who never speak cost nothing for a while."""
        if on != self.deferred:
            self.deferred = on
            set_deferred(self.fd, self.local.family, on)

    def close(self) -> None:
        """Stop for good and close the descriptor."""
        if self.fd >= 0:
            self.engine.wheel.clear(&self.retry)
            self.limit.forget(self)
            self.engine.drop(self)

    # -- events ---------------------------------------------------------------------------

    cdef void on_events(self, uint32_t events) noexcept:
        """Someone waits: accept about as many as came the last time, which spares the call
        that only finds the queue empty; what is left is reported again."""
        cdef int i
        for i in range(self.share):
            if not self.accept_one():
                self.share = i if i else 1
                return
        self.share = self.share * 2 if self.share < MOST_A_TURN // 2 else MOST_A_TURN

    cdef bint accept_one(self) noexcept:
        """Accept a connection; False: no more for now."""
        cdef sockaddr_storage peer
        cdef socklen_t n = sizeof(peer)
        cdef int fd
        if limit_full(self.limit):
            self.at_limit += 1
            self.count(EVENT_LIMIT_STOP)
            self.limit.stop()
            self.stop()
            self.tell("connection_limit", self.limit.max)
            return False
        peer.ss_family = self.local.family      # unix peers without a name send nothing
        fd = accept4(self.fd, <sockaddr*>&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if fd >= 0:
            return self.welcome(fd, <sockaddr*>&peer)
        if errno == EAGAIN:
            return False
        self.refused(errno)
        return self.interest != 0

    cdef bint welcome(self, int fd, const sockaddr* peer) noexcept:
        """Take an accepted descriptor; whether to go on accepting."""
        cdef Address a
        self.accepted += 1
        self.limit.enter()
        address_fill(&a, peer)
        if self.door is not None:
            return self.door.receive(self, fd, &a) and self.fd >= 0
        return self.begin(fd, &a, &a, &self.local, self.limit, NULL, self.acceptor)

    cdef bint begin(
        self, int fd, const Address* peer, const Address* client, const Address* local,
        ConnectionLimit limit, void* proxy, Acceptor acceptor,
    ) noexcept:
        """Make a stream of a descriptor that is counted in `limit`, and hand it on; whether to go
        on. `proxy` is the stream's from here on."""
        cdef Stream s
        try:
            s = acceptor.new_stream()
            s.fd = fd
            self.engine.adopt(s, EPOLLIN | EPOLLRDHUP | EPOLLET)
        except Exception as e:
            close_fd(fd)
            free(proxy)
            if s is not None:
                s.fd = -1
            self.accepted -= 1
            limit.leave()
            self.tell("accept_failed", repr(e))
            return False
        s.limit = limit
        s.facts.peer, s.facts.client = peer[0], client[0]
        if local == &self.local and self.wildcard:
            s.facts.local.port = self.local.port
        else:
            s.facts.local = local[0]
        s.facts.listener = self.index
        s.facts.proxy = proxy
        if self.tally is not None:
            s.tally = self.tally
            self.tally.begun(s)
        acceptor.on_accept(s)
        if s.codec is None:
            s.abort(REASON_NONE)
        else:
            # It may have something to read already: not another wake-up for that.
            s.flags |= S_READABLE
            self.engine.do_later(s)
        return self.fd >= 0

    cdef void refused(self, int error) noexcept:
        """Accept4 failed: the connection was gone already, or there is no descriptor."""
        if error == EINTR:
            return
        if error not in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
            self.aborted += 1
            return
        self.no_files += 1
        self.count(EVENT_FILE_STOP)
        self.stop()
        self.engine.wheel.set(&self.retry, self.engine.now_ms + RETRY_MS)
        self.tell("no_files", os.strerror(error))

    # -- stopping and going on ------------------------------------------------------------

    cdef void stop(self) noexcept:
        """Accept nothing for now."""
        self.engine.change(self, 0)

    cdef void go_on(self) noexcept:
        """Accept again, unless something else stands against it."""
        if self.fd >= 0 and not self.held and self.retry.at_ms == 0 and not limit_full(self.limit):
            self.engine.change(self, EPOLLIN | EPOLLEXCLUSIVE if self.shared else EPOLLIN)

    cdef void on_relief(self) noexcept:
        """A connection ended (the limit says so)."""
        self.go_on()

    cdef void count(self, ConnectionEvent what) noexcept:
        """Something happened that is counted, by whoever counts."""
        if self.tally is not None:
            self.tally.happened(what)

    cdef void tell(self, str event, object details) noexcept:
        """Log, at most once a second."""
        if self.log is None or self.engine.now_ms < self.logged_ms + LOG_EVERY_MS:
            return
        self.logged_ms = self.engine.now_ms
        self.log(event, {"listener": self.address, "details": details})


cdef bint is_wildcard(const Address* a) noexcept:
    """Whether it means any address of the machine."""
    cdef int i
    if a.family != AF_INET and a.family != AF_INET6:
        return False
    for i in range(16 - 12 if a.family == AF_INET else 16):
        if a.ip[12 + i if a.family == AF_INET else i]:
            return False
    return True


cdef void retry_now(void* owner, int kind) noexcept:
    """A deadline's fire function: descriptors may be there again."""
    (<Listener>owner).go_on()
