# distutils: libraries = ssl crypto
"""Load; see load.pxd."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINPROGRESS, EINTR, errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memmove, memset
from fastgw.ext.io.syscalls cimport (
    EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLL_CLOEXEC, EPOLL_CTL_ADD,
    CLOCK_MONOTONIC, IPPROTO_TCP, MSG_NOSIGNAL, SO_ERROR, SOCK_CLOEXEC, SOCK_NONBLOCK,
    SOCK_STREAM, SOL_SOCKET, TCP_NODELAY, TFD_CLOEXEC, TFD_NONBLOCK, close_fd, connect,
    epoll_create1, epoll_ctl, epoll_event, epoll_wait, getsockopt, iovec, msghdr,
    read, recv, sendmsg, setsockopt, sockaddr, socket, socklen_t, ssize_t, timerfd_create,
)
from fastgw.ext.load.address cimport fill_address
from fastgw.ext.load.answer cimport (
    A_BROKEN, A_DONE, A_MORE, R_FRAME, R_HEAD, Verdict, ended_well, take_answer,
)
from fastgw.ext.load.clock cimport NS_PER_MS, NS_PER_S, now_ns
from fastgw.ext.load.connection cimport (
    C_CLOSED, C_CONNECTING, C_ENDING, C_OPEN, C_SHAKING, C_UPGRADING, MOST_DEPTH, ROOM, Conn,
    Flight,
)
from fastgw.ext.load.free_list cimport put_free, remove_free
from fastgw.ext.load.histogram cimport Histogram, count_value
from fastgw.ext.load.openssl cimport (
    ERR_clear_error, SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE, SSL_do_handshake,
    SSL_get_error, SSL_read, SSL_session_reused, SSL_write,
)
from fastgw.ext.load.pace cimport due_ns, set_pace_timer
from fastgw.ext.load.script cimport Script, Step

cdef enum:
    SCRATCH = 262144            # bytes of one receive
    EVENTS = 512                # of one wake-up
    TIDY_MS = 10                # between looks at timeouts and closed connections


@cython.final
cdef class Load:
    """Options: `address` (IP address, port); `connections` and `depth`, requests in flight on
    each (pipelining); `rate`, requests a second, 0 = closed loop; `new_connection`, one for each
    request; `upgrade`, the request of a WebSocket handshake: the script then is of frames;
    `events`, answers are endless streams of events. The script must not be changed any more.

    OSError when the kernel refuses what is needed, ValueError for wrong numbers."""

    def __cinit__(
        self,
        address: tuple[str, int],
        Script script not None,
        *,
        int connections=64,
        double rate=0.0,
        int depth=1,
        bint new_connection=False,
        TlsClient tls=None,
        bytes upgrade=b"",
        bint events=False,
        double timeout_s=10.0,
    ):
        self.ep = self.pace.timer = -1
        if not len(script):
            raise ValueError("a script without an order: nothing to send")
        if connections < 1 or not 1 <= depth <= MOST_DEPTH or rate < 0 or timeout_s <= 0:
            raise ValueError(f"1 connection at least, depth 1 to {MOST_DEPTH}, no negative rate")
        if new_connection and (depth > 1 or upgrade):
            raise ValueError("a connection for each request excludes pipelining and WebSocket")
        self.script, self.tls, self.has_tls = script, tls, tls is not None
        self.count, self.depth = connections, depth
        self.pace.rate, self.pace.due, self.pace.due_n = rate, script.due, script.order_n
        self.timed = rate > 0 or script.due != NULL
        self.closing, self.timeout_ns = new_connection, <int64_t>(timeout_s * NS_PER_S)
        self.target_n = fill_address(&self.target, address[0], address[1])
        self.latency, self.service = Histogram(), Histogram()
        self.latency_h, self.service_h = self.latency.h, self.service.h
        self.upgrade, self.upgrade_step.n = upgrade, len(upgrade)
        self.upgrade_step.p = self.upgrade
        self.upgrade_step.want_n, self.upgrade_step.status = -1, 101
        self.has_events = events
        self.events.delays = self.latency_h
        self.allocate()

    def allocate(self):
        cdef int i
        cdef epoll_event e
        self.conns = <Conn*>calloc(self.count, sizeof(Conn))
        self.flights = <Flight*>calloc(self.count * self.depth, sizeof(Flight))
        self.rooms = <char*>malloc(<size_t>self.count * ROOM)
        self.scratch = <char*>malloc(SCRATCH)
        if not (self.conns and self.flights and self.rooms and self.scratch):
            raise MemoryError()
        self.ep = epoll_create1(EPOLL_CLOEXEC)
        self.pace.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        e.events, e.data.ptr = EPOLLIN, NULL
        if self.ep < 0 or epoll_ctl(self.ep, EPOLL_CTL_ADD, self.pace.timer, &e):
            raise OSError(errno, "no epoll set or no timer")
        for i in range(self.count):
            self.conns[i].fd = -1
            self.conns[i].ring = self.flights + i * self.depth
            self.conns[i].left_over = self.rooms + <size_t>i * ROOM

    def __dealloc__(self):
        cdef int i
        if self.conns != NULL:
            for i in range(self.count):
                self.close_conn(&self.conns[i])
        for fd in (self.ep, self.pace.timer):
            if fd >= 0:
                close_fd(fd)
        free(self.conns)
        free(self.flights)
        free(self.rooms)
        free(self.scratch)

    # -- phases --------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Send for so long, then wait until nothing is in flight. What it counts is added to
        what was counted before. Connections are opened where they are missing.

        KeyboardInterrupt, or what else a signal's handler raises, after a signal."""
        cdef int64_t length_ns = <int64_t>(<double>seconds * NS_PER_S)
        if self.script.due != NULL:
            length_ns = min(length_ns, self.script.due[self.script.order_n - 1] + 1)
        self.halted = self.interrupted = False
        with nogil:
            self.phase(length_ns)
        if self.interrupted:
            PyErr_CheckSignals()
            raise KeyboardInterrupt

    def connect(self, seconds: float = 5.0) -> int:
        """Open the connections without sending; how many of them are open when all are, or
        when the time is over."""
        cdef int64_t until = now_ns() + <int64_t>(<double>seconds * NS_PER_S)
        cdef int i, opened = 0
        while opened < self.count and now_ns() < until:
            self.stopping = True
            with nogil:
                self.phase(0)
            opened = 0
            for i in range(self.count):
                opened += self.conns[i].state == C_OPEN
        return opened

    def clear(self) -> None:
        """Forget what was counted."""
        memset(&self.n, 0, sizeof(self.n))
        self.events.count = 0
        for h in (self.latency, self.service):
            h.clear()

    def halt(self) -> None:
        """End a `run` of another thread early."""
        self.halted = True

    @property
    def done(self) -> int:
        """Right answers so far; may be read from another thread."""
        return self.events.count if self.has_events else self.n.done

    def counted(self) -> dict[str, float]:
        """Everything that was counted since `clear`; `seconds` is of the last run, to its
        last answer."""
        n = self.n
        wrong = {
            "connect_errors": n.connect_errors,
            "tls_errors": n.tls_errors,
            "status_errors": n.status_errors,
            "body_errors": n.body_errors,
            "resets": n.resets,
            "timeouts": n.timeouts,
            "unsent": n.unsent,
        }
        return dict(
            wrong, errors=sum(wrong.values()), requests=self.done, reopened=n.reopened,
            handshakes=n.handshakes, resumed=n.resumed, bytes_in=n.bytes_in,
            seconds=(self.last_ns - self.pace.begin_ns) / 1e9,
        )

    cdef void phase(self, int64_t length_ns) noexcept nogil:
        """See `run`."""
        cdef epoll_event got[EVENTS]
        cdef int64_t now = now_ns(), tidied = now
        cdef uint64_t ticks
        cdef int i, k
        self.pace.begin_ns = self.last_ns = now
        self.pace.end_ns = now + length_ns
        self.issued = 0
        self.stopping = length_ns == 0
        if self.timed and not self.stopping:
            set_pace_timer(&self.pace, True)
        self.tidy(now)
        for i in range(self.count):
            if self.conns[i].state == C_OPEN and self.conns[i].count == 0:
                self.ready(&self.conns[i])
        while True:
            k = epoll_wait(self.ep, got, EVENTS, TIDY_MS)
            now = now_ns()
            for i in range(k):
                if got[i].data.ptr != NULL:
                    self.on_event(<Conn*>got[i].data.ptr, got[i].events)
                elif read(self.pace.timer, &ticks, sizeof(ticks)) > 0 and not self.stopping:
                    self.issue_due(now)
            if now >= tidied + TIDY_MS * NS_PER_MS or self.pace.end_ns <= now:
                tidied = now
                self.tidy(now)
            if self.is_over(now):
                break
        if self.timed:
            set_pace_timer(&self.pace, False)

    cdef bint is_over(self, int64_t now) noexcept nogil:
        """Whether the phase has ended; stops sending when its time has."""
        if self.halted:
            self.stopping = True
            return True
        if now < self.pace.end_ns:
            return False
        if not self.stopping and self.timed and due_ns(&self.pace, self.issued) < self.pace.end_ns:
            # All that were due are still sent, if late: they are what the open loop is about.
            if now < self.pace.end_ns + self.timeout_ns:
                return False
            while due_ns(&self.pace, self.issued) < self.pace.end_ns:
                self.issued += 1
                self.n.unsent += 1
        self.stopping = True
        if self.has_events:
            self.last_ns = now
            return True
        return self.flying == 0 or now > self.pace.end_ns + self.timeout_ns + NS_PER_S

    cdef void tidy(self, int64_t now) noexcept nogil:
        """Requests that never came back, connections to open again, signals."""
        cdef int i
        cdef Conn* c
        for i in range(self.count):
            c = &self.conns[i]
            if c.state == C_CLOSED:
                self.open_conn(c)
            elif c.state == C_OPEN or c.state == C_ENDING:
                if c.count and not self.has_events and now > c.ring[c.first].sent + self.timeout_ns:
                    self.fail(c, &self.n.timeouts)
            elif now > c.since + self.timeout_ns:
                self.fail(c, &self.n.timeouts)
        with gil:
            try:
                PyErr_CheckSignals()
            except BaseException:
                self.halted = self.interrupted = True

    # -- connections ---------------------------------------------------------------------

    cdef void open_conn(self, Conn* c) noexcept nogil:
        cdef int one = 1
        cdef epoll_event e
        c.fd = socket(self.target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if c.fd < 0:
            self.n.connect_errors += 1
            return
        setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
        c.state = C_CONNECTING
        c.since = now_ns()
        c.have = c.offset = 0
        c.first = c.count = c.unsent = 0
        memset(&c.answer, 0, sizeof(c.answer))
        if self.has_events:
            c.answer.events, c.answer.number = &self.events, -1
        e.events, e.data.ptr = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c
        if connect(c.fd, <sockaddr*>&self.target, self.target_n) and errno != EINPROGRESS:
            self.fail(c, &self.n.connect_errors)
            return
        epoll_ctl(self.ep, EPOLL_CTL_ADD, c.fd, &e)

    cdef void close_conn(self, Conn* c) noexcept nogil:
        if c.fd < 0:
            return
        remove_free(&self.free, c)
        if c.ssl != NULL:
            self.tls.end(c.ssl)
            c.ssl = NULL
        close_fd(c.fd)
        c.fd = -1
        c.state = C_CLOSED
        self.flying -= c.count
        c.count = 0

    cdef void fail(self, Conn* c, uint64_t* kind) noexcept nogil:
        """End a connection, and count its requests; `tidy` opens it again, not a hot loop."""
        if c.state >= C_OPEN and c.count == 0:
            kind = &self.n.reopened         # ended between requests: none was lost
        kind[0] += max(c.count, <uint32_t>1)
        self.close_conn(c)

    cdef void on_event(self, Conn* c, unsigned int events) noexcept nogil:
        cdef bint ending = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0
        if c.fd < 0:
            return
        if c.state == C_CONNECTING:
            if events & (EPOLLOUT | EPOLLHUP | EPOLLERR):
                self.on_connected(c)
            return
        if c.state == C_SHAKING:
            self.shake(c)
            if c.state == C_SHAKING or c.fd < 0:
                return
        if c.unsent and events & EPOLLOUT:
            self.flush(c)
        if c.fd >= 0 and (events & EPOLLIN or ending):
            self.readable(c, ending)

    cdef void on_connected(self, Conn* c) noexcept nogil:
        cdef int wrong = 0
        cdef socklen_t n = sizeof(wrong)
        getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &wrong, &n)
        if wrong:
            self.fail(c, &self.n.connect_errors)
        elif self.has_tls:
            c.ssl = self.tls.connect(c.fd)
            c.state = C_SHAKING
            self.shake(c)
        else:
            self.begin_http(c)

    cdef void shake(self, Conn* c) noexcept nogil:
        """A step of the TLS handshake."""
        cdef int r, why
        if c.ssl == NULL:
            self.fail(c, &self.n.tls_errors)
            return
        ERR_clear_error()
        r = SSL_do_handshake(c.ssl)
        if r != 1:
            why = SSL_get_error(c.ssl, r)
            if why != SSL_ERROR_WANT_READ and why != SSL_ERROR_WANT_WRITE:
                self.fail(c, &self.n.tls_errors)
            return
        self.n.handshakes += 1
        self.n.resumed += SSL_session_reused(c.ssl) == 1
        self.begin_http(c)

    cdef void begin_http(self, Conn* c) noexcept nogil:
        """The connection is open; with WebSocket its handshake comes first."""
        cdef Flight* f
        if self.upgrade_step.n == 0:
            c.state = C_OPEN
            self.ready(c)
            return
        c.state = C_UPGRADING
        f = &c.ring[0]
        f.sent = f.due = now_ns()
        c.first, c.count, c.unsent = 0, 1, 1
        self.flying += 1
        self.flush(c)

    # -- requests ------------------------------------------------------------------------

    cdef void ready(self, Conn* c) noexcept nogil:
        """The connection can take a request now."""
        if self.stopping or self.timed:
            put_free(&self.free, c)
            if not self.stopping:
                self.issue_due(now_ns())
        else:
            remove_free(&self.free, c)
            self.refill(c)

    cdef void refill(self, Conn* c) noexcept nogil:
        """Closed loop: as many in flight as the depth says, in one write."""
        cdef int64_t now = now_ns()
        while not self.stopping and c.count < <uint32_t>self.depth:
            self.issue(c, now, now)
        self.flush(c)

    cdef void issue_due(self, int64_t now) noexcept nogil:
        """Open loop: begin all that are due, as far as connections are free."""
        cdef int64_t due
        cdef Conn* c
        while True:
            due = due_ns(&self.pace, self.issued)
            c = self.free.first
            if due > now or due >= self.pace.end_ns or c == NULL:
                return
            remove_free(&self.free, c)
            self.issue(c, due, now)
            if c.count < <uint32_t>self.depth:
                put_free(&self.free, c)
            self.flush(c)

    cdef void issue(self, Conn* c, int64_t due, int64_t now) noexcept nogil:
        """One more request at the end of the ring, unsent."""
        cdef uint32_t at = c.first + c.count
        cdef Flight* f = &c.ring[at - self.depth if at >= <uint32_t>self.depth else at]
        f.due, f.sent = due, now
        f.step = self.script.order[self.issued % self.script.order_n]
        c.count += 1
        c.unsent += 1
        self.issued += 1
        self.flying += 1

    cdef const Step* step_of(self, Conn* c, uint32_t i) noexcept nogil:
        """The request of the i-th oldest flight."""
        cdef uint32_t at = c.first + i
        if c.state == C_UPGRADING:
            return &self.upgrade_step
        if at >= <uint32_t>self.depth:
            at -= self.depth
        return &self.script.steps[c.ring[at].step]

    cdef void flush(self, Conn* c) noexcept nogil:
        """Send what is unsent, as far as the socket takes it."""
        cdef iovec parts[MOST_DEPTH]
        cdef msghdr message
        cdef uint32_t i, from_
        cdef const Step* s
        cdef ssize_t r
        if c.ssl != NULL:
            self.flush_tls(c)
            return
        while c.unsent:
            from_ = c.count - c.unsent
            for i in range(c.unsent):
                s = self.step_of(c, from_ + i)
                parts[i].iov_base, parts[i].iov_len = <void*>s.p, s.n
            parts[0].iov_base = <char*>parts[0].iov_base + c.offset
            parts[0].iov_len -= c.offset
            memset(&message, 0, sizeof(message))
            message.msg_iov, message.msg_iovlen = parts, c.unsent
            r = sendmsg(c.fd, &message, MSG_NOSIGNAL)
            if r > 0:
                self.sent(c, <size_t>r)
            elif errno == EAGAIN:
                return
            elif errno != EINTR:
                self.fail(c, &self.n.resets)
                return

    cdef void flush_tls(self, Conn* c) noexcept nogil:
        """Like `flush`, a request at a time."""
        cdef const Step* s
        cdef int r, why
        while c.unsent:
            s = self.step_of(c, c.count - c.unsent)
            ERR_clear_error()
            r = SSL_write(c.ssl, s.p + c.offset, <int>min(s.n - c.offset, <size_t>1 << 20))
            if r > 0:
                self.sent(c, <size_t>r)
                continue
            why = SSL_get_error(c.ssl, r)
            if why != SSL_ERROR_WANT_READ and why != SSL_ERROR_WANT_WRITE:
                self.fail(c, &self.n.resets)
            return

    cdef void sent(self, Conn* c, size_t n) noexcept nogil:
        """So many bytes have gone out."""
        cdef size_t left
        while n:
            left = self.step_of(c, c.count - c.unsent).n - c.offset
            if n < left:
                c.offset += n
                return
            n -= left
            c.offset = 0
            c.unsent -= 1

    # -- answers -------------------------------------------------------------------------

    cdef void readable(self, Conn* c, bint ending) noexcept nogil:
        """Receive until there is no more."""
        cdef size_t cap
        cdef char* into
        cdef ssize_t r
        cdef int why
        while c.fd >= 0:
            into = c.left_over + c.have if c.have else self.scratch
            cap = ROOM - c.have if c.have else SCRATCH
            if c.ssl != NULL:
                ERR_clear_error()
                r = SSL_read(c.ssl, into, <int>cap)
                if r <= 0:
                    why = SSL_get_error(c.ssl, <int>r)
                    if why == SSL_ERROR_WANT_READ or why == SSL_ERROR_WANT_WRITE:
                        return
                    r = 0
            else:
                r = recv(c.fd, into, cap, 0)
                if r < 0 and errno == EAGAIN:
                    return
                if r < 0 and errno == EINTR:
                    continue
            if r <= 0:
                self.on_end(c)
                return
            self.n.bytes_in += <uint64_t>r
            if c.have:
                into, r = c.left_over, r + <ssize_t>c.have
                c.have = 0
            if not self.take(c, into, <size_t>r):
                return
            # A short read: the socket was empty, and what comes later is another event.
            if c.ssl == NULL and not ending and <size_t>r < cap:
                return

    cdef void on_end(self, Conn* c) noexcept nogil:
        """The peer has ended the connection, in order or not."""
        if c.state == C_ENDING or (
            c.state == C_OPEN and c.count and ended_well(&c.answer, self.step_of(c, 0))
        ):
            self.finish(c)
            self.close_conn(c)
            self.open_conn(c)
        else:
            self.fail(c, &self.n.resets)

    cdef bint take(self, Conn* c, const char* p, size_t n) noexcept nogil:
        """Read answers out of what was received; False: the connection has ended."""
        cdef Verdict verdict = A_MORE
        cdef size_t m
        if c.state == C_UPGRADING:
            return self.take_upgrade(c, p, n)
        while n:
            if c.count == 0 or c.state == C_ENDING:
                self.n.body_errors += 1         # bytes that nobody asked for
                self.close_conn(c)
                return False
            m = take_answer(&c.answer, self.step_of(c, 0), p, n, &verdict)
            p, n = p + m, n - m
            if verdict == A_MORE:
                return self.keep(c, p, n)
            if verdict != A_DONE or c.unsent == c.count:
                # Answered before it was sent: whatever this is, it can't be told apart again.
                self.fail(c, &self.n.resets if verdict == A_BROKEN else &self.n.body_errors)
                return False
            if not self.on_answer(c, n):
                return False
        if c.state == C_OPEN and not self.has_events:
            self.ready(c)
        return c.fd >= 0

    cdef bint keep(self, Conn* c, const char* p, size_t n) noexcept nogil:
        """Keep what can't be read without more."""
        if n >= ROOM:
            self.fail(c, &self.n.body_errors)
            return False
        memmove(c.left_over, p, n)
        c.have = n
        return True

    cdef bint on_answer(self, Conn* c, size_t more) noexcept nogil:
        """An answer is whole; False: the connection has ended."""
        if self.closing:
            c.state = C_ENDING
            return True
        self.finish(c)
        if c.answer.closes:
            self.n.reopened += 1
            # What was sent behind it will not be answered; it is no fault of anyone.
            self.close_conn(c)
            self.open_conn(c)
            return False
        return True

    cdef void finish(self, Conn* c) noexcept nogil:
        """Count the oldest flight, and take it off."""
        cdef Flight* f = &c.ring[c.first]
        cdef int64_t now = now_ns()
        self.last_ns = now
        self.flying -= 1
        if c.answer.wrong_status:
            self.n.status_errors += 1
        else:
            self.n.done += 1
            count_value(self.latency_h, now - f.due)
            if self.timed:
                count_value(self.service_h, now - f.sent)
        c.first = 0 if c.first + 1 == <uint32_t>self.depth else c.first + 1
        c.count -= 1
        c.answer.seen = 0
        c.answer.wrong_status = False
        c.answer.reading = R_FRAME if self.upgrade_step.n else R_HEAD

    cdef bint take_upgrade(self, Conn* c, const char* p, size_t n) noexcept nogil:
        """The answer to a WebSocket handshake."""
        cdef Verdict verdict = A_MORE
        cdef size_t m = take_answer(&c.answer, &self.upgrade_step, p, n, &verdict)
        if verdict == A_MORE:
            return self.keep(c, p + m, n - m)
        if verdict != A_DONE or c.answer.wrong_status or n > m:
            self.fail(c, &self.n.status_errors)
            return False
        c.count = 0
        self.flying -= 1
        c.answer.reading = R_FRAME
        c.state = C_OPEN
        self.ready(c)
        return c.fd >= 0
