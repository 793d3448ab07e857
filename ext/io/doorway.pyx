"""Doorway and Arrival; see doorway.pxd."""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int32_t
from libc.stdlib cimport free
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.io.address cimport address_of
from fastgw.ext.io.listener cimport Acceptor
from fastgw.ext.io.passthrough cimport PassAcceptor
from fastgw.ext.io.peer_limits import LocalPeerLimits
from fastgw.ext.io.peer_limits cimport (
    PEER_ADMITTED, PEER_TOO_MANY, PEER_UNCOUNTED, PeerVerdict, new_lease,
)
from fastgw.ext.io.proxy_protocol cimport (
    PROXY_BAD, PROXY_MORE, ProxyHeader, ProxyLook, proxy_keep, proxy_look,
)
from fastgw.ext.io.stream cimport (
    EVENT_ADDRESS_TOO_FAST, EVENT_ADDRESS_TOO_MANY, EVENT_ADDRESS_UNCOUNTED, EVENT_ARRIVAL_LEFT,
    EVENT_ARRIVAL_TIMED_OUT, EVENT_NAME_UNKNOWN, EVENT_PROXY_MALFORMED, EVENT_PROXY_UNTRUSTED,
)
from fastgw.ext.io.syscalls cimport (
    AF_UNIX, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLRDHUP, MSG_DONTWAIT, MSG_PEEK, close_fd,
    recv, ssize_t,
)
from fastgw.ext.io.tls.hello cimport HELLO_MORE, HELLO_WHOLE, Hello, HelloLook, hello_look

cdef enum:
    LOOK_MOST = 20480           # bytes that are looked at: more than any header or hello


cdef void _due(void* owner, int kind) noexcept:
    cdef Arrival a = <Arrival>owner
    a.doorway.timeouts += 1
    a.home.count(EVENT_ARRIVAL_TIMED_OUT)
    a.drop()


cdef class Doorway(Door):
    """See doorway.pxd. `options` are those of `door_options`."""

    def __init__(self, options: dict, Networks trusted not None) -> None:
        limits, passes = options["per_address"], options["passthrough"]
        self.options, self.trusted = options, trusted
        self.proxy, self.terminates = options["proxy"], options["terminates"]
        self.timeout_ms = options["arrival_ms"]
        self.peers = LocalPeerLimits(**limits) if limits is not None else None
        self.arrivals = set()
        if passes is not None:
            self.passes = {
                name.lower().removeprefix("*").encode(): make_pass(name, one)
                for name, one in passes.items()
            }

    def readdress(self, names: dict) -> None:
        """Addresses of host names of servers that connections are carried to."""
        for acceptor in set((self.passes or {}).values()):
            acceptor.readdress(names)

    def set_recorder(self, recorder) -> None:
        """Who is told of connections that were carried to a server (a PassRecorder), or None."""
        for acceptor in set((self.passes or {}).values()):
            acceptor.set_recorder(recorder)

    def passing(self) -> list:
        """Connections that are carried to servers now."""
        return [p for acceptor in set((self.passes or {}).values()) for p in acceptor.passes()]

    def count_bytes(self) -> None:
        """Count the bytes of connections that are carried to servers."""
        for acceptor in set((self.passes or {}).values()):
            acceptor.count_bytes()

    def abort_passes(self) -> None:
        """End every connection that is carried to a server."""
        for acceptor in set((self.passes or {}).values()):
            acceptor.abort()

    def counters(self) -> dict[str, int]:
        """What was refused, and why; what is under way."""
        passes = set((self.passes or {}).values())
        return {
            "proxy_untrusted": self.untrusted,
            "proxy_malformed": self.malformed,
            "arrivals": len(self.arrivals),
            "arrivals_timed_out": self.timeouts,
            "arrivals_left": self.left,
            "names_unknown": self.unnamed,
            "address_too_many": self.peers.too_many if self.peers is not None else 0,
            "address_too_fast": self.peers.too_fast if self.peers is not None else 0,
            "address_uncounted": self.peers.uncounted if self.peers is not None else 0,
            "passes_live": sum(len(a) for a in passes),
            "passes_begun": sum(a.begun for a in passes),
            "passes_failed": sum(a.failed for a in passes),
        }

    def abort(self) -> None:
        """Close every connection that is still asked."""
        cdef Arrival a
        for a in list(self.arrivals):
            a.drop()

    def __len__(self) -> int:
        """How many are asked now."""
        return len(self.arrivals)

    @property
    def is_empty(self) -> bool:
        """Whether nobody is asked, or carried to a server."""
        return not self.arrivals and not any(map(len, (self.passes or {}).values()))

    cdef bint receive(self, Listener home, int fd, const Address* peer) noexcept:
        """See listener.pxd."""
        cdef Arrival a
        cdef ConnectionLimit limit = None
        if self.proxy and not self.trusts(peer):
            self.untrusted += 1
            home.count(EVENT_PROXY_UNTRUSTED)
            home.limit.leave()
            close_fd(fd)
            home.tell("proxy_protocol", f"{peer.text[:peer.text_n].decode()} is no trusted proxy")
            return True
        try:
            if not self.proxy:
                limit = self.admit(home, peer)
                if limit is None:
                    close_fd(fd)
                    return True
            if not self.proxy and self.passes is None:
                home.begin(fd, peer, peer, &home.local, limit, NULL, home.acceptor)
                return True
            a = Arrival.__new__(Arrival)
            a.doorway, a.home = self, home
            a.limit = limit if limit is not None else home.limit
            a.peer, a.client = peer[0], peer[0]
            a.local.port = home.local.port
            if not home.wildcard:
                a.local = home.local
            a.fd = fd
            home.engine.add(a, EPOLLIN | EPOLLRDHUP | EPOLLET)
        except Exception as e:
            (limit if limit is not None else home.limit).leave()
            if a is not None:
                a.fd = -1
            close_fd(fd)
            home.tell("accept_failed", repr(e))
            return False
        self.arrivals.add(a)
        home.engine.wheel.set(&a.deadline, home.engine.now_ms + self.timeout_ms)
        return True

    cdef bint trusts(self, const Address* a) noexcept:
        """Whether the peer may say who its client is. Who reaches a unix socket is local."""
        return a.family == AF_UNIX or self.trusted.contains(a.ip)

    cdef ConnectionLimit admit(self, Listener home, const Address* client):
        """What the connection counts against; None: refused, and given back."""
        cdef int32_t row = -1
        cdef PeerVerdict said
        if self.peers is None or self.trusts(client):
            return home.limit
        said = self.peers.enter(client.ip, home.engine.now_ms, &row)
        if said == PEER_ADMITTED:
            return new_lease(self.peers, home.limit, row)
        if said == PEER_UNCOUNTED:
            home.count(EVENT_ADDRESS_UNCOUNTED)
            return home.limit
        home.count(EVENT_ADDRESS_TOO_MANY if said == PEER_TOO_MANY else EVENT_ADDRESS_TOO_FAST)
        home.limit.leave()
        home.tell("address_limit", client.text[:client.text_n].decode())
        return None

    cdef object taker(self, const char* name, size_t n):
        """Who takes connections for a name as they are: exact, then by suffix, then anyone."""
        cdef bytes text = name[:n]
        found = self.passes.get(text)
        at = text.find(b".")
        while found is None and at >= 0:
            found = self.passes.get(text[at:])
            at = text.find(b".", at + 1)
        return self.passes.get(b"") if found is None else found


cdef class Arrival(Handle):
    """See doorway.pxd."""

    def __cinit__(self):
        deadline_init(&self.deadline, <void*>self, _due)

    def __dealloc__(self):
        free(self.kept)

    cdef void on_events(self, uint32_t events) noexcept:
        """More bytes, or the end."""
        if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            self.ended = True
        self.look()

    cdef void look(self) noexcept:
        """See how far it has come."""
        cdef ssize_t n
        while self.fd >= 0:
            n = recv(self.fd, self.engine.scratch, LOOK_MOST, MSG_PEEK | MSG_DONTWAIT)
            if n < 0 and errno == EINTR:
                continue
            if n < 0 and errno == EAGAIN and not self.ended:
                return
            if n <= 0:
                self.doorway.left += 1
                self.home.count(EVENT_ARRIVAL_LEFT)
                self.drop()
                return
            if self.doorway.proxy and not self.announced:
                if not self.take_proxy(n):
                    return
                if self.doorway.passes is not None:
                    continue
                self.pass_on(self.home.acceptor)
            elif not self.take_name(n):
                return

    cdef bint take_proxy(self, ssize_t n) noexcept:
        """Take the PROXY header out of the socket; False: it is not whole, or refused."""
        cdef ProxyHeader h
        cdef ProxyLook said = proxy_look(self.engine.scratch, n, &h)
        if said == PROXY_MORE and not self.ended:
            return False
        if said == PROXY_BAD or said == PROXY_MORE:
            self.doorway.malformed += 1
            self.home.count(EVENT_PROXY_MALFORMED)
            self.home.tell("proxy_protocol", "a header that is none")
            self.drop()
            return False
        self.announced = True
        self.kept = proxy_keep(&h)
        if h.family:
            address_of(&self.client, h.family, h.source, h.source_port)
            address_of(&self.local, h.family, h.dest, h.dest_port)
        if recv(self.fd, self.engine.scratch, h.n, MSG_DONTWAIT) != <ssize_t>h.n:
            self.drop()
            return False
        return self.count()

    cdef bint count(self) noexcept:
        """Limits by the address that the header told; False: refused."""
        cdef ConnectionLimit limit = None
        try:
            limit = self.doorway.admit(self.home, &self.client)
        except MemoryError:
            self.home.limit.leave()
        self.limit = limit
        if limit is None:
            self.drop()
            return False
        return True

    cdef bint take_name(self, ssize_t n) noexcept:
        """Look at the ClientHello; False: it is not whole. What is none is for the listener's own
        protocol to refuse."""
        cdef Hello hello
        cdef HelloLook said = hello_look(self.engine.scratch, n, &hello)
        cdef object to = None
        if said == HELLO_MORE and not self.ended and n < LOOK_MOST:
            return False
        if said == HELLO_WHOLE:
            try:
                to = self.doorway.taker(hello.name, hello.name_n)
            except MemoryError:
                self.drop()
                return False
        if to is None and self.doorway.terminates:
            to = self.home.acceptor
        if isinstance(to, PassAcceptor):
            (<PassAcceptor>to).asked = hello.name[:hello.name_n]
        if to is None:
            self.doorway.unnamed += 1
            self.home.count(EVENT_NAME_UNKNOWN)
            self.drop()
        else:
            self.pass_on(to)
        return True

    cdef void pass_on(self, object acceptor) noexcept:
        """Make it a stream."""
        cdef ConnectionLimit limit = self.limit
        cdef ProxyFacts* kept = self.kept
        cdef int fd = self.engine.release(self)
        self.limit, self.kept = None, NULL
        self.done()
        self.home.begin(
            fd, &self.peer, &self.client, &self.local, limit, kept, <Acceptor>acceptor
        )

    cdef void drop(self) noexcept:
        """Close it."""
        if self.fd < 0:
            return
        self.engine.drop(self)
        if self.limit is not None:
            self.limit.leave()
            self.limit = None
        self.done()

    cdef void done(self) noexcept:
        """It is asked nothing more."""
        self.engine.wheel.clear(&self.deadline)
        self.doorway.arrivals.discard(self)


def door_options(options: dict, Networks trusted) -> dict | None:
    """What a listener's options in the plan ask of its door; None: it needs none."""
    if not {"proxy_protocol", "per_address", "passthrough"} & options.keys():
        return None
    return {
        "proxy": "proxy_protocol" in options,
        "per_address": options.get("per_address"),
        "passthrough": options.get("passthrough"),
        "terminates": "tls" in options,
        "arrival_ms": options.get("arrival_ms", 5000),
        "trusted": trusted.texts,
    }


def make_pass(name: str, options: dict) -> PassAcceptor:
    """Who carries the connections of a name."""
    return PassAcceptor(
        name,
        options["servers"],
        proxy=options.get("send_proxy", 0),
        connect_ms=options.get("connect_ms", 2000),
        idle_ms=options.get("idle_ms", 3_600_000),
    )
