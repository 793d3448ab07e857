"""Networks as ranges of 16-byte addresses, IPv4 as ::ffff:a.b.c.d."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from fastgw.ext.route.errors import PlanError

#: Where IPv4 stands; no IPv6 network holds any of it, however large.
_MAPPED, _MAPPED_END = 0xFFFF << 32, (0xFFFF << 32) + (1 << 32)


@lru_cache(maxsize=16384)
def _range(text: str) -> list[tuple[int, int]]:
    """The addresses of a network: a range, or two around those that are IPv4."""
    from fastgw.ext.base.networks import parse_network  # compiled: only where one is used

    try:
        low, high = parse_network(text)
    except ValueError as e:
        raise PlanError(f"clients: {e}") from None
    if low < _MAPPED <= high:
        parts = [(low, _MAPPED - 1), (_MAPPED_END, high)]
        return [part for part in parts if part[0] <= part[1]]
    return [(low, high)]


@lru_cache(maxsize=4096)
def address_ranges(texts: frozenset[str]) -> tuple[tuple[int, int], ...]:
    """The ranges of some networks, in order, with none that touches another."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(part for text in texts for part in _range(text)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def ranges_meet(a: Iterable[str], b: Iterable[str]) -> bool:
    """Whether some address is in a network of both."""
    mine, others = address_ranges(frozenset(a)), address_ranges(frozenset(b))
    return any(low <= h and other <= high for low, high in mine for other, h in others)


def ranges_cover(a: Iterable[str], b: Iterable[str]) -> bool:
    """Whether every address of the networks of `b` is in one of `a`."""
    mine, others = address_ranges(frozenset(a)), address_ranges(frozenset(b))
    return all(any(low <= o and h <= high for low, high in mine) for o, h in others)
