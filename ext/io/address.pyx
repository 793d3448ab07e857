"""Addresses; see address.pxd."""

from libc.stdint cimport uint8_t, uint16_t
from libc.string cimport memcpy, memset, strlen
from fastgw.ext.io.syscalls cimport (
    AF_INET, AF_INET6, AF_UNIX, getsockname, inet_ntop, ntohs, sockaddr_in, sockaddr_in6,
    sockaddr_storage, socklen_t,
)


cdef void address_fill(Address* a, const sockaddr* from_kernel) noexcept:
    """Fill `a`; an IPv4 address that came over an IPv6 socket is written as IPv4."""
    cdef const sockaddr_in* v4 = <const sockaddr_in*>from_kernel
    cdef const sockaddr_in6* v6 = <const sockaddr_in6*>from_kernel
    memset(a, 0, sizeof(Address))
    a.family = from_kernel.sa_family
    if a.family == AF_INET:
        a.ip[10] = a.ip[11] = 255
        memcpy(&a.ip[12], &v4.sin_addr, 4)
        a.port = ntohs(v4.sin_port)
    elif a.family == AF_INET6:
        memcpy(a.ip, &v6.sin6_addr, 16)
        a.port = ntohs(v6.sin6_port)
        if is_mapped(a):
            a.family = AF_INET
    if a.family == AF_INET:
        put_ipv4(a.text, &a.ip[12])
    elif a.family == AF_INET6:
        inet_ntop(AF_INET6, a.ip, a.text, sizeof(a.text))
    elif a.family == AF_UNIX:
        memcpy(a.text, b"unix", 5)
    a.text_n = <uint8_t>strlen(a.text)


cdef void address_of(Address* a, uint8_t family, const uint8_t* ip16, uint16_t port) noexcept:
    """Fill `a` with an address as facts hold it, and a port in host order; an IPv4 address that is
    written as IPv6 is IPv4."""
    memset(a, 0, sizeof(Address))
    memcpy(a.ip, ip16, 16)
    a.family = AF_INET if is_mapped(a) else family
    a.port = port
    if a.family == AF_INET:
        put_ipv4(a.text, &a.ip[12])
    else:
        inet_ntop(AF_INET6, a.ip, a.text, sizeof(a.text))
    a.text_n = <uint8_t>strlen(a.text)


cdef void put_ipv4(char* text, const uint8_t* ip) noexcept:
    """Dotted decimal and a NUL, 16 bytes at most. inet_ntop writes the same by way of printf, which
    is felt where each connection brings one request."""
    cdef int i
    for i in range(4):
        if ip[i] >= 100:
            text[0] = <char>(c'0' + ip[i] // 100)
            text += 1
        if ip[i] >= 10:
            text[0] = <char>(c'0' + ip[i] // 10 % 10)
            text += 1
        text[0] = <char>(c'0' + ip[i] % 10)
        text[1] = c'.' if i < 3 else 0
        text += 2


cdef bint is_mapped(const Address* a) noexcept:
    """Whether the address lies in ::ffff:0:0/96 (RFC 4291 2.5.5.2)."""
    cdef int i
    for i in range(10):
        if a.ip[i]:
            return False
    return a.ip[10] == 255 and a.ip[11] == 255


cdef void learn_local(Stream s) noexcept:
    """Fill `facts.local`, which costs a system call behind a wildcard address."""
    cdef sockaddr_storage ours
    cdef socklen_t n = sizeof(ours)
    if s.facts.local.family == 0 and s.fd >= 0:
        if getsockname(s.fd, <sockaddr*>&ours, &n) == 0:
            address_fill(&s.facts.local, <sockaddr*>&ours)


cdef object address_text(const Address* a):
    """"ip:port", "[v6]:port" or "unix", for logs."""
    cdef str text = a.text[:a.text_n].decode("ascii")
    if a.family == AF_INET6:
        return f"[{text}]:{a.port}"
    return f"{text}:{a.port}" if a.family == AF_INET else text
