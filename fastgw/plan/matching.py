"""The matcher's tables: what `ext/route/matcher.pyx` walks, with the same hash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fastgw.ext.route.errors import PlanError
from fastgw.plan.layout import EMPTY_SLOT, MAX_SEGMENTS, method_bits
from fastgw.plan.model import Route

_MULTIPLIER = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_GET, _HEAD = method_bits(frozenset({"GET"})), method_bits(frozenset({"HEAD"}))


def mix(h: int, word: int) -> int:
    """Fold 64 bits into a hash."""
    h = (h ^ word) * _MULTIPLIER & _MASK
    return h ^ (h >> 32)


def hash_bytes(seed: int, data: bytes) -> int:
    """A hash of bytes, eight at a time; the last, shorter word carries its length."""
    whole = len(data) & ~7
    for at in range(0, whole, 8):
        seed = mix(seed, int.from_bytes(data[at : at + 8], "little"))
    rest = data[whole:]
    return mix(seed, int.from_bytes(rest, "little") ^ (len(rest) + 1) << 56)


def hash_path(path: str, host: int) -> int:
    """The hash of a path of a host: its segments' hashes, chained, then the host's index."""
    h = 0
    if path:
        for segment in path[1:].split("/"):
            h = hash_bytes(h, segment.encode())
    return mix(h, host)


def fill_slots(hashes: Iterable[tuple[int, int]], rows: int) -> list[tuple[int, int]]:
    """Slots of an open addressing table for (hash, row) pairs, at most half full."""
    size = 1 << (2 * rows).bit_length()
    slots = [(0, EMPTY_SLOT)] * size
    for h, row in hashes:
        at = (h >> 32) & (size - 1)
        while slots[at][1] != EMPTY_SLOT:
            at = (at + 1) & (size - 1)
        slots[at] = (h & 0xFFFFFFFF, row)
    return slots


@dataclass(slots=True)
class Host:
    """A host and the depths at which it has exact paths and prefixes."""

    name: str
    exact_depths: int = 0
    prefix_depths: int = 0


@dataclass(slots=True)
class Node:
    """A path of a host, and the routes that want it: (methods, route) each."""

    host: int
    path: str
    exact: list[tuple[int, int]] = field(default_factory=list)
    prefix: list[tuple[int, int]] = field(default_factory=list)


def order_candidates(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that name methods before one that takes all. GET takes HEAD as well, unless
    another route of the same path names HEAD."""
    heads = any(bits & _HEAD for bits, _ in found)
    return sorted(
        ((bits | _HEAD if bits & _GET and not heads else bits, route) for bits, route in found),
        key=lambda c: (c[0] == 0, c[1]),
    )


class Tables:
    """Hosts, paths and candidates of all routes."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.hosts: list[Host] = [Host("")]
        self.nodes: list[Node] = []
        self.wildcard_labels = 0
        self._hosts: dict[str, int] = {"": 0}
        self._nodes: dict[tuple[int, str], Node] = {}
        for i, route in enumerate(routes):
            for match in route.matches:
                self._add(i, match.host, match.path, match.prefix, method_bits(match.methods))

    def _host(self, name: str) -> int:
        name = name.removeprefix("*")
        if name not in self._hosts:
            self._hosts[name] = len(self.hosts)
            self.hosts.append(Host(name))
            if name.startswith("."):
                labels = name.count(".")
                if labels > MAX_SEGMENTS:
                    raise PlanError(f"wildcard host of {labels} labels: '*{name}'")
                self.wildcard_labels |= 1 << labels
        return self._hosts[name]

    def _add(self, route: int, host: str, path: str, prefix: bool, methods: int) -> None:
        at = self._host(host)
        depth = path.count("/")
        if depth > MAX_SEGMENTS or (path and not path.startswith("/")):
            raise PlanError(f"path can't be matched: '{path}'")
        node = self._nodes.get((at, path))
        if node is None:
            node = self._nodes[at, path] = Node(at, path)
            self.nodes.append(node)
        if prefix:
            node.prefix.append((methods, route))
            self.hosts[at].prefix_depths |= 1 << depth
        else:
            node.exact.append((methods, route))
            self.hosts[at].exact_depths |= 1 << depth

    def host_slots(self) -> list[tuple[int, int]]:
        """The default host, row 0, is found without them."""
        named = list(enumerate(self.hosts))[1:]
        return fill_slots(((hash_bytes(0, h.name.encode()), i) for i, h in named), len(named))

    def path_slots(self) -> list[tuple[int, int]]:
        """Every path of every host."""
        hashed = ((hash_path(n.path, n.host), i) for i, n in enumerate(self.nodes))
        return fill_slots(hashed, len(self.nodes))
