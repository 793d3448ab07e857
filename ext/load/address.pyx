"""Socket addresses; see address.pxd."""

import socket
from libc.string cimport memcpy, memset
from fastgw.ext.io.syscalls cimport (
    AF_INET, AF_INET6, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t,
)


cdef socklen_t fill_address(sockaddr_storage* a, str ip, int port) except 0:
    """An IPv4 or IPv6 address as the kernel wants it; its length. ValueError for other text."""
    cdef sockaddr_in* v4 = <sockaddr_in*>a
    cdef sockaddr_in6* v6 = <sockaddr_in6*>a
    cdef bytes packed
    cdef bint is_v6 = ":" in ip
    try:
        packed = socket.inet_pton(socket.AF_INET6 if is_v6 else socket.AF_INET, ip)
    except OSError:
        raise ValueError(f"{ip!r} is no IP address") from None
    if not 0 <= port <= 65535:
        raise ValueError(f"{port} is no port")
    memset(a, 0, sizeof(sockaddr_storage))
    a.ss_family = AF_INET6 if is_v6 else AF_INET
    if is_v6:
        v6.sin6_port = socket.htons(port)
        memcpy(&v6.sin6_addr, <const char*>packed, 16)
        return sizeof(sockaddr_in6)
    v4.sin_port = socket.htons(port)
    memcpy(&v4.sin_addr, <const char*>packed, 4)
    return sizeof(sockaddr_in)
