"""Idle connections; see pool.pxd.

Newest first keeps few connections warm and lets the others end by their idle time, which is
below that of the usual servers, so that it is nearly always us who close. Its bound is wide: a
worker that had a thousand requests under way needs as many connections a moment later, and
closing some only to connect again costs more than all the rest of a request.
"""

cimport cython
from fastgw.ext.exchange.contract cimport Attempt
from fastgw.ext.upstream.h1_link cimport D_POOL, UNUSABLE, H1Link


cdef class IdleRoom:
    """See pool.pxd."""

    def __cinit__(self, uint32_t max):
        self.max = max


@cython.final
cdef class IdlePool(Pool):
    """See pool.pxd."""

    def __cinit__(self, IdleRoom room not None, max_idle=4096, idle_ms=4000, max_requests=0):
        self.room = room
        self.max_idle = max_idle
        self.idle_ms = idle_ms
        self.max_requests = max_requests
        self.waiting = []

    cdef object acquire(self, Attempt a):
        """The newest idle connection, or None. Not one with the rest of a request still to be sent:
        an upstream that answered without reading it may never do so."""
        cdef Py_ssize_t i = len(self.waiting)
        cdef H1Link c
        while i > 0:
            i -= 1
            c = <H1Link>self.waiting[i]
            if c.stream.queued:
                continue
            self.waiting.pop(i)
            self.leave(c)
            self.busy += 1
            if not c.stream.flags & UNUSABLE:
                return c
            self.discard(c)
        return None

    cdef void release(self, object connection) noexcept:
        """Keep it, unless there are enough or it has served its share."""
        cdef H1Link c = <H1Link>connection
        if (
            self.idle >= self.max_idle or self.room.taken >= self.room.max
            or (self.max_requests and c.served >= self.max_requests)
        ):
            self.discard(c)
            return
        self.busy -= 1
        self.idle += 1
        self.room.taken += 1
        c.pooled = True
        self.waiting.append(c)
        c.set_deadline(D_POOL, c.idle_ms)

    cdef void discard(self, object connection) noexcept:
        """Close it, busy or idle; once."""
        cdef H1Link c = <H1Link>connection
        if c.stream is None:
            return
        if c.pooled:
            self.waiting.remove(c)
            self.leave(c)
        else:
            self.busy -= 1
        c.shut()

    cdef void leave(self, H1Link c) noexcept:
        """It is idle no more."""
        c.pooled = False
        self.idle -= 1
        self.room.taken -= 1

    cdef void trim(self) noexcept:
        """Close every idle connection."""
        while self.waiting:
            self.discard(<H1Link>self.waiting[0])
