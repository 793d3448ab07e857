"""Doors into ext/io for tests: a codec that tells and obeys Python, an echo, a proxy pair."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy
import os
import socket as sockets
from fastgw.ext.base.buffers cimport Buffer, BufferPool, Chunk, chunk_release
from fastgw.ext.base.deadlines cimport Deadline, deadline_init
from fastgw.ext.base.reasons cimport REASON_NONE, Reason, reason_row
from fastgw.ext.io.address cimport address_text, learn_local
from fastgw.ext.io.connect cimport connect_stream
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.io.listener cimport Acceptor
from fastgw.ext.io.stream cimport (
    S_BLOCKED, S_BULK, S_CLOSED, S_CONNECTING, S_DRAIN_FIRST, S_EOF, S_HALF_CLOSED, S_PAUSED,
    S_READABLE, S_RELAYING, S_STARVED, Codec, Stream, stream_reserve,
)

#: Flags by name, for `Door.has`.
FLAGS = {
    "blocked": S_BLOCKED, "bulk": S_BULK, "closed": S_CLOSED, "connecting": S_CONNECTING,
    "drain_first": S_DRAIN_FIRST, "eof": S_EOF, "half_closed": S_HALF_CLOSED,
    "paused": S_PAUSED, "relaying": S_RELAYING, "readable": S_READABLE, "starved": S_STARVED,
}


cdef class Door(Codec):
    """A codec that keeps what it is told and does what Python says.

    `events` holds (name, value) pairs; `reply`, if set, is called with each at once, from
    inside the engine's call. `keep_bytes` False keeps only lengths."""
    cdef Stream stream
    cdef public list events
    cdef public object reply
    cdef public bint keep_bytes
    cdef public uint64_t relayed

    def __init__(self, reply=None, keep_bytes=True):
        self.events = []
        self.reply = reply
        self.keep_bytes = keep_bytes

    cdef void tell(self, str name, object value) noexcept:
        """Keep an event, and let Python react."""
        self.events.append((name, value))
        if self.reply is not None:
            self.reply(self, name, value)

    cdef void on_bytes(self, Chunk* c) noexcept:
        name = "counted" if c.owner != NULL else "bytes"
        value = c.p[:c.n] if self.keep_bytes else c.n
        chunk_release(c)
        self.tell(name, value)

    cdef void on_room(self) noexcept:
        self.tell("room", None)

    cdef void on_eof(self) noexcept:
        self.tell("eof", None)

    cdef void on_half_closed(self) noexcept:
        self.tell("half_closed", None)

    cdef void on_gone(self, Reason why) noexcept:
        self.tell("gone", reason_row(why).name.decode() if why else "none")

    cdef void on_open(self) noexcept:
        self.tell("open", None)

    cdef void on_relayed(self, uint64_t moved, bint done) noexcept:
        self.relayed += moved
        self.tell("relayed", (moved, bool(done)))

    # -- what Python may say --------------------------------------------------------------

    def write(self, bytes data not None, bint counted=False) -> bool:
        """Write a chunk, lent or counted; what the stream answered."""
        cdef Chunk c
        c.p, c.n, c.owner = data, len(data), NULL
        if counted:
            c.owner = self.stream.engine.pool.take(len(data))
            if c.owner == NULL:
                raise MemoryError
            memcpy(c.owner.data, c.p, c.n)
            c.p = c.owner.data
        return bool(self.stream.write(&c))

    def put(self, bytes data not None, int reserved=0) -> bool:
        """Append in place: reserve, copy, commit."""
        cdef char* to = stream_reserve(self.stream, reserved or len(data))
        if to == NULL:
            return False
        memcpy(to, <const char*>data, len(data))
        self.stream.commit(len(data))
        return True

    def pause(self) -> None:
        self.stream.pause()

    def resume(self) -> None:
        self.stream.resume()

    def set_bulk(self, bint on) -> None:
        self.stream.set_bulk(on)

    def drain_first(self) -> None:
        self.stream.flags |= S_DRAIN_FIRST

    def half_close(self) -> None:
        self.stream.half_close()

    def close(self) -> None:
        self.stream.close()

    def abort(self) -> None:
        self.stream.abort(REASON_NONE)

    def reset(self) -> None:
        self.stream.reset(REASON_NONE)

    def relay(self, Door to not None, uint64_t n) -> bool:
        return bool(self.stream.relay(to.stream, n))

    def forget(self) -> None:
        """Let go of the stream."""
        self.stream = None
        self.reply = None

    # -- what Python may see --------------------------------------------------------------

    @property
    def opened(self) -> bool:
        """Whether there is, or was, a stream."""
        return self.stream is not None

    def has(self, str flag) -> bool:
        """Whether the stream has a flag of `FLAGS`."""
        return self.stream.flags & <uint32_t>FLAGS[flag] != 0

    def received(self) -> bytes:
        """All bytes so far."""
        return b"".join(v for n, v in self.events if n in ("bytes", "counted"))

    def names(self) -> list:
        """The events but the bytes."""
        return [n for n, _ in self.events if n not in ("bytes", "counted")]

    @property
    def queued(self) -> int:
        return self.stream.queued

    @property
    def mark(self) -> int:
        return self.stream.mark

    @mark.setter
    def mark(self, size_t n) -> None:
        self.stream.mark = n

    @property
    def slots(self) -> int:
        return self.stream.pieces.slots

    @property
    def has_tail(self) -> bool:
        return self.stream.tail != NULL

    @property
    def interest(self) -> int:
        return self.stream.interest

    @property
    def fd(self) -> int:
        return self.stream.fd

    @property
    def bytes_in(self) -> int:
        return self.stream.bytes_in

    @property
    def bytes_out(self) -> int:
        return self.stream.bytes_out

    @property
    def peer(self) -> str:
        return address_text(&self.stream.facts.peer)

    @property
    def local(self) -> str:
        return address_text(&self.stream.facts.local)

    def learn_local(self) -> None:
        learn_local(self.stream)


cdef class DoorAcceptor(Acceptor):
    """Gives every accepted stream a Door; `doors` has them in order."""
    cdef public list doors
    cdef public object make

    def __init__(self, make=Door):
        self.doors = []
        self.make = make

    cdef void on_accept(self, Stream s) noexcept:
        cdef Door door = self.make()
        if door is None:
            return
        door.stream = s
        s.codec = door
        self.doors.append(door)
        door.tell("accepted", None)


cdef class Echo(Codec):
    """Writes back what comes, and stops reading while there is no room."""
    cdef Stream stream

    cdef void on_bytes(self, Chunk* c) noexcept:
        if not self.stream.write(c):
            self.stream.pause()

    cdef void on_room(self) noexcept:
        self.stream.resume()

    cdef void on_eof(self) noexcept:
        self.stream.close()

    cdef void on_gone(self, Reason why) noexcept:
        self.stream = None


cdef class EchoAcceptor(Acceptor):
    """Every accepted stream is an echo; `bulk`: in counted buffers."""
    cdef public bint bulk

    cdef void on_accept(self, Stream s) noexcept:
        cdef Echo codec = Echo.__new__(Echo)
        codec.stream = s
        s.codec = codec
        s.set_bulk(self.bulk)


cdef class Half(Codec):
    """One side of a proxied pair: what comes here goes out there."""
    cdef Stream stream
    cdef Half other

    cdef void on_bytes(self, Chunk* c) noexcept:
        if not self.other.stream.write(c):
            self.stream.pause()

    cdef void on_room(self) noexcept:
        self.other.stream.resume()

    cdef void on_eof(self) noexcept:
        self.other.stream.half_close()
        if self.other.stream.flags & S_EOF:
            self.stream.close()
            self.other.stream.close()

    cdef void on_gone(self, Reason why) noexcept:
        cdef Half other = self.other
        self.other = None
        if other is not None:
            other.other = None
            other.stream.abort(why)


cdef class ProxyAcceptor(Acceptor):
    """A minimal proxy: a connection to the upstream for each of a client, bytes untouched."""
    cdef bytes address
    cdef Engine engine

    def __init__(self, Engine engine not None, bytes address not None):
        self.engine = engine
        self.address = address

    cdef void on_accept(self, Stream s) noexcept:
        cdef Half client = Half.__new__(Half)
        cdef Half server = Half.__new__(Half)
        client.stream, client.other, server.other = s, server, client
        s.codec = client
        server.stream = connect_stream(
            self.engine, server, <const char*>self.address, len(self.address), 30000)


def connect(Engine engine not None, bytes address not None, door=None,
            uint32_t user_timeout_ms=30000) -> Door:
    """A Door on an upstream stream."""
    cdef Door d = door if door is not None else Door()
    d.stream = connect_stream(engine, d, <const char*>address, len(address), user_timeout_ms)
    return d


def sockaddr_of(family: int, address: object) -> bytes:
    """A struct sockaddr from what Python's socket module calls an address."""
    if family == sockets.AF_UNIX:
        return family.to_bytes(2, "little") + os.fsencode(address) + b"\0"
    port = address[1].to_bytes(2, "big")
    packed = sockets.inet_pton(family, address[0])
    if family == sockets.AF_INET:
        return int(family).to_bytes(2, "little") + port + packed + bytes(8)
    return int(family).to_bytes(2, "little") + port + bytes(4) + packed + bytes(4)


def limit_pool(Engine engine not None, size_t bound_bytes, size_t near_bytes) -> None:
    """Set the bounds of an engine's pool."""
    engine.pool.bound_bytes = engine.pool.full_bytes = bound_bytes
    engine.pool.near_bytes = near_bytes


def pool_of(Engine engine not None) -> BufferPool:
    """An engine's pool."""
    return engine.pool


cdef class TimerDoor:
    """A deadline of an engine; `told` is called when it fires."""
    cdef Deadline deadline
    cdef Engine engine
    cdef object told
    cdef readonly int fired

    def __init__(self, Engine engine not None, told):
        self.engine, self.told = engine, told
        deadline_init(&self.deadline, <void*>self, timer_fired)

    def set_in(self, int64_t ms) -> None:
        """Set it, `ms` from now."""
        self.engine.refresh_clock()
        self.engine.wheel.set(&self.deadline, self.engine.now_ms + ms)

    def clear(self) -> None:
        self.engine.wheel.clear(&self.deadline)


cdef void timer_fired(void* owner, int kind) noexcept:
    (<TimerDoor>owner).fired += 1
    (<TimerDoor>owner).told()


cdef class Hoard:
    """Holds buffer memory of an engine."""
    cdef Buffer* held
    cdef Engine engine

    def __init__(self, Engine engine not None, size_t n):
        self.engine = engine
        self.held = engine.pool.take(n)
        if self.held == NULL:
            raise MemoryError

    def give_back(self) -> None:
        cdef Chunk c
        c.owner = self.held
        self.held = NULL
        if c.owner != NULL:
            chunk_release(&c)
