"""Stream; see stream.pxd."""



cdef class Codec:
    """See stream.pxd."""

    cdef void on_bytes(self, Chunk* c) noexcept:
        pass

    cdef void on_room(self) noexcept:
        pass

    cdef void on_eof(self) noexcept:
        pass

    cdef void on_half_closed(self) noexcept:
        pass

    cdef void on_gone(self, Reason why) noexcept:
        pass

    cdef void on_open(self) noexcept:
        pass


cdef class Stream(Handle):
    """See stream.pxd."""

    cdef bint write(self, Chunk* c) noexcept:
        return True

    cdef char* reserve(self, size_t n) noexcept:
        return NULL

    cdef void commit(self, size_t n) noexcept:
        pass

    cdef bint relay(self, Stream to, uint64_t n) noexcept:
        return True

    cdef bint flush(self) noexcept:
        return True

    cdef void pause(self) noexcept:
        pass

    cdef void resume(self) noexcept:
        pass

    cdef void set_bulk(self, bint on) noexcept:
        pass

    cdef void half_close(self) noexcept:
        pass

    cdef void close(self) noexcept:
        pass

    cdef void abort(self, Reason why) noexcept:
        pass
