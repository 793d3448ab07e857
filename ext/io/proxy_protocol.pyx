"""The PROXY protocol; see proxy_protocol.pxd."""

from libc.stdio cimport snprintf
from libc.stdlib cimport malloc
from libc.string cimport memcmp, memcpy, memset
from fastgw.ext.base.span cimport span
from fastgw.ext.io.syscalls cimport AF_INET, AF_INET6, inet_pton

cdef enum:
    V1_MOST = 107               # the longest line of version 1, with its CRLF
    V2_HEAD = 16                # signature, version and command, family, length
    V2_LOCAL = 0x20
    V2_PROXY = 0x21
    V2_UNSPEC = 0x00
    V2_TCP4 = 0x11
    V2_TCP6 = 0x21
    V2_UNIX = 0x31
    TLV_HEAD = 3

cdef const char* _V1 = b"PROXY "
cdef const char* _V2 = b"\r\n\r\n\x00\r\nQUIT\n"


cdef ProxyLook proxy_look(const char* p, size_t n, ProxyHeader* out) noexcept nogil:
    """Look at the first `n` received bytes; `out` is filled when the header is whole."""
    memset(out, 0, sizeof(ProxyHeader))
    if n == 0:
        return PROXY_MORE
    if memcmp(p, _V2, n if n < 12 else 12) == 0:
        return _look_v2(p, n, out)
    if memcmp(p, _V1, n if n < 6 else 6) == 0:
        return _look_v1(p, n, out)
    return PROXY_BAD


# -- version 1 -------------------------------------------------------------------------------

cdef ProxyLook _look_v1(const char* p, size_t n, ProxyHeader* out) noexcept nogil:
    """`PROXY TCP4 source dest port port CRLF`; what follows UNKNOWN is not looked at."""
    cdef size_t end = 0
    cdef size_t most = n if n < V1_MOST else V1_MOST
    while end < most and p[end] != 10:
        if not 32 <= p[end] < 127 and not (p[end] == 13 and end + 1 < V1_MOST):
            return PROXY_BAD
        end += 1
    if end == most:
        return PROXY_BAD if n >= V1_MOST else PROXY_MORE
    if end < 1 or p[end - 1] != 13:
        return PROXY_BAD
    out.n = end + 1
    if n >= 13 and memcmp(p + 6, b"UNKNOWN", 7) == 0 and (p[13] == 32 or p[13] == 13):
        return PROXY_WHOLE
    if not _read_v1(p + 6, p + end - 1, out):
        return PROXY_BAD
    return PROXY_WHOLE


cdef bint _read_v1(const char* at, const char* end, ProxyHeader* out) noexcept nogil:
    """The words between `PROXY ` and CRLF."""
    if end - at < 5 or memcmp(at, b"TCP", 3) != 0 or at[4] != 32:
        return False
    if at[3] == 52:
        out.family = AF_INET
    elif at[3] == 54:
        out.family = AF_INET6
    else:
        return False
    at += 5
    return (
        _word_address(&at, end, out.family, out.source)
        and _word_address(&at, end, out.family, out.dest)
        and _word_port(&at, end, 32, &out.source_port)
        and _word_port(&at, end, 0, &out.dest_port)
    )


cdef bint _word_address(const char** at, const char* end, uint8_t family,
                        uint8_t* ip16) noexcept nogil:
    """An address and the space behind it."""
    cdef char text[46]
    cdef size_t n = 0
    while at[0] + n < end and at[0][n] != 32:
        n += 1
        if n >= sizeof(text):
            return False
    if at[0] + n >= end:
        return False
    memcpy(text, at[0], n)
    text[n] = 0
    at[0] += n + 1
    memset(ip16, 0, 16)
    if family == AF_INET6:
        return inet_pton(AF_INET6, text, ip16) == 1
    ip16[10] = ip16[11] = 255
    return inet_pton(AF_INET, text, ip16 + 12) == 1


cdef bint _word_port(const char** at, const char* end, char then, uint16_t* port) noexcept nogil:
    """A port without zeros before it, and the byte `then` behind it; 0: the end."""
    cdef uint32_t value = 0
    cdef const char* begin = at[0]
    while at[0] < end and 48 <= at[0][0] <= 57:
        value = value * 10 + (at[0][0] - 48)
        at[0] += 1
        if value > 65535:
            return False
    if at[0] == begin or (begin[0] == 48 and at[0] - begin > 1):
        return False
    port[0] = <uint16_t>value
    if then == 0:
        return at[0] == end
    if at[0] == end or at[0][0] != then:
        return False
    at[0] += 1
    return True


# -- version 2 -------------------------------------------------------------------------------

cdef inline uint16_t _two(const char* p) noexcept nogil:
    """Two bytes in network order."""
    return <uint16_t>(<uint8_t>p[0] << 8 | <uint8_t>p[1])


cdef ProxyLook _look_v2(const char* p, size_t n, ProxyHeader* out) noexcept nogil:
    """Section 2.2. Datagram families are refused: nothing here is one."""
    cdef uint8_t family
    cdef size_t length, addresses = 0
    if n > 12 and <uint8_t>p[12] != V2_LOCAL and <uint8_t>p[12] != V2_PROXY:
        return PROXY_BAD
    if n < V2_HEAD:
        return PROXY_MORE
    family, length = <uint8_t>p[13], _two(p + 14)
    if family == V2_TCP4:
        addresses = 12
    elif family == V2_TCP6:
        addresses = 36
    elif family == V2_UNIX:
        addresses = 216
    elif family != V2_UNSPEC and <uint8_t>p[12] != V2_LOCAL:
        return PROXY_BAD
    if V2_HEAD + length > PROXY_MOST or (length < addresses and <uint8_t>p[12] == V2_PROXY):
        return PROXY_BAD
    if n < V2_HEAD + length:
        return PROXY_MORE
    out.n = V2_HEAD + length
    if <uint8_t>p[12] == V2_LOCAL:
        return PROXY_WHOLE              # of the proxy's own, whatever else it says
    _take_addresses(p + V2_HEAD, family, out)
    out.tlvs, out.tlvs_n = p + V2_HEAD + addresses, length - addresses
    return PROXY_WHOLE if _tlvs_right(p, out) else PROXY_BAD


cdef void _take_addresses(const char* p, uint8_t family, ProxyHeader* out) noexcept nogil:
    """Source and destination; of unix sockets nothing is known that is of use."""
    if family == V2_TCP4:
        out.family = AF_INET
        out.source[10] = out.source[11] = out.dest[10] = out.dest[11] = 255
        memcpy(&out.source[12], p, 4)
        memcpy(&out.dest[12], p + 4, 4)
        out.source_port, out.dest_port = _two(p + 8), _two(p + 10)
    elif family == V2_TCP6:
        out.family = AF_INET6
        memcpy(out.source, p, 16)
        memcpy(out.dest, p + 16, 16)
        out.source_port, out.dest_port = _two(p + 32), _two(p + 34)


cdef bint _tlvs_right(const char* p, const ProxyHeader* h) noexcept nogil:
    """Whether each TLV lies within the header, and a checksum, if there is one, is right."""
    cdef const char* at = h.tlvs
    cdef const char* end = h.tlvs + h.tlvs_n
    cdef size_t n
    while at < end:
        if end - at < TLV_HEAD:
            return False
        n = _two(at + 1)
        if n > <size_t>(end - at) - TLV_HEAD:
            return False
        if <uint8_t>at[0] == TLV_CRC32C:
            if n != 4 or not _checksum_right(p, h.n, at + TLV_HEAD):
                return False
        at += TLV_HEAD + n
    return True


cdef bint _checksum_right(const char* p, size_t n, const char* sum) noexcept nogil:
    """CRC-32C of the header with the checksum's own four bytes zero."""
    cdef uint32_t crc = 0xFFFFFFFFU
    cdef size_t i
    for i in range(n):
        crc ^= 0 if p + i >= sum and p + i < sum + 4 else <uint8_t>p[i]
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78U if crc & 1 else 0)
    crc = ~crc
    return crc == (<uint32_t>_two(sum) << 16 | _two(sum + 2))


# -- what is kept ------------------------------------------------------------------------------

cdef ProxyFacts* proxy_keep(const ProxyHeader* h) noexcept nogil:
    """The TLVs in memory of their own (`free`); NULL when there are none, or no memory."""
    cdef ProxyFacts* kept
    if h.tlvs_n == 0:
        return NULL
    kept = <ProxyFacts*>malloc(sizeof(ProxyFacts) + h.tlvs_n)
    if kept != NULL:
        kept.n = <uint32_t>h.tlvs_n
        memcpy(kept + 1, h.tlvs, h.tlvs_n)
    return kept


cdef Span proxy_tlv(const ProxyFacts* facts, uint8_t type) noexcept nogil:
    """The first TLV of a type; p = NULL: there is none."""
    cdef const char* at = <const char*>(facts + 1)
    cdef const char* end = at + facts.n if facts != NULL else at
    while facts != NULL and at < end:
        if <uint8_t>at[0] == type:
            return span(at + TLV_HEAD, _two(at + 1))
        at += TLV_HEAD + _two(at + 1)
    return span(NULL, 0)


# -- writing -----------------------------------------------------------------------------------

cdef inline bint _is_ip(const Address* a) noexcept nogil:
    return a.family == AF_INET or a.family == AF_INET6


cdef size_t put_proxy_v1(char* at, const Address* source, const Address* dest) noexcept nogil:
    """The line of version 1, at most 107 bytes; UNKNOWN where there are no addresses, or they
    are of two families."""
    cdef int n
    if not _is_ip(source) or source.family != dest.family:
        memcpy(at, b"PROXY UNKNOWN\r\n", 15)
        return 15
    n = snprintf(
        at, V1_MOST + 1, b"PROXY TCP%s %s %s %u %u\r\n",
        <const char*>b"4" if source.family == AF_INET else <const char*>b"6",
        source.text, dest.text, <unsigned int>source.port, <unsigned int>dest.port,
    )
    return n


cdef size_t put_proxy_v2(char* at, const Address* source, const Address* dest,
                         size_t tlvs_n) noexcept nogil:
    """The header of version 2 with room announced for `tlvs_n` bytes of TLVs; LOCAL where the
    client has no address, and TLVs with it."""
    cdef size_t n
    memcpy(at, _V2, 12)
    at[12] = <char>V2_PROXY
    if not _is_ip(source) or not _is_ip(dest):
        at[12], at[13] = <char>V2_LOCAL, <char>V2_UNSPEC
        n = 0
    elif source.family == AF_INET and dest.family == AF_INET:
        at[13] = <char>V2_TCP4
        n = 12
        memcpy(at + 16, &source.ip[12], 4)
        memcpy(at + 20, &dest.ip[12], 4)
        _put_two(at + 24, source.port)
        _put_two(at + 26, dest.port)
    else:
        at[13] = <char>V2_TCP6
        n = 36
        memcpy(at + 16, source.ip, 16)
        memcpy(at + 32, dest.ip, 16)
        _put_two(at + 48, source.port)
        _put_two(at + 50, dest.port)
    _put_two(at + 14, <uint16_t>(n + tlvs_n))
    return V2_HEAD + n


cdef inline void _put_two(char* at, uint16_t value) noexcept nogil:
    at[0], at[1] = <char>(value >> 8), <char>(value & 255)


cdef size_t put_proxy_tlvs(char* at, const ProxyFacts* facts) noexcept nogil:
    """The kept TLVs that still hold on the next hop (`facts.n` bytes at the most): not the
    checksum, which was another header's, nor padding or a name space of another machine."""
    cdef const char* from_at
    cdef const char* end
    cdef size_t n, put = 0
    cdef uint8_t type
    if facts == NULL:
        return 0
    from_at = <const char*>(facts + 1)
    end = from_at + facts.n
    while from_at < end:
        type, n = <uint8_t>from_at[0], TLV_HEAD + _two(from_at + 1)
        if type != TLV_CRC32C and type != TLV_NOOP and type != TLV_NETNS:
            memcpy(at + put, from_at, n)
            put += n
        from_at += n
    return put


cdef size_t put_proxy(char* at, uint8_t version, const Address* source, const Address* dest,
                      const ProxyFacts* kept) noexcept nogil:
    """A whole PROXY header (at most PROXY_OUT_MOST bytes and those of the TLVs); its length."""
    cdef size_t n, tlvs_n
    if version == 1:
        return put_proxy_v1(at, source, dest)
    n = put_proxy_v2(at, source, dest, 0)
    if n == 16:
        return n
    tlvs_n = put_proxy_tlvs(at + n, kept)
    put_proxy_v2(at, source, dest, tlvs_n)
    return n + tlvs_n
