"""Routes as a plan has them, brought back into the model: for what tells of a gateway that runs,
whatever its file says by now.

What a plan no longer knows is left at its default: `priority` (candidates are in order), names
of networks (a plan has ranges), and whether a method was named or derived.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from typing import Any

from fastgw.plan.layout import (
    HOST_MODES,
    MODES,
    NOTHING,
    SHAPES,
    TEST_OPS,
    TESTS,
    method_names,
)
from fastgw.plan.model import Condition, Match, ObjectSpec, Rewrite, Route, Split, SplitPart, Step
from fastgw.plan.patterns import GROUP, REST
from fastgw.plan.reader import PlanReader

Row = tuple[Any, ...]
_MAPPED = (0xFFFF << 32, (0xFFFF << 32) + (1 << 32) - 1)


class RouteReader:
    """Brings the routes of a plan back; sections are unpacked once."""

    def __init__(self, reader: PlanReader) -> None:
        self.reader = reader
        self.listeners = [listener.name for listener in reader.listeners()]
        self._sections: dict[str, list[Row]] = {}
        self._chains: dict[int, tuple[Step, ...]] = {}

    def routes(self) -> list[Route]:
        """Every route, in the order of the plan."""
        matches: dict[int, list[Match]] = {}
        for route, match in self._matches():
            matches.setdefault(route, []).append(match)
        return [
            Route(
                self.reader.text(*row[0:2]),
                tuple(matches.get(i, ())),
                self._target(row[2]),
                self._chain(row[3]),
                self._rewrite(row),
            )
            for i, row in enumerate(self._rows("routes"))
        ]

    def _rows(self, section: str) -> list[Row]:
        if section not in self._sections:
            self._sections[section] = list(self.reader.rows(section))
        return self._sections[section]

    def _text(self, row: Row, at: int) -> str:
        return self.reader.text(*row[at : at + 2])

    # -- matches ---------------------------------------------------------------------------

    def _matches(self) -> Iterator[tuple[int, Match]]:
        """(index of the route, match), path by path."""
        hosts = [self._text(row, 0) for row in self._rows("hosts")]
        for _, host, at, n, first, *counts, _ in self._rows("paths"):
            name = "*" + hosts[host] if hosts[host].startswith(".") else hosts[host]
            path = self.reader.text(at, n)
            for i in range(first, first + sum(counts)):
                yield self._rows("candidates")[i][0], self._match(name, path, i)

    def _match(self, host: str, path: str, i: int) -> Match:
        """The match of a candidate of a path."""
        _, extra, methods, _, kind = self._rows("candidates")[i]
        said: dict[str, Any] = {"host": host, "methods": self._methods(methods)}
        found = None if extra == NOTHING else self._rows("extras")[extra]
        rest = False
        if found is not None:
            path, rest = self._named(path, found)
            for row in self._rows("tests")[found[0] : found[0] + found[1]]:
                self._add_test(said, row)
        if SHAPES[kind] == "regex":
            return Match(self._patterns[i], False, regex=True, **said)
        return Match(path, SHAPES[kind] == "prefix" and not rest, **said)

    def _methods(self, bits: int) -> frozenset[str]:
        """Without the HEAD that comes with GET."""
        names = frozenset(method_names(bits))
        return names - {"HEAD"} if "GET" in names else names

    def _named(self, path: str, extra: Row) -> tuple[str, bool]:
        """A path with the names of its parameters, and whether it ends in `{name...}`."""
        segments, rest = path.split("/"), False
        for row in self._rows("captures")[extra[2] : extra[2] + extra[3]]:
            name, at, kind = self._text(row, 0), row[2], row[3]
            if kind == REST:
                segments.append(f"{{{name}...}}")
                rest = True
            elif kind != GROUP:
                segments[at + 1] = f"{{{name}}}"
        return "/".join(segments), rest

    @cached_property
    def _patterns(self) -> dict[int, str]:
        """Index of a regex path's candidate -> its pattern."""
        found = {}
        sets = [row[3] for row in self._rows("hosts")]
        for _, host, _, _, first, exact_n, prefix_n, regex_n, number in self._rows("paths"):
            for i in range(regex_n):
                at = self._rows("sets")[sets[host]][0] + number + i
                found[first + exact_n + prefix_n + i] = self._text(self._rows("regexes")[at], 0)
        return found

    def _add_test(self, said: dict[str, Any], row: Row) -> None:
        """What a test says of a match."""
        kind, op, _, regex = row[:4]
        first, n, bits = row[8:11]
        name = TESTS[kind]
        if name == "client":
            ranges = self._rows("ranges")[first : first + n]
            said["clients"] = tuple(text for low, high in ranges for text in _networks(low, high))
        elif name == "listener":
            names = (one for i, one in enumerate(self.listeners) if bits >> i & 1)
            said["listeners"] = frozenset(names)
        elif name == "server_name":
            names = (self._text(r, 0) for r in self._rows("names")[first : first + n])
            said["server_names"] = frozenset("*" * one.startswith(".") + one for one in names)
        else:
            test = TEST_OPS[op]
            value = self._text(self._rows("regexes")[regex], 0) if test == "regex" else ""
            value = self._text(row, 6) if test == "exact" else value
            condition = Condition(name, self._text(row, 4), test, value)  # type: ignore[arg-type]
            said["conditions"] = (*said.get("conditions", ()), condition)

    # -- what routes do --------------------------------------------------------------------

    def _object(self, i: int) -> ObjectSpec:
        row = self._rows("objects")[i]
        return ObjectSpec(self._text(row, 0), self._text(row, 2), self.reader.options(*row[5:7]))

    def _target(self, i: int) -> ObjectSpec | Split:
        found = self._object(self._rows("targets")[i][0])
        if found.kind != "split":
            return found
        by_hash = {row[4]: at for at, row in enumerate(self._rows("objects"))}
        parts = (
            SplitPart(self._object(by_hash[part["object"]]), part["weight"])
            for part in found.options["parts"]
        )
        return Split(found.name, tuple(parts), found.options["key"])

    def _chain(self, i: int) -> tuple[Step, ...]:
        if i not in self._chains:
            first, n = self._rows("chains")[i]
            self._chains[i] = tuple(
                Step(
                    self._object(row[0]),
                    MODES[row[1]],
                    "pass" if row[2] else "reject",
                    row[3],
                )
                for row in self._rows("steps")[first : first + n]
            )
        return self._chains[i]

    def _rewrite(self, route: Row) -> Rewrite:
        host = HOST_MODES[route[8]]
        said: dict[str, Any] = {"host": host + self._text(route, 11) if host == "=" else host}
        if route[4] >= 0:
            row = self._rows("rewrites")[route[4]]
            said |= {"strip": self._text(row, 0), "prefix": self._text(row, 2)}
            if row[4] != NOTHING:
                said |= self._object(row[4]).options
        return Rewrite(**said)


def _networks(low: bytes, high: bytes) -> Iterator[str]:
    """The networks that a range of 16-byte addresses is."""
    first, last = int.from_bytes(low, "big"), int.from_bytes(high, "big")
    if _MAPPED[0] <= first <= _MAPPED[1]:
        four = IPv4Address(first - _MAPPED[0]), IPv4Address(last - _MAPPED[0])
        yield from map(str, summarize_address_range(*four))
    else:
        yield from map(str, summarize_address_range(IPv6Address(first), IPv6Address(last)))
