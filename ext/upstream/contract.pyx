"""Where requests go; see contract.pxd."""



cdef class Endpoint:
    """See contract.pxd."""

    cdef void begin(self) noexcept:
        pass

    cdef void end(self, const Outcome* outcome, int64_t now_ms) noexcept:
        pass

    cdef void mark_failed(self, int64_t until_ms) noexcept:
        pass


cdef class Balancer:
    """See contract.pxd."""

    cdef Endpoint pick(self, Exchange x, list tried, int64_t now_ms):
        return None


cdef class Pool:
    """See contract.pxd."""

    cdef object acquire(self, Attempt a):
        return None

    cdef void release(self, object connection) noexcept:
        pass

    cdef void discard(self, object connection) noexcept:
        pass

    cdef void trim(self) noexcept:
        pass
