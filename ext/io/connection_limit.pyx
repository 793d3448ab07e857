"""ConnectionLimit; see connection_limit.pxd."""


cdef class ConnectionLimit:
    """See connection_limit.pxd."""

    def __cinit__(self, uint32_t max):
        self.max = max
        self.listeners = []

    cdef bint enter(self) noexcept:
        """Count one more connection; False, and nothing counted, at the bound."""
        if self.current >= self.max:
            return False
        self.current += 1
        return True

    cdef void leave(self) noexcept:
        """A connection ended: whoever waits may go on."""
        cdef Handle h
        self.current -= 1
        if self.stopped and self.current < self.max:
            self.stopped = False
            for h in self.listeners:
                h.on_relief()

    cdef void stop(self) noexcept:
        """The bound is reached: the listeners wait until a connection ends."""
        if not self.stopped:
            self.stopped = True
            self.reached += 1

    cdef void watch(self, Handle listener):
        """Have `listener` told when it may go on."""
        self.listeners.append(listener)

    cdef void forget(self, Handle listener) noexcept:
        """`listener` is closed."""
        if listener in self.listeners:
            self.listeners.remove(listener)
