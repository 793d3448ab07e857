"""Doors into ext/base for tests: a wheel with numbered deadlines, a pool with numbered buffers."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from fastgw.ext.base.buffers cimport (
    Buffer, BufferPool, Chunk, buffer_hold, buffer_release, chunk_keep, chunk_release, pool_tight,
)
from fastgw.ext.base.deadlines cimport Deadline, Wheel, deadline_init


cdef class WheelDoor:
    """A wheel with `n` deadlines; `fired` holds (number, kind) in order."""
    cdef Wheel wheel
    cdef Deadline* deadlines
    cdef int n
    cdef public list fired
    cdef public object on_fire

    def __init__(self, int n):
        cdef int i
        self.wheel = Wheel()
        self.n = n
        self.fired = []
        self.deadlines = <Deadline*>calloc(n, sizeof(Deadline))
        for i in range(n):
            deadline_init(&self.deadlines[i], <void*>self, fired)
            self.deadlines[i].kind = i

    def __dealloc__(self):
        free(self.deadlines)

    def set(self, int i, int64_t at_ms) -> None:
        self.wheel.set(&self.deadlines[i], at_ms)

    def clear(self, int i) -> None:
        self.wheel.clear(&self.deadlines[i])

    def advance(self, int64_t now_ms) -> None:
        self.wheel.advance(now_ms)

    @property
    def next_ms(self) -> int:
        return self.wheel.next_ms

    @property
    def filed(self) -> int:
        return self.wheel.filed


cdef void fired(void* owner, int kind) noexcept:
    cdef WheelDoor door = <WheelDoor>owner
    door.fired.append(kind)
    if door.on_fire is not None:
        door.on_fire(door, kind)


cdef class PoolDoor:
    """A pool whose buffers are known by number."""
    cdef readonly BufferPool pool
    cdef dict held
    cdef int last

    def __init__(self, size_t bound_bytes):
        self.pool = BufferPool(bound_bytes)
        self.held = {}

    def take(self, size_t n, bint reserved=False) -> int:
        """The number of a new buffer; 0 when the pool refused."""
        cdef Buffer* b = self.pool.take_reserved(n) if reserved else self.pool.take(n)
        if b == NULL:
            return 0
        self.last += 1
        self.held[self.last] = <size_t>b
        return self.last

    def hold(self, int number) -> None:
        buffer_hold(<Buffer*><size_t>self.held[number])

    def release(self, int number) -> None:
        """Release; forgotten once nobody holds it."""
        cdef Buffer* b = <Buffer*><size_t>self.held[number]
        if b.refs == 1:
            del self.held[number]
        buffer_release(b)

    def fill(self, int number, bytes data not None) -> None:
        memcpy((<Buffer*><size_t>self.held[number]).data, <const char*>data, len(data))

    def look(self, size_t address, size_t n) -> bytes:
        """Memory, whoever's it is."""
        return (<const char*>address)[:n]

    def address(self, int number) -> int:
        return <size_t>(<Buffer*><size_t>self.held[number]).data

    def cap(self, int number) -> int:
        return (<Buffer*><size_t>self.held[number]).cap

    def keep(self, bytes data not None) -> tuple:
        """chunk_keep of a lent chunk: (kept, bytes of the copy)."""
        cdef Chunk c, kept
        c.p, c.n, c.owner = data, len(data), NULL
        if not chunk_keep(&c, self.pool, &kept):
            return False, b""
        copy = kept.p[:kept.n]
        chunk_release(&kept)
        return True, copy

    @property
    def tight(self) -> bool:
        return bool(pool_tight(self.pool))
