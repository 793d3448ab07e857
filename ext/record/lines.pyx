"""Where finished log lines go; see lines.pxd."""

cimport cython
from libc.stdlib cimport free, malloc
from libc.string cimport memmove
from posix.unistd cimport close, write
from fastgw.ext.io.engine cimport Engine

cdef enum:
    BUFFER_BYTES = 1048576      # lines that wait for the reader
    LOW_BYTES = 131072          # with less room than this what is there is written first


cdef class LineSink(Handle):
    """See lines.pxd."""

    cdef char* reserve(self, size_t* room) noexcept:
        """Where the next line may be written."""
        room[0] = 0
        return NULL

    cdef void commit(self, size_t n) noexcept:
        """The line is whole."""
        self.lines += 1

    cdef void drop(self) noexcept:
        """There was no room for it."""
        self.dropped += 1

    cdef void flush(self) noexcept:
        """Hand on what waits, as far as it is taken."""


@cython.final
cdef class LineWriter(LineSink):
    """See lines.pxd. Takes `out` over."""

    def __cinit__(self, Engine engine not None, int out):
        self.engine = engine
        self.out = out
        self.buffer = <char*>malloc(BUFFER_BYTES)
        if self.buffer == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.buffer)
        if self.out >= 0:
            close(self.out)

    cdef char* reserve(self, size_t* room) noexcept:
        if BUFFER_BYTES - self.used < LOW_BYTES:
            self.flush()
        room[0] = BUFFER_BYTES - self.used
        return self.buffer + self.used

    cdef void commit(self, size_t n) noexcept:
        self.used += n
        self.lines += 1
        self.engine.do_later(self)

    cdef void on_later(self) noexcept:
        self.flush()

    cdef void flush(self) noexcept:
        cdef ssize_t n
        if self.used == 0:
            return
        n = write(self.out, self.buffer, self.used)
        if n > 0:
            self.used -= n
            memmove(self.buffer, self.buffer + n, self.used)
