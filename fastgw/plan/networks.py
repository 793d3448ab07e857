"""Networks as ranges of 16-byte addresses, IPv4 as ::ffff:a.b.c.d."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, ip_network

from fastgw.ext.route.errors import PlanError

_MAPPED = 0xFFFF << 32


def address_range(text: str) -> tuple[int, int]:
    """The first and last address of a network."""
    try:
        network = ip_network(text)
    except ValueError as e:
        raise PlanError(f"clients: {e}") from None
    base = _MAPPED if isinstance(network, IPv4Network) else 0
    return base + int(network.network_address), base + int(network.broadcast_address)


@lru_cache(maxsize=4096)
def address_ranges(texts: frozenset[str]) -> tuple[tuple[int, int], ...]:
    """The ranges of some networks, in order, with none that touches another."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(address_range(text) for text in texts):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def ranges_meet(a: Iterable[str], b: Iterable[str]) -> bool:
    """Whether some address is in a network of both."""
    mine, others = address_ranges(frozenset(a)), address_ranges(frozenset(b))
    return any(low <= h and other <= high for low, high in mine for other, h in others)
