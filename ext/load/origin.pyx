# distutils: libraries = crypto
"""Origin; see origin.pxd."""

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stddef cimport size_t
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset
from fastgw.ext.io.syscalls cimport (
    CLOCK_MONOTONIC, EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLL_CLOEXEC, EPOLL_CTL_ADD,
    IPPROTO_TCP, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY,
    TFD_CLOEXEC, TFD_NONBLOCK, accept4, close_fd, epoll_create1, epoll_ctl, epoll_event,
    epoll_wait, getsockname, iovec, itimerspec, msghdr, ntohs, read, recv, sendmsg, setsockopt,
    sockaddr, sockaddr_in, sockaddr_storage, socket, socklen_t, ssize_t, timerfd_create,
    timerfd_settime,
)
from fastgw.ext.load.address cimport fill_address
from fastgw.ext.load.clock cimport NS_PER_MS, NS_PER_S, now_ns
from fastgw.ext.load.openssl cimport EVP_EncodeBlock, SHA1
from fastgw.ext.load.syscalls cimport (
    SO_REUSEADDR, bind, listen, memmem, nanosleep, strncasecmp, timespec_pause,
)

cdef enum:
    EVENTS = 512                # of one wake-up
    BACKLOG = 4096
    SIGNALS_MS = 100            # between looks at signals
    KEY_N = 24                  # bytes of a Sec-WebSocket-Key
    MOST_FRAME_HEAD = 14

cdef const char* GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KINDS = {"bytes": K_BYTES, "events": K_EVENTS, "echo": K_ECHO}


@cython.final
cdef class Origin:
    """Options: `answers`, (target, kind, bytes, ns between events) each, the first one for
    every target that is not among them; kind "bytes", "events" (the bytes are the head) or
    "echo". `stall_ms` of every `stall_every_ms` nothing is done at all. `port` 0 is a free one.

    OSError when the port is taken."""

    def __cinit__(
        self,
        answers: list[tuple[bytes, str, bytes, int]],
        *,
        int port=0,
        str ip="127.0.0.1",
        int stall_ms=0,
        int stall_every_ms=0,
    ):
        self.listener = self.ep = self.timer = -1
        if not answers:
            raise ValueError("an origin without answers")
        self.stall_ns, self.stall_every_ns = stall_ms * NS_PER_MS, stall_every_ms * NS_PER_MS
        self.kept = []
        self.prepare(answers)
        self.open(ip, port)

    def prepare(self, list answers):
        cdef Prepared* made
        cdef bytes target, text
        self.prepared = <Prepared*>calloc(len(answers), sizeof(Prepared))
        if self.prepared == NULL:
            raise MemoryError()
        for target, kind, text, every_ns in answers:
            made = &self.prepared[self.prepared_n]
            made.target, made.target_n = target, len(target)
            made.p, made.n = text, len(text)
            made.kind, made.every_ns = KINDS[kind], every_ns
            self.kept.append((target, text))
            self.prepared_n += 1

    def open(self, str ip, int port):
        cdef sockaddr_storage at
        cdef socklen_t n = fill_address(&at, ip, port)
        cdef epoll_event e
        cdef int one = 1
        self.listener = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        setsockopt(self.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one))
        if bind(self.listener, <sockaddr*>&at, n) or listen(self.listener, BACKLOG):
            raise OSError(errno, f"can't listen on {ip}:{port}")
        n = sizeof(at)
        getsockname(self.listener, <sockaddr*>&at, &n)
        self.port = ntohs((<sockaddr_in*>&at).sin_port)
        self.ep = epoll_create1(EPOLL_CLOEXEC)
        self.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        e.events, e.data.ptr = EPOLLIN, NULL
        if self.ep < 0 or epoll_ctl(self.ep, EPOLL_CTL_ADD, self.listener, &e):
            raise OSError(errno, "no epoll set")
        e.data.ptr = <void*>self
        epoll_ctl(self.ep, EPOLL_CTL_ADD, self.timer, &e)

    def __dealloc__(self):
        while self.peers != NULL:
            self.drop(self.peers)
        for fd in (self.ep, self.timer, self.listener):
            if fd >= 0:
                close_fd(fd)
        free(self.prepared)

    def run(self) -> None:
        """Serve until `halt`, or until a signal's handler raises."""
        cdef epoll_event got[EVENTS]
        cdef int i, k
        self.halted = False
        while not self.halted:
            with nogil:
                for _ in range(1000):
                    k = epoll_wait(self.ep, got, EVENTS, SIGNALS_MS)
                    self.stall(now_ns())
                    for i in range(k):
                        if got[i].data.ptr == NULL:
                            self.accept_all()
                        elif got[i].data.ptr == <void*>self:
                            self.send_events(now_ns())
                        else:
                            self.readable(<Peer*>got[i].data.ptr)
                    if k == 0 or self.halted:
                        break
            PyErr_CheckSignals()

    def halt(self) -> None:
        """End the `run` of another thread, within 100 ms."""
        self.halted = True

    cdef void stall(self, int64_t now) noexcept nogil:
        """At the begin of each `stall_every_ns` of the clock nothing is done for `stall_ns`."""
        cdef int64_t left
        cdef timespec_pause t
        if self.stall_every_ns == 0:
            return
        left = self.stall_ns - now % self.stall_every_ns
        if left > 0:
            t.tv_sec, t.tv_nsec = left // NS_PER_S, left % NS_PER_S
            nanosleep(&t, NULL)

    # -- connections ---------------------------------------------------------------------

    cdef void accept_all(self) noexcept nogil:
        cdef int fd, one = 1
        cdef epoll_event e
        cdef Peer* c
        while True:
            fd = accept4(self.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                return
            # Not zeroed as a whole: most of it is never touched, and so never takes memory.
            c = <Peer*>malloc(sizeof(Peer))
            if c == NULL:
                close_fd(fd)
                continue
            memset(c, 0, sizeof(Peer) - ORIGIN_ROOM)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
            c.fd = fd
            c.after = self.peers
            if self.peers != NULL:
                self.peers.before = c
            self.peers = c
            e.events, e.data.ptr = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, c
            epoll_ctl(self.ep, EPOLL_CTL_ADD, fd, &e)

    cdef void drop(self, Peer* c) noexcept nogil:
        close_fd(c.fd)
        if c.before != NULL:
            c.before.after = c.after
        else:
            self.peers = c.after
        if c.after != NULL:
            c.after.before = c.before
        free(c.echo)
        free(c)

    cdef void readable(self, Peer* c) noexcept nogil:
        """Receive until there is no more; an answer that is stuck is waited for first."""
        cdef ssize_t r
        cdef bint full
        while True:
            if c.out_count and not self.flush(c):
                self.drop(c)
                return
            if c.out_count:
                return
            if c.have and not self.take(c):
                self.drop(c)
                return
            if c.out_count:
                return
            if c.have == ORIGIN_ROOM:
                self.drop(c)
                return
            r = recv(c.fd, c.room + c.have, ORIGIN_ROOM - c.have, 0)
            if r > 0:
                full = c.have + <size_t>r == ORIGIN_ROOM
                c.have += <size_t>r
                if not self.take(c):
                    self.drop(c)
                    return
                if not full and c.out_count == 0:
                    return
            elif r < 0 and errno == EAGAIN:
                return
            elif r < 0 and errno == EINTR:
                continue
            else:
                self.drop(c)
                return

    cdef bint take(self, Peer* c) noexcept nogil:
        """Take apart what is there, as far as its answers go out; False: the connection is to
        be dropped."""
        cdef const char* p = c.room
        cdef size_t n = c.have
        cdef int64_t m = 1
        while n and m and c.out_count == 0:
            while n and m and c.out_count < MOST_AT_ONCE and c.echo == NULL:
                m = self.take_one(c, p, n)
                if m < 0:
                    return False
                p, n = p + m, n - <size_t>m
            if not self.flush(c):
                return False
        if n and p != c.room:
            memmove(c.room, p, n)
        c.have = n
        return True

    cdef int64_t take_one(self, Peer* c, const char* p, size_t n) noexcept nogil:
        """The next piece; how many bytes it has, 0: more are needed, -1: nonsense."""
        cdef const char* end
        cdef int64_t m
        if c.state == P_HEAD:
            return self.take_head(c, p, n)
        if c.state == P_ECHO:
            return self.take_frame(c, p, n)
        if c.state == P_LENGTH or c.state == P_CHUNK:
            m = min(c.skip, <int64_t>n)
            c.skip -= m
            if c.skip == 0:
                if c.state == P_LENGTH:
                    self.answer(c)
                else:
                    c.state = P_CHUNK_LINE
            return m
        if c.state == P_EVENTS:
            return -1
        end = <const char*>memchr(p, c'\n', n)
        if end == NULL:
            return 0
        if c.state == P_TRAILER:
            if end - p <= 1:
                self.answer(c)
        else:
            c.skip = _hexadecimal(p, end)
            if c.skip < 0:
                return -1
            c.state = P_CHUNK if c.skip else P_TRAILER
            c.skip += 2                         # the chunk's CRLF
        return end + 1 - p

    cdef int64_t take_head(self, Peer* c, const char* p, size_t n) noexcept nogil:
        cdef const char* stop = <const char*>memmem(p, n, b"\r\n\r\n", 4)
        cdef const char* line = p
        cdef const char* target
        cdef const char* key = NULL
        cdef int64_t length = 0
        if stop == NULL:
            return 0
        target = <const char*>memchr(p, c' ', n)
        if target == NULL or target > stop:
            return -1
        c.state = P_HEAD
        c.closes = False
        while True:
            line = <const char*>memchr(line, c'\n', <size_t>(stop + 2 - line))
            if line == NULL or line >= stop:
                break
            line += 1
            if strncasecmp(line, b"content-length:", 15) == 0:
                length = _decimal(line + 15, stop)
            elif strncasecmp(line, b"transfer-encoding:", 18) == 0:
                c.state = P_CHUNK_LINE
            elif strncasecmp(line, b"connection: close", 17) == 0:
                c.closes = True
            elif strncasecmp(line, b"sec-websocket-key: ", 19) == 0:
                key = line + 19
        self.requests += 1
        c.answer = self.find(target + 1, <size_t>(stop - target - 1))
        if c.answer.kind == K_ECHO:
            if key == NULL or stop - key < KEY_N or not _accept(c, key):
                return -1
            c.state = P_ECHO
        elif c.state == P_HEAD and length > 0:
            c.state, c.skip = P_LENGTH, length
        elif c.state == P_HEAD:
            self.answer(c)
        return stop + 4 - p

    cdef const Prepared* find(self, const char* p, size_t n) noexcept nogil:
        """The answer to a target, which a blank ends."""
        cdef int i
        cdef size_t m
        for i in range(1, self.prepared_n):
            m = self.prepared[i].target_n
            if m < n and p[m] == c' ' and memcmp(p, self.prepared[i].target, m) == 0:
                return &self.prepared[i]
        return self.prepared

    # -- answers -------------------------------------------------------------------------

    cdef void answer(self, Peer* c) noexcept nogil:
        """The request is whole: put its answer behind those that are to be sent."""
        c.out[c.out_count].iov_base = <void*>c.answer.p
        c.out[c.out_count].iov_len = c.answer.n
        c.out_count += 1
        c.state = P_HEAD
        if c.answer.kind == K_EVENTS:
            c.state = P_EVENTS
            c.next_ns = now_ns() + c.answer.every_ns
            self.set_timer()

    cdef bint flush(self, Peer* c) noexcept nogil:
        """Send what the socket takes; False: the connection is over."""
        cdef msghdr message
        cdef ssize_t r
        cdef size_t m
        while c.out_count:
            memset(&message, 0, sizeof(message))
            message.msg_iov = c.out + c.out_first
            message.msg_iovlen = <size_t>(c.out_count - c.out_first)
            r = sendmsg(c.fd, &message, MSG_NOSIGNAL)
            if r < 0:
                if errno == EINTR:
                    continue
                return errno == EAGAIN
            while r:
                m = min(<size_t>r, c.out[c.out_first].iov_len)
                c.out[c.out_first].iov_base = <char*>c.out[c.out_first].iov_base + m
                c.out[c.out_first].iov_len -= m
                r -= <ssize_t>m
                if c.out[c.out_first].iov_len == 0:
                    c.out_first += 1
            if c.out_first == c.out_count:
                c.out_first = c.out_count = 0
                free(c.echo)
                c.echo = NULL
                if c.closes:
                    return False
        return True

    cdef int64_t take_frame(self, Peer* c, const char* text, size_t n) noexcept nogil:
        """A whole masked frame, sent back without its mask; a close frame ends it all."""
        cdef const unsigned char* p = <const unsigned char*>text
        cdef const unsigned char* mask
        cdef size_t head = 6, length, i
        if n < 6:
            return 0
        length = p[1] & 127
        if length == 127 or not p[1] & 128 or p[0] & 15 == 8:
            return -1
        if length == 126:
            head, length = 8, <size_t>p[2] << 8 | p[3]
        if n < head + length:
            return 0
        c.echo = <char*>malloc(length + MOST_FRAME_HEAD)
        if c.echo == NULL:
            return -1
        mask = p + head - 4
        memcpy(c.echo, p, head - 4)
        c.echo[1] = <char>(p[1] & 127)
        for i in range(length):
            c.echo[head - 4 + i] = <char>(p[head + i] ^ mask[i & 3])
        c.out[0].iov_base, c.out[0].iov_len = c.echo, head - 4 + length
        c.out_count = 1
        self.requests += 1
        return <int64_t>(head + length)

    cdef void set_timer(self) noexcept nogil:
        """A tick each millisecond, from the first stream of events on."""
        cdef itimerspec s
        s.it_interval.tv_sec, s.it_interval.tv_nsec = 0, NS_PER_MS
        s.it_value = s.it_interval
        timerfd_settime(self.timer, 0, &s, NULL)

    cdef void send_events(self, int64_t now) noexcept nogil:
        """An event on every stream for which one is due. One that the socket does not take
        is left out: its reader is too slow for the rate."""
        cdef char text[96]
        cdef unsigned long long ticks
        cdef iovec part
        cdef msghdr message
        cdef int n
        cdef Peer* c = self.peers
        read(self.timer, &ticks, sizeof(ticks))
        memset(&message, 0, sizeof(message))
        message.msg_iov, message.msg_iovlen = &part, 1
        while c != NULL:
            if c.state == P_EVENTS and c.out_count == 0 and now >= c.next_ns:
                c.next_ns = max(c.next_ns + c.answer.every_ns, now)
                # A chunk of 27 bytes: 6 for the field, 19 digits, two line ends.
                n = snprintf(text, sizeof(text), b"1b\r\ndata: %019lld\n\n\r\n",
                             <long long>now_ns())
                part.iov_base, part.iov_len = text, <size_t>n
                sendmsg(c.fd, &message, MSG_NOSIGNAL)
                self.requests += 1
            c = c.after


cdef int64_t _decimal(const char* p, const char* end) noexcept nogil:
    cdef int64_t found = 0
    while p < end and p[0] == c' ':
        p += 1
    while p < end and c'0' <= p[0] <= c'9':
        found = found * 10 + (p[0] - c'0')
        p += 1
    return found


cdef int64_t _hexadecimal(const char* p, const char* end) noexcept nogil:
    """-1: no number."""
    cdef int64_t found = 0
    cdef const char* begin = p
    while p < end and found < <int64_t>1 << 40:
        if c'0' <= p[0] <= c'9':
            found = found * 16 + (p[0] - c'0')
        elif c'a' <= (p[0] | 32) <= c'f':
            found = found * 16 + ((p[0] | 32) - c'a' + 10)
        else:
            break
        p += 1
    return found if p > begin else -1


cdef bint _accept(Peer* c, const char* key) noexcept nogil:
    """Prepare the 101 (RFC 6455 section 4.2.2)."""
    cdef char text[64]
    cdef unsigned char digest[20]
    cdef unsigned char told[32]
    cdef int n
    memcpy(text, key, KEY_N)
    memcpy(text + KEY_N, GUID, 36)
    SHA1(<const unsigned char*>text, KEY_N + 36, digest)
    EVP_EncodeBlock(told, digest, 20)
    c.echo = <char*>malloc(256)
    if c.echo == NULL:
        return False
    n = snprintf(c.echo, 256, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 b"Connection: Upgrade\r\nSec-WebSocket-Accept: %.28s\r\n\r\n", <char*>told)
    c.out[0].iov_base, c.out[0].iov_len = c.echo, <size_t>n
    c.out_count = 1
    return True
