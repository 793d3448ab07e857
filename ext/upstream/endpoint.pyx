"""Endpoints from the plan's options; see endpoint.pxd."""

from libc.string cimport memcpy, memset
from libc.stdint cimport uint16_t
from fastgw.ext.upstream.pool cimport IdlePool, IdleRoom

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned short sa_family_t
    enum:
        AF_INET, AF_INET6, AF_UNIX
cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        sa_family_t sin_family
        uint16_t sin_port
        in_addr sin_addr
    struct sockaddr_in6:
        sa_family_t sin6_family
        uint16_t sin6_port
        in6_addr sin6_addr
cdef extern from "<sys/un.h>" nogil:
    struct sockaddr_un:
        sa_family_t sun_family
        char sun_path[108]
cdef extern from "<arpa/inet.h>" nogil:
    uint16_t htons(uint16_t value)
    int inet_pton(int family, const char* text, void* out)


cdef int _set_unix(Endpoint e, bytes path) except -1:
    """The address of a unix socket."""
    cdef sockaddr_un* a = <sockaddr_un*>e.address
    if not 0 < len(path) < <Py_ssize_t>sizeof(a.sun_path):
        raise ValueError(f"unix socket path of {len(path)} bytes: at most 107 are possible")
    a.sun_family = e.family = AF_UNIX
    memcpy(a.sun_path, <const char*>path, len(path))
    e.address_n = sizeof(sockaddr_un)
    return 0


cdef int _set_inet(Endpoint e, str text, int port) except -1:
    """The address of a TCP port; `text` is an IPv4 or IPv6 address."""
    cdef bytes raw = text.encode("ascii")
    cdef sockaddr_in* v4 = <sockaddr_in*>e.address
    cdef sockaddr_in6* v6 = <sockaddr_in6*>e.address
    if inet_pton(AF_INET, raw, &v4.sin_addr) == 1:
        v4.sin_family = e.family = AF_INET
        v4.sin_port = htons(port)
        e.address_n = sizeof(sockaddr_in)
    elif inet_pton(AF_INET6, raw, &v6.sin6_addr) == 1:
        v6.sin6_family = e.family = AF_INET6
        v6.sin6_port = htons(port)
        e.address_n = sizeof(sockaddr_in6)
    else:
        raise ValueError(f"not an address: {text!r}")
    return 0


cdef Endpoint new_endpoint(dict server, list address, dict pool, object tls, IdleRoom room):
    """An endpoint for one address of `server`.

    `server` is {url, host, port, unix, weight, send_proxy}
    (a version of the PROXY protocol, 0 = none); `address` is [family, text, port], empty for
    a unix socket; `pool` is {idle, idle_ms, requests}; `tls` is a TlsSide, or None; `room`
    is what all endpoints of a worker share."""
    cdef Endpoint e = Endpoint()
    cdef str host = server["host"]
    e.url = server["url"]
    e.url_text = e.url.encode("utf-8", "replace")[:256]
    e.host = host
    e.port = server["port"]
    e.weight = server.get("weight", 1)
    memset(e.address, 0, sizeof(e.address))
    if server.get("unix"):
        _set_unix(e, server["unix"].encode())
        e.authority = b"localhost"
    else:
        _set_inet(e, address[1], address[2])
        bracketed = f"[{host}]" if ":" in host else host
        usual = 80 if tls is None else 443
        e.authority = (bracketed if e.port == usual else f"{bracketed}:{e.port}").encode("ascii")
    e.tls = tls
    e.send_proxy = server.get("send_proxy", 0)
    # A connection that was announced as one client's must not carry another's requests.
    requests = 1 if e.send_proxy else pool.get("requests", 0)
    e.pool = IdlePool(room, pool.get("idle", 4096), pool.get("idle_ms", 4000), requests)
    return e
