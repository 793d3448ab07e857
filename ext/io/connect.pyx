"""Connecting to upstreams; see connect.pxd.

`addr` is a struct sockaddr of `addr_n` bytes, copied by the kernel. Nothing is told to
the codec from inside these calls: success comes as `on_open`, failure as `on_gone` with
`connect_refused`, `connect_failed` or `connect_timeout`, both in a later event or at the
end of the turn. What is written meanwhile is queued. A connect has no deadline of its own
but the kernel's; whoever asked sets one and aborts.
"""

from libc.errno cimport EAGAIN, ECONNREFUSED, EINPROGRESS, ENOENT, errno
from fastgw.ext.base.reasons cimport (
    REASON_CONNECT_FAILED, REASON_CONNECT_REFUSED, REASON_NONE, Reason,
)
from fastgw.ext.io.address cimport address_fill
from fastgw.ext.io.options cimport set_options
from fastgw.ext.io.stream cimport S_CLOSED, S_CONNECTING, S_UPSTREAM
from fastgw.ext.io.syscalls cimport (
    EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, close_fd,
    connect, sockaddr, socket,
)


cdef Stream connect_stream(Engine engine, Codec codec, const void* addr, uint32_t addr_n,
                           uint32_t user_timeout_ms):
    """A plain stream that connects to `addr`; `codec` is told what becomes of it."""
    cdef Stream s = Stream.__new__(Stream)
    connect_into(s, engine, codec, addr, addr_n, user_timeout_ms)
    return s


cdef void connect_into(Stream s, Engine engine, Codec codec, const void* addr, uint32_t addr_n,
                       uint32_t user_timeout_ms) noexcept:
    """The same for a stream that is made already (TLS)."""
    cdef Reason failed
    s.engine = engine
    s.codec = codec
    s.flags |= S_CONNECTING | S_UPSTREAM
    address_fill(&s.facts.peer, <const sockaddr*>addr)
    failed = begin(s, <const sockaddr*>addr, addr_n, user_timeout_ms)
    if failed != REASON_NONE:
        if s.fd >= 0:
            close_fd(s.fd)
            s.fd = -1
        s.flags |= S_CLOSED
        s.why = failed
        engine.do_later(s)


cdef Reason begin(Stream s, const sockaddr* addr, uint32_t addr_n,
                  uint32_t user_timeout_ms) noexcept:
    """Make the socket and start connecting; why it failed, or NONE."""
    s.fd = socket(addr.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if s.fd < 0:
        return REASON_CONNECT_FAILED
    set_options(s.fd, addr.sa_family, user_timeout_ms)
    if connect(s.fd, addr, addr_n) < 0 and errno != EINPROGRESS:
        # EAGAIN and ENOENT come from unix sockets: a full queue, no such path.
        if errno in (ECONNREFUSED, EAGAIN, ENOENT):
            return REASON_CONNECT_REFUSED
        return REASON_CONNECT_FAILED
    try:
        s.engine.add(s, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
    except Exception:
        return REASON_CONNECT_FAILED
    return REASON_NONE
