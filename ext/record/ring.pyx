"""A ring of log lines; see ring.pxd."""

import mmap
import os
cimport cython
from libc.errno cimport errno as c_errno
from libc.stdint cimport int64_t
from libc.string cimport memchr, memcmp, memcpy
from posix.mman cimport MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE
from posix.mman cimport MAP_SHARED, PROT_NONE, PROT_READ, PROT_WRITE
from posix.mman cimport mmap as c_mmap
from posix.mman cimport munmap as c_munmap
from posix.unistd cimport write

cdef extern from "<sys/socket.h>" nogil:
    enum:
        MSG_DONTWAIT, MSG_NOSIGNAL
    ssize_t send(int fd, const void* p, size_t n, int flags)

cdef extern from * nogil:
    """
    static inline uint64_t ring_load(const uint64_t *p) {
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);
    }
    static inline void ring_store(uint64_t *p, uint64_t v) {
        __atomic_store_n(p, v, __ATOMIC_RELEASE);
    }
    """
    uint64_t ring_load(const uint64_t* p)
    void ring_store(uint64_t* p, uint64_t v)

cdef enum:
    LEAST_ROOM = 64             # with less a line is not even begun
    WRITE_BYTES = 262144        # of one write to a sink

cdef const char* _MAGIC = b"FGWRING"


def create_ring(size=RING_SIZE) -> int:
    """See ring.pyi. Its size can't be changed by anybody afterwards: a mapping that lost its
    pages would end a process with SIGBUS."""
    import fcntl

    if size < mmap.PAGESIZE or size & (size - 1):
        raise ValueError(f"a ring of {size} bytes: a power of two of at least a page is needed")
    fd = os.memfd_create("fastgw-log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, RING_HEADER + size)
        head = _MAGIC[:7] + b"\0" + int(RING_LAYOUT).to_bytes(4, "little") + bytes(4)
        os.pwrite(fd, head + size.to_bytes(8, "little"), 0)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(fd)
        raise
    return fd


def describe(fd: int) -> dict:
    """See ring.pyi."""
    cdef Ring ring = Ring()
    ring.map(fd)
    h = ring.header
    return {"size": h.size, "head": ring_load(&h.head), "tail": ring_load(&h.tail),
            "lines": h.lines, "dropped": h.dropped, "wake_at": h.wake_at}


@cython.final
cdef class Ring:
    """See ring.pxd."""

    def __dealloc__(self):
        if self.header != NULL:
            c_munmap(self.header, RING_HEADER + 2 * self.size)

    cdef int map(self, int fd) except -1:
        """Map a ring's memory; ValueError for what is no ring of this layout."""
        cdef char* base
        cdef size_t size = self.check(fd)
        base = <char*>c_mmap(
            NULL, RING_HEADER + 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
            -1, 0,
        )
        if base == MAP_FAILED:
            raise OSError(c_errno, os.strerror(c_errno))
        self.header = <RingHeader*>base
        self.size = size
        self.data = base + RING_HEADER
        self.place(base, RING_HEADER + size, fd, 0)
        self.place(self.data + size, size, fd, RING_HEADER)
        return 0

    cdef size_t check(self, int fd) except 0:
        """The size of the ring behind a descriptor."""
        cdef bytes head = os.pread(fd, 24, 0)
        cdef RingHeader h
        if len(head) < 24:
            raise ValueError(f"a ring of {len(head)} bytes is shorter than its header")
        memcpy(&h, <const char*>head, 24)
        if memcmp(h.magic, _MAGIC, 8) != 0:
            raise ValueError("not a ring: it does not begin with FGWRING")
        if h.layout != RING_LAYOUT:
            raise ValueError(f"ring of layout {h.layout}, this version reads {RING_LAYOUT}")
        total = os.fstat(fd).st_size
        if h.size < <size_t>mmap.PAGESIZE or h.size & (h.size - 1) or (
            total != RING_HEADER + h.size
        ):
            raise ValueError(f"ring's header says {h.size} bytes of lines, but it has {total}")
        return h.size

    cdef int place(self, char* at, size_t n, int fd, int64_t offset) except -1:
        """One of the two mappings, at a place inside the reserved range."""
        if c_mmap(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED:
            raise OSError(c_errno, os.strerror(c_errno))
        return 0


@cython.final
cdef class RingWriter(LineSink):
    """See ring.pxd. Goes on behind what an earlier writer of the same ring left."""

    def __init__(self, fd: int, doorbell: int = -1) -> None:
        self.ring = Ring()
        self.ring.map(fd)
        self.doorbell = doorbell
        self.head = ring_load(&self.ring.header.head)
        self.rung = <uint64_t>-1

    cdef char* reserve(self, size_t* room) noexcept:
        cdef uint64_t used = self.head - ring_load(&self.ring.header.tail)
        # A tail that can't be is a reader gone mad: better no log than a write out of bounds.
        room[0] = self.ring.size - used if used <= self.ring.size else 0
        if room[0] < LEAST_ROOM:
            return NULL
        return self.ring.data + (self.head & (self.ring.size - 1))

    cdef void commit(self, size_t n) noexcept:
        cdef RingHeader* h = self.ring.header
        cdef uint64_t one = 1
        cdef uint64_t wake_at
        self.head += n
        self.lines += 1
        h.lines += 1
        ring_store(&h.head, self.head)
        wake_at = ring_load(&h.wake_at)
        if self.head > wake_at and wake_at != self.rung and self.doorbell >= 0:
            self.rung = wake_at
            # Full means that it rings already.
            write(self.doorbell, &one, 8)

    cdef void drop(self) noexcept:
        self.dropped += 1
        self.ring.header.dropped += 1

    def write(self, line: bytes) -> bool:
        """See ring.pyi."""
        cdef size_t room
        cdef char* at = self.reserve(&room)
        cdef bytes text = line
        if at == NULL or room < <size_t>len(text):
            self.drop()
            return False
        memcpy(at, <const char*>text, len(text))
        self.commit(len(text))
        return True


@cython.final
cdef class RingReader:
    """See ring.pyi."""

    def __init__(self, fd: int) -> None:
        self.ring = Ring()
        self.ring.map(fd)

    cdef size_t there(self) noexcept:
        """Bytes that can be read. A head that can't be is a writer gone mad: nothing is."""
        cdef uint64_t n = ring_load(&self.ring.header.head) - self.ring.header.tail
        return n if n <= self.ring.size else 0

    cdef const char* first(self) noexcept:
        return self.ring.data + (self.ring.header.tail & (self.ring.size - 1))

    @property
    def waiting(self) -> int:
        """See ring.pyi."""
        return self.there()

    @property
    def written(self) -> int:
        """See ring.pyi."""
        return self.ring.header.lines

    @property
    def dropped(self) -> int:
        """See ring.pyi."""
        return self.ring.header.dropped

    def write_to(self, int fd, bint socket=False) -> int:
        """See ring.pyi."""
        cdef size_t n = min(self.there(), <size_t>WRITE_BYTES)
        cdef const char* p = self.first()
        cdef ssize_t done
        if n == 0:
            return 0
        with nogil:
            if socket:
                done = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL)
            else:
                done = write(fd, p, n)
        if done < 0:
            raise OSError(c_errno, os.strerror(c_errno))
        self.take(done)
        return done

    def at_line(self) -> bool:
        """See ring.pyi."""
        cdef uint64_t tail = self.ring.header.tail
        return tail == 0 or self.ring.data[(tail - 1) & (self.ring.size - 1)] == 10

    def skip_line(self) -> None:
        """See ring.pyi."""
        cdef size_t n = self.there()
        cdef const char* end
        if self.at_line():
            return
        end = <const char*>memchr(self.first(), 10, n)
        self.take(n if end == NULL else end + 1 - self.first())

    def peek(self, size_t n) -> bytes:
        """See ring.pyi."""
        return self.first()[:min(n, self.there())]

    def take(self, size_t n) -> None:
        """See ring.pyi."""
        if n > self.there():
            raise ValueError(f"{n} bytes are not there")
        ring_store(&self.ring.header.tail, self.ring.header.tail + n)

    def wake_above(self, size_t n) -> None:
        """See ring.pyi."""
        ring_store(&self.ring.header.wake_at, self.ring.header.tail + n)
