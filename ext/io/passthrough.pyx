"""Passthrough; see passthrough.pxd."""

import socket
from struct import pack
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.reasons cimport (
    REASON_CLIENT_RESET, REASON_NONE, REASON_TUNNEL_IDLE, REASON_UPSTREAM_RESET,
    REASON_UPSTREAM_UNRESOLVED,
)
from fastgw.ext.io.address cimport learn_local
from fastgw.ext.io.connect cimport connect_stream
from fastgw.ext.io.stream cimport (
    EVENT_PASS_BEGUN, EVENT_PASS_ENDED, EVENT_PASS_FAILED, EVENT_PASS_IDLE, ConnectionEvent,
)
from fastgw.ext.io.proxy_protocol cimport PROXY_OUT_MOST, ProxyFacts, put_proxy

cdef enum:
    USER_TIMEOUT_MS = 90000     # the kernel's last resort

cdef uint64_t _ALL = <uint64_t>1 << 62


def sockaddr(family: int, host: str, port: int) -> bytes:
    """A struct sockaddr; `host` is an address, or a path for unix sockets."""
    if family == socket.AF_UNIX:
        return pack("=H", family) + host.encode() + b"\0"
    packed = socket.inet_pton(family, host)
    if family == socket.AF_INET:
        return pack("=H", family) + pack("!H", port) + packed + bytes(8)
    return pack("=H", family) + pack("!HI", port, 0) + packed + pack("=I", 0)


cdef void _due(void* owner, int kind) noexcept:
    (<Pass>owner).on_deadline()


def place(family: int, host: str, port: int) -> bytes:
    """An address as it stands in logs."""
    if family == socket.AF_UNIX:
        return b"unix:" + host.encode()
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    return f"tcp://{shown}:{port}".encode()


cdef class PassRecorder:
    """See passthrough.pxd."""

    cdef void record(self, Pass p) noexcept:
        """Write down what is to be kept of `p`."""


cdef class PassAcceptor(Acceptor):
    """See passthrough.pxd. `servers`: {host, port, addresses: [[family, address, port], ...]},
    `named` if the host is a name whose addresses are told."""

    def __init__(
        self, name: str, servers, *, uint8_t proxy=0, uint32_t connect_ms=2000,
        uint32_t idle_ms=3_600_000,
    ) -> None:
        self.name, self.proxy, self.label = name, proxy, name.encode()
        self.connect_ms, self.idle_ms = connect_ms, idle_ms
        self.told, self.asked = {}, b""
        self.written = list(servers)
        if not self.written:
            raise ValueError(f"passthrough {name}: there is no server")
        self.readdress({})
        self.live = set()

    def readdress(self, names: dict) -> None:
        """Addresses of host names from now on, {name: [[family, text], ...]}; one that is
        missing keeps what it had."""
        for one in self.written:
            if one.get("named") and one["host"] in names:
                self.told[one["host"]] = [[*a, one["port"]] for a in names[one["host"]]]
        addresses = [
            address
            for one in self.written
            for address in self.told.get(one["host"], one["addresses"])
        ]
        self.servers = [sockaddr(*address) for address in addresses]
        self.places = [place(*address) for address in addresses]

    def set_recorder(self, PassRecorder recorder) -> None:
        """Who is told of connections that end from now on."""
        self.recorder = recorder

    def passes(self) -> list:
        """All that are under way."""
        return list(self.live)

    def count_bytes(self) -> None:
        """Count the bytes that clients and servers have exchanged so far."""
        cdef Pass p
        for p in self.live:
            if p.client.stream is not None and p.tally is not None:
                p.tally.count(p.client.stream)

    def abort(self) -> None:
        """End all that are under way."""
        cdef Pass p
        for p in list(self.live):
            if p.client.stream is not None:
                p.client.stream.abort(REASON_NONE)

    def __len__(self) -> int:
        """How many are under way."""
        return len(self.live)

    cdef void on_accept(self, Stream s) noexcept:
        """See listener.pxd."""
        cdef Pass p = Pass.__new__(Pass)
        p.acceptor = self
        p.client, p.server = PassEnd.__new__(PassEnd), PassEnd.__new__(PassEnd)
        p.client.home = p.server.home = p
        p.client.other, p.server.other = p.server, p.client
        p.client.stream = s
        s.codec = p.client
        s.pause()
        self.begun += 1
        self.live.add(p)
        p.tally, p.accepted = s.tally, s
        p.asked, p.where, p.begun_us = self.asked, b"", s.engine.now_us
        p.count(EVENT_PASS_BEGUN)
        if self.servers:
            p.connect()
        else:
            self.failed += 1
            p.why = REASON_UPSTREAM_UNRESOLVED
            p.count(EVENT_PASS_FAILED)
            s.reset(REASON_CLIENT_RESET)


cdef class PassEnd(Codec):
    """See passthrough.pxd."""

    cdef void flow(self) noexcept:
        """Let what this end's peer says go to the other end: by splice, or by reading."""
        if self.stream is None or self.other.stream is None:
            return
        self.stream.set_bulk(True)
        self.stream.resume()
        self.stream.relay(self.other.stream, _ALL)

    cdef void on_open(self) noexcept:
        """A server took it."""
        self.home.opened()

    cdef void on_bytes(self, Chunk* c) noexcept:
        """Bytes that are not relayed."""
        cdef Stream to = self.other.stream
        self.home.moved_ms = self.stream.engine.now_ms
        if to is not None and not to.write(c):
            self.stream.pause()

    cdef void on_room(self) noexcept:
        """The other end may go on."""
        if self.other.stream is not None:
            self.other.stream.resume()

    cdef void on_relayed(self, uint64_t moved, bint done) noexcept:
        """Bytes went by splice; what comes after `done` is read."""
        if self.stream is not None:
            self.home.moved_ms = self.stream.engine.now_ms

    cdef void on_eof(self) noexcept:
        """This end's peer has said all; the other end may still talk."""
        self.ended = True
        if self.other.stream is None:
            self.stream.close()
            return
        self.other.stream.half_close()
        if self.other.ended:
            self.stream.close()
            self.other.stream.close()

    cdef void on_half_closed(self) noexcept:
        """Bytes before the FIN are still to be read."""

    cdef void on_gone(self, Reason why) noexcept:
        """The connection is over, by whoever's doing."""
        self.home.over(self, why)


cdef class Pass:
    """See passthrough.pxd."""

    def __cinit__(self):
        deadline_init(&self.deadline, <void*>self, _due)

    cdef void connect(self):
        """Try the next server."""
        cdef PassAcceptor a = self.acceptor
        cdef uint32_t turn = a.turn % <uint32_t>len(a.servers)
        cdef bytes address = <bytes>a.servers[turn]
        self.where = <bytes>a.places[turn]
        self.tried_us = self.client.stream.engine.now_us
        a.turn += 1
        self.tries += 1
        self.server.stream = connect_stream(
            self.client.stream.engine, self.server, <const char*>address, len(address),
            USER_TIMEOUT_MS,
        )
        self.set_deadline(a.connect_ms)

    cdef void opened(self) noexcept:
        """Let bytes flow both ways."""
        self.open, self.why = True, REASON_NONE
        self.moved_ms = self.client.stream.engine.now_ms
        self.opened_us = self.client.stream.engine.now_us
        self.set_deadline(self.acceptor.idle_ms)
        if not self.announce():
            self.client.stream.reset(REASON_CLIENT_RESET)
            return
        self.client.flow()
        self.server.flow()

    cdef bint announce(self) noexcept:
        """Tell the server who the client is, if it wants to know; False without memory."""
        cdef Stream s = self.client.stream
        cdef ProxyFacts* kept = <ProxyFacts*>s.facts.proxy
        cdef char* at
        cdef size_t n
        if self.acceptor.proxy == 0:
            return True
        learn_local(s)
        n = PROXY_OUT_MOST + (kept.n if kept != NULL else 0)
        at = self.server.stream.reserve(n)
        if at == NULL:
            return False
        self.server.stream.commit(
            put_proxy(at, self.acceptor.proxy, &s.facts.client, &s.facts.local, kept)
        )
        return True

    cdef void refused(self) noexcept:
        """The server that was tried did not take it."""
        cdef PassAcceptor a = self.acceptor
        self.server.stream = None
        if self.client.stream is None:
            return
        if self.tries < <size_t>len(a.servers) and self.tries < 255:
            try:
                self.connect()
                return
            except MemoryError:
                pass
        a.failed += 1
        self.count(EVENT_PASS_FAILED)
        self.client.stream.reset(REASON_CLIENT_RESET)

    cdef void on_deadline(self) noexcept:
        """No connection in time, or no byte for long."""
        cdef Stream s = self.client.stream
        if s is None:
            return
        if not self.open:
            self.server.stream.abort(REASON_UPSTREAM_RESET)
        elif s.engine.now_ms < self.moved_ms + self.acceptor.idle_ms:
            self.set_deadline(<uint32_t>(self.moved_ms + self.acceptor.idle_ms - s.engine.now_ms))
        else:
            self.acceptor.idle += 1
            self.why = REASON_TUNNEL_IDLE
            self.count(EVENT_PASS_IDLE)
            s.abort(REASON_NONE)

    cdef void count(self, ConnectionEvent what) noexcept:
        """Something happened that is counted, by whoever counts."""
        if self.tally is not None:
            self.tally.happened(what)

    cdef void set_deadline(self, uint32_t after_ms) noexcept:
        """Look again after that time; 0 = never."""
        cdef Stream s = self.client.stream
        if after_ms:
            s.engine.wheel.set(&self.deadline, s.engine.now_ms + after_ms)
        else:
            s.engine.wheel.clear(&self.deadline)

    cdef void over(self, PassEnd gone, Reason why) noexcept:
        """One end is gone: the other one ends likewise, a reset by a reset."""
        cdef Stream was = gone.stream
        cdef Stream left = gone.other.stream
        if was is None:
            return
        if gone is self.server and not self.open:
            self.why = why
            self.refused()
            return
        if self.why == REASON_NONE:
            self.why = why
        if gone is self.client:
            self.bytes_in, self.bytes_out = was.bytes_in, was.bytes_out
            self.acceptor.bytes_in += was.bytes_in
            self.acceptor.bytes_out += was.bytes_out
        gone.stream = None
        was.engine.wheel.clear(&self.deadline)
        was.engine.keep(self)
        if left is None:
            self.acceptor.live.discard(self)
            self.count(EVENT_PASS_ENDED)
            if self.acceptor.recorder is not None:
                self.acceptor.recorder.record(self)
            self.client.other = self.server.other = None
            self.client.home = self.server.home = None
        elif why == REASON_NONE:
            left.close()
        else:
            left.reset(why)
