"""PipeRelays; see relay.pxd."""

from libc.errno cimport EAGAIN, EINTR, errno
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.io.stream cimport (
    FLUSH_BYTES, S_BLOCKED, S_BROKEN, S_CLOSE_AFTER, S_CLOSED, S_CONNECTING, S_EOF, S_READABLE,
    S_RELAYING, S_SHUT, S_SHUT_AFTER,
)
from fastgw.ext.io.syscalls cimport (
    F_SETPIPE_SZ, O_CLOEXEC, O_NONBLOCK, SPLICE_F_MOVE, SPLICE_F_NONBLOCK, close_fd, fcntl, pipe2,
    splice, ssize_t,
)

cdef enum:
    PIPE_BYTES = 262144         # asked for; the kernel may leave it at 64 KiB
    PIPE_DEFAULT = 65536
    SPARE_PIPES = 16            # kept for the next relays


cdef class PipeRelay(Relay):
    """See relay.pxd."""

    def __cinit__(self):
        self.pipe.ends[0] = self.pipe.ends[1] = -1

    cdef bint start(self, Stream source, Stream to, uint64_t n) noexcept:
        """Begin, at the end of the turn; False when one of the streams can't."""
        if source.source is not None or (
            source.flags & (S_CLOSED | S_CLOSE_AFTER | S_EOF | S_RELAYING)
        ):
            return False
        if to.flags & (S_CLOSED | S_CLOSE_AFTER | S_SHUT_AFTER | S_SHUT | S_BROKEN):
            return False
        if n == 0 or to.sink is not None or not self.home.take(&self.pipe):
            return False
        self.source, self.to, self.left = source, to, n
        source.source = to.sink = self
        source.flags |= S_RELAYING | S_READABLE
        source.engine.do_later(source)
        return True

    cdef void move(self) noexcept:
        """Move what can be moved now, and tell of it."""
        cdef Stream source = self.source
        cdef PipeRelay held = self          # the streams let go of it in `finish`  # no-cython-lint
        cdef bint more = True
        if source is None:
            return
        while more and not self.over:
            if self.moved >= FLUSH_BYTES:
                source.engine.do_next(source)
                break
            more = self.pull()
            more = self.push() or more
            if self.inside == 0 and (self.left == 0 or self.source_ended):
                self.over = True
        if self.over:
            self.finish()
        elif self.moved or self.braked:
            moved, self.moved, self.braked = self.moved, 0, False
            source.codec.on_relayed(moved, False)

    cdef bint pull(self) noexcept:
        """From the source into the pipe; whether anything came."""
        cdef Stream s = self.source
        cdef size_t room = self.pipe.size - self.inside
        cdef ssize_t n
        if self.left == 0 or self.source_ended or room == 0 or not s.flags & S_READABLE:
            return False
        n = splice(s.fd, NULL, self.pipe.ends[1], NULL, room if room < self.left else self.left,
                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
        s.engine.receives += 1
        if n > 0:
            self.inside += n
            self.home.held += n
            self.left -= n
            s.bytes_in += n
            return True
        if n == 0:
            self.source_ended = True
        elif errno == EAGAIN:
            # A pipe of many small segments is full early: that says nothing of the socket.
            if self.inside == 0:
                s.flags &= ~<uint32_t>S_READABLE
        elif errno != EINTR:
            self.source_ended = True        # recv will meet the same error and end it
        return False

    cdef bint push(self) noexcept:
        """From the pipe to the target; whether anything went."""
        cdef Stream s = self.to
        cdef ssize_t n
        if self.inside == 0 or s.queued or s.flags & (S_BLOCKED | S_CONNECTING):
            return False
        n = splice(self.pipe.ends[0], NULL, s.fd, NULL, self.inside,
                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK)
        s.engine.sends += 1
        if n > 0:
            self.inside -= n
            self.home.held -= n
            self.moved += n
            s.bytes_out += n
            return True
        if n < 0 and errno == EAGAIN:
            self.braked = True
            s.block()
        elif n < 0 and errno != EINTR:
            self.over = True
            s.unwritable(errno)
        return False

    cdef void cut(self) noexcept:
        """One end is gone: let go of the other, and tell it at the end of the turn."""
        cdef PipeRelay held = self  # no-cython-lint
        self.over = True
        if self.source.flags & S_CLOSED:
            self.finish()
        else:
            self.source.flags |= S_READABLE
            self.source.engine.do_later(self.source)

    cdef void finish(self) noexcept:
        """The relay is over; the source is read as usual again."""
        cdef Stream source = self.source
        self.home.held -= self.inside
        self.home.give_back(&self.pipe, self.inside == 0)
        self.source = None
        source.source = None
        if self.to.sink is self:
            self.to.sink = None
        self.to = None
        source.flags &= ~<uint32_t>S_RELAYING
        if source.flags & S_CLOSED:
            return
        source.flags |= S_READABLE
        source.engine.do_later(source)
        source.codec.on_relayed(self.moved, True)


cdef class PipeRelays(Relays):
    """See relay.pxd. A worker makes one and hands it to its engine (`serve`)."""

    def __cinit__(self, uint32_t most=256):
        self.most = most

    def __dealloc__(self):
        while self.spares:
            self.spares -= 1
            close_fd(self.spare[self.spares].ends[0])
            close_fd(self.spare[self.spares].ends[1])

    def serve(self, Engine engine not None) -> None:
        """Offer relays to the streams of `engine`."""
        engine.relays = self

    cdef Relay new_relay(self):
        cdef PipeRelay r
        if self.busy >= self.most:
            return None
        r = PipeRelay.__new__(PipeRelay)
        r.home = self
        return r

    cdef bint take(self, Pipe* pipe) noexcept:
        """An empty pipe; False when there are no descriptors."""
        cdef int size
        if self.spares:
            self.spares -= 1
            pipe[0] = self.spare[self.spares]
        else:
            if pipe2(pipe.ends, O_NONBLOCK | O_CLOEXEC) < 0:
                return False
            size = fcntl(pipe.ends[1], F_SETPIPE_SZ, <int>PIPE_BYTES)
            pipe.size = size if size > 0 else PIPE_DEFAULT
        self.busy += 1
        self.begun += 1
        return True

    cdef void give_back(self, Pipe* pipe, bint empty) noexcept:
        """Keep an empty pipe for the next; one with bytes in it is of no use."""
        self.busy -= 1
        if empty and self.spares < SPARE_PIPES:
            self.spare[self.spares] = pipe[0]
            self.spares += 1
            return
        close_fd(pipe.ends[0])
        close_fd(pipe.ends[1])
