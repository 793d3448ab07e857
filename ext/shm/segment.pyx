"""Segment; see segment.pxd."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_FillInfo
from libc.errno cimport errno
from posix.unistd cimport close
import fcntl
import os
import struct
from zlib import crc32

cdef extern from "<sys/mman.h>" nogil:
    enum:
        PROT_READ, PROT_WRITE, MAP_SHARED, MADV_DONTDUMP
    void* mmap(void* addr, size_t length, int prot, int flags, int fd, long offset)
    int munmap(void* addr, size_t length)
    int madvise(void* addr, size_t length, int advice)

HEADER = struct.Struct("<8sIIQQII")
#: Against another size: every segment. Against writing, for good: a published one.
SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
SEALS = SIZE_SEALS | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class SegmentError(Exception):
    """A segment that can't be made or must not be used; the text says why."""


cdef class Segment:
    """See segment.pxd; made by `create_segment` and `map_segment`."""

    def __cinit__(self):
        self.fd = -1

    def __dealloc__(self):
        self.unmap()

    cdef SegmentHeader* header(self) noexcept:
        """The first bytes."""
        return <SegmentHeader*>self.base

    cdef void unmap(self) noexcept:
        """Give memory and descriptor back."""
        if self.base != NULL:
            munmap(self.base, self.size)
            self.base = NULL
        if self.fd >= 0:
            close(self.fd)
            self.fd = -1

    def close(self) -> None:
        """Unmap now; a segment that somebody still looks into stays until it is dropped."""
        if self.views:
            raise BufferError(f"{self.views} view(s) of the segment are still held")
        self.unmap()

    def view(self) -> memoryview:
        """Its memory, from the header on; it stays mapped for as long as the view is held."""
        return memoryview(self)

    @property
    def magic(self) -> bytes:
        """Which kind it is."""
        return self.base[:8]

    @property
    def layout(self) -> int:
        """The version of the kind's layout."""
        return self.header().layout

    @property
    def generation(self) -> int:
        """Which of the published versions it is."""
        return self.header().generation

    def __getbuffer__(self, Py_buffer* view, int flags):
        if self.base == NULL:
            raise BufferError("the segment is closed")
        if flags & PyBUF_WRITABLE and not self.writable:
            raise BufferError("the segment is read-only")
        PyBuffer_FillInfo(view, self, self.base, self.size, not self.writable, flags)
        self.views += 1

    def __releasebuffer__(self, Py_buffer* view):
        self.views -= 1


cdef Segment _map(int fd, size_t size, bint writable, bint sealed):
    """Map a whole descriptor, of which the segment keeps a copy. Never part of a core dump."""
    cdef Segment s = Segment.__new__(Segment)
    cdef void* base = mmap(
        NULL, size, PROT_READ | PROT_WRITE if writable else PROT_READ, MAP_SHARED, fd, 0
    )
    if <ssize_t>base == -1:
        raise SegmentError(f"a segment of {size} bytes can't be mapped: {os.strerror(errno)}")
    s.base = <char*>base
    s.size = size
    s.writable = writable
    s.sealed = sealed
    madvise(base, size, MADV_DONTDUMP)
    s.fd = os.dup(fd)
    return s


def create_segment(
    name: str, magic: bytes, layout: int, size: int, generation: int = 0, parts: int = 0
) -> Segment:
    """A mutable segment of `size` zeroed bytes behind its header; its size is sealed."""
    fd = os.memfd_create("fastgw-" + name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SIZE_SEALS)
        os.pwrite(fd, HEADER.pack(magic, layout, parts, size, generation, 0, 0), 0)
        return _map(fd, size, True, False)
    except OSError as e:
        raise SegmentError(f"segment {name} of {size} bytes: {e.strerror}") from e
    finally:
        os.close(fd)


def with_header(
    magic: bytes, layout: int, content: bytes, generation: int = 0, parts: int = 0
) -> bytes:
    """Content behind a header that fits it, ready to be sealed."""
    size = HEADER.size + len(content)
    blank = HEADER.pack(magic, layout, parts, size, generation, 0, 0)
    crc = crc32(content, crc32(blank))
    return HEADER.pack(magic, layout, parts, size, generation, crc, 0) + content


def seal_bytes(name: str, data) -> int:
    """A descriptor of memory that holds `data`, header included, and never changes."""
    fd = os.memfd_create("fastgw-" + name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _read_header(fd: int) -> tuple:
    """(header's fields, size of the descriptor, its seals), or SegmentError."""
    try:
        size = os.fstat(fd).st_size
        raw = os.pread(fd, HEADER.size, 0)
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError as e:
        raise SegmentError(f"is no segment: {e.strerror}") from e
    if len(raw) < HEADER.size:
        raise SegmentError(f"is no segment: {len(raw)} bytes are less than a header")
    return HEADER.unpack(raw), size, seals


def _check(fd: int, magic: bytes, layout: int) -> tuple:
    """(size, generation, seals) of a segment whose header is as it must be."""
    (found, version, _, said, generation, _, _), size, seals = _read_header(fd)
    if found != magic:
        raise SegmentError(f"magic {found!r}: {magic!r} was expected")
    if version != layout:
        raise SegmentError(f"{magic!r} has layout {version}: this program knows {layout}")
    if said != size:
        raise SegmentError(f"{magic!r} says {said} bytes and has {size}")
    if seals & SIZE_SEALS != SIZE_SEALS:
        raise SegmentError(f"{magic!r} is not sealed against another size")
    return size, generation, seals


def check_published(fd: int, magic: bytes, layout: int) -> tuple[int, int]:
    """(size, generation) of a segment that a publisher sent; its header is right and nobody
    can change it any more, or SegmentError. The content is not looked at."""
    size, generation, seals = _check(fd, magic, layout)
    if not seals & fcntl.F_SEAL_WRITE:
        raise SegmentError(f"{magic!r} is not sealed: somebody could still change it")
    return size, generation


def map_segment(
    fd: int, magic: bytes, layout: int, *, writable: bool = False, check: bool = True
) -> Segment:
    """Map a segment after its header was checked; `check`: a sealed one's checksum too.

    The segment has a descriptor of its own; `fd` stays the caller's."""
    cdef Segment s
    size, _, seals = _check(fd, magic, layout)
    sealed = bool(seals & fcntl.F_SEAL_WRITE)
    if writable and sealed:
        raise SegmentError(f"{magic!r} is sealed and can't be written to")
    s = _map(fd, size, writable, sealed)
    if check and sealed:
        _check_sum(s)
    return s


cdef int _check_sum(Segment s) except -1:
    """SegmentError unless the bytes are those that were sealed."""
    fields = list(HEADER.unpack(s.base[:SEGMENT_HEADER]))
    said, fields[5] = fields[5], 0
    whole = memoryview(s)
    crc = crc32(whole[HEADER.size:], crc32(HEADER.pack(*fields)))
    whole.release()
    if crc != said:
        raise SegmentError(f"{fields[0]!r} is damaged: checksum {crc:08x}, header {said:08x}")
    return 0
