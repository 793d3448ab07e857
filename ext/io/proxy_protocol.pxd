"""The PROXY protocol, versions 1 and 2: who a connection is from, said by the proxy before us.

https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt

Reading needs no Python: fuzzers call it. It decides as early as the bytes allow, so that a
client that speaks something else is not waited for.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.io.stream cimport Address


cdef enum:
    PROXY_MOST = 4096           # bytes of a header; a longer one is refused
    PROXY_OUT_MOST = 108        # bytes of one that is written here, without TLVs, and a NUL


cdef enum ProxyLook:
    PROXY_WHOLE                 # all of it is there
    PROXY_MORE                  # more bytes are needed
    PROXY_BAD                   # it is none, or broken, or too long


# What stands behind the addresses of version 2 (section 2.2).
cdef enum TlvType:
    TLV_ALPN      = 0x01
    TLV_AUTHORITY = 0x02        # the name the client asked for (SNI)
    TLV_CRC32C    = 0x03        # of the whole header
    TLV_NOOP      = 0x04
    TLV_UNIQUE_ID = 0x05
    TLV_SSL       = 0x20
    TLV_NETNS     = 0x30


# A header; `tlvs` points into the bytes that were looked at.
cdef struct ProxyHeader:
    size_t n                    # its bytes
    uint8_t family              # AF_INET, AF_INET6; 0: it says nothing of addresses
    uint16_t source_port        # host order
    uint16_t dest_port
    uint8_t source[16]          # IPv4 as ::ffff:a.b.c.d
    uint8_t dest[16]
    const char* tlvs            # type, length (two bytes), value; each within the header
    size_t tlvs_n


# TLVs as a connection keeps them (`Facts.proxy`); the bytes follow.
cdef struct ProxyFacts:
    uint32_t n


cdef ProxyLook proxy_look(const char* p, size_t n, ProxyHeader* out) noexcept nogil
cdef ProxyFacts* proxy_keep(const ProxyHeader* h) noexcept nogil
cdef Span proxy_tlv(const ProxyFacts* facts, uint8_t type) noexcept nogil
cdef size_t put_proxy(char* at, uint8_t version, const Address* source, const Address* dest,
                      const ProxyFacts* kept) noexcept nogil
