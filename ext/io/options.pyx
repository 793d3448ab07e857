"""Socket options; see options.pxd."""

from fastgw.ext.io.syscalls cimport (
    AF_INET, AF_INET6, IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_DEFER_ACCEPT, TCP_KEEPCNT,
    TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY, TCP_USER_TIMEOUT, setsockopt,
)

cdef enum:
    KEEPALIVE_IDLE_S = 60       # silence before the first probe
    KEEPALIVE_EVERY_S = 10      # between probes
    KEEPALIVE_PROBES = 3        # unanswered ones that end the connection


cdef void set_options(int fd, int family, uint32_t user_timeout_ms) noexcept:
    """No Nagle delay, keepalive, and a bound on how long sent bytes may stay unacknowledged.

    On a listening socket they are inherited by whatever it accepts, so that a connection
    costs none of these calls. Nothing to do for unix sockets."""
    if family != AF_INET and family != AF_INET6:
        return
    set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1)
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S)
    set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES)
    set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms)


cdef void set_deferred(int fd, int family, bint on) noexcept:
    """Whether a listening socket holds connections back until the client has said something, or
    about a second is over. Nothing to do for unix sockets."""
    if family == AF_INET or family == AF_INET6:
        set_number(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1 if on else 0)


cdef void set_number(int fd, int level, int name, int value) noexcept:
    """One option; a kernel that refuses it leaves its default."""
    setsockopt(fd, level, name, &value, sizeof(value))
