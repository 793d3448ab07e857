"""Networks; see networks.pxd."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy

#: Where IPv4 stands among 16-byte addresses: ::ffff:0:0/96.
MAPPED_FIRST = 0xFFFF << 32
MAPPED_LAST = MAPPED_FIRST | 0xFFFFFFFF


def parse_network(text: str) -> tuple[int, int]:
    """First and last address of "10.0.0.0/8", "2001:db8::/32" or a single address.

    ValueError says what is wrong; bits set beyond the prefix are an error, because
    10.0.0.1/8 is either a single address or a network and only the writer knows which."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not an IP address or network")
    if "%" in text:
        raise ValueError(f"'{text}': an address with a scope can't be part of a network")
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(_what_is_wrong(text)) from None
    first, last = int(network.network_address), int(network.broadcast_address)
    if isinstance(network, IPv4Network):
        return first | MAPPED_FIRST, last | MAPPED_FIRST
    return first, last


def _what_is_wrong(text: str) -> str:
    """Why `text` is not a network, with what may have been meant."""
    try:
        near = ip_network(text, strict=False)
    except ValueError:
        return f"'{text}' is not an IP address or network (10.0.0.0/8, 2001:db8::/32)"
    address = text.partition("/")[0]
    return f"'{text}' has bits set beyond its prefix (did you mean {near} or {address}?)"


def _ranges(texts: tuple[str, ...]) -> list[list[int]]:
    """Sorted ranges that neither touch nor overlap."""
    found = []
    for text in texts:
        first, last = parse_network(text)
        if first < MAPPED_FIRST <= last:
            found.append([first, MAPPED_FIRST - 1])
            first = MAPPED_LAST + 1
        if first <= last:
            found.append([first, last])
    merged: list[list[int]] = []
    end = -2
    for first, last in sorted(found):
        if first <= end + 1:
            end = max(end, last)
            merged[len(merged) - 1][1] = end
        else:
            merged.append([first, last])
            end = last
    return merged


cdef class Networks:
    """A set of IP networks, built from text; see networks.pxd."""

    def __cinit__(self, texts=()):
        cdef size_t i
        cdef bytes first, last
        if isinstance(texts, str):
            raise ValueError("networks are a list of texts, not one text")
        self.texts = tuple(texts)
        ranges = _ranges(self.texts)
        self.ranges = <Range*>malloc((len(ranges) + 1) * sizeof(Range))
        if self.ranges == NULL:
            raise MemoryError
        self.n = len(ranges)
        for i, pair in enumerate(ranges):
            first, last = pair[0].to_bytes(16, "big"), pair[1].to_bytes(16, "big")
            memcpy(self.ranges[i].first, <const char*>first, 16)
            memcpy(self.ranges[i].last, <const char*>last, 16)

    def __dealloc__(self):
        free(self.ranges)

    cdef bint contains(self, const uint8_t* ip16) noexcept nogil:
        """Whether the address is in one of the networks."""
        cdef size_t low = 0, high = self.n, middle
        while low < high:
            middle = (low + high) >> 1
            if memcmp(ip16, self.ranges[middle].first, 16) < 0:
                high = middle
            else:
                low = middle + 1
        return low > 0 and memcmp(ip16, self.ranges[low - 1].last, 16) <= 0

    def __len__(self) -> int:
        """How many separate ranges of addresses there are."""
        return self.n

    def __contains__(self, address) -> bool:
        """Whether the address, a text or an ipaddress object, is in one of the networks."""
        cdef bytes packed
        if not isinstance(address, (IPv4Address, IPv6Address)):
            address = ip_address(address)
        value = int(address)
        if isinstance(address, IPv4Address):
            value |= MAPPED_FIRST
        packed = value.to_bytes(16, "big")
        return self.contains(<const uint8_t*><const char*>packed)
