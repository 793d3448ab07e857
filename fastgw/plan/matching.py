"""The matcher's tables: what `ext/route/matcher.pyx` walks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fastgw.ext.route.errors import PlanError
from fastgw.plan.layout import (
    CHECK_REST,
    CHECK_TESTS,
    MAX_HOST,
    MAX_SEGMENTS,
    NOTHING,
    method_bits,
)
from fastgw.plan.model import Match, Route
from fastgw.plan.patterns import Kind, PathPattern, matcher_count, parse_path, shape

_GET, _HEAD = method_bits(frozenset({"GET"})), method_bits(frozenset({"HEAD"}))


@dataclass(slots=True)
class Host:
    """A host, and what its paths look like."""

    name: str
    exact_depths: int = 0
    prefix_depths: int = 0
    #: A path has parameters, or is a regex.
    patterned: bool = False
    shapes: set[tuple[int, int, Kind]] = field(default_factory=set)
    nodes: list[Node] = field(default_factory=list)

    def ordered_shapes(self) -> list[tuple[int, int, Kind]]:
        """(params, depth, kind) in the order in which they are tried."""
        return [(p, d, k) for _, p, d, k in sorted(shape(*s) for s in self.shapes)]


@dataclass(slots=True)
class Candidate:
    """A route that wants requests of a path; `extra` is the index of an ExtraRow."""

    methods: int
    route: int
    priority: int
    match: Match
    extra: int = NOTHING
    checks: int = 0

    def rank(self) -> tuple[int, int, int, str, str]:
        """Sorts into the order in which candidates are asked: longer regexes before shorter
        ones. The last part only sees to it that the order is not that of the file."""
        pattern = self.match.path if self.match.regex else ""
        return (
            -matcher_count(self.match),
            -self.priority,
            -len(pattern),
            pattern,
            repr(self.match),
        )


@dataclass(slots=True)
class Node:
    """A path of a host, and the routes that want it."""

    host: int
    text: str
    params: int
    exact: list[Candidate] = field(default_factory=list)
    prefix: list[Candidate] = field(default_factory=list)
    regex: list[Candidate] = field(default_factory=list)


def ordered(found: list[Candidate]) -> list[Candidate]:
    """In the order in which they are asked, and GET takes HEAD as well."""
    if len(found) > 1:
        found = sorted(found, key=Candidate.rank)
    for candidate in found:
        gets = candidate.methods & _GET and not candidate.methods & _HEAD
        if gets and not any(_serves_head(other, candidate) for other in found):
            candidate.methods |= _HEAD
    return found


def _serves_head(other: Candidate, candidate: Candidate) -> bool:
    """Whether another route of the path asks for HEAD by name, whenever this one fits."""
    mine, its = candidate.match, other.match
    return (
        "HEAD" in its.methods
        and (not mine.regex or its.path == mine.path)
        and set(its.conditions) <= set(mine.conditions)
        and its.clients in ((), mine.clients)
        and its.listeners in (frozenset(), mine.listeners)
        and its.server_names in (frozenset(), mine.server_names)
    )


class Tables:
    """Hosts, paths and candidates of all routes."""

    def __init__(self, routes: tuple[Route, ...], extras: Extras) -> None:
        self.hosts: list[Host] = [Host("")]
        self.wildcard_labels = 0
        self._extras = extras
        self._hosts: dict[str, int] = {"": 0}
        self._nodes: dict[tuple[int, str], Node] = {}
        self._bits: dict[frozenset[str], int] = {}
        for i, route in enumerate(routes):
            for match in route.matches:
                self._add(i, route, match)

    def nodes(self) -> Iterator[Node]:
        """Every path, host by host."""
        for host in self.hosts:
            yield from host.nodes

    def _host(self, name: str) -> int:
        name = name.removeprefix("*")
        if name not in self._hosts:
            if len(name) > MAX_HOST:
                raise PlanError(f"host of more than {MAX_HOST - 1} bytes: '{name}'")
            self._hosts[name] = len(self.hosts)
            self.hosts.append(Host(name))
            if name.startswith("."):
                labels = name.count(".")
                if labels > MAX_SEGMENTS:
                    raise PlanError(f"wildcard host of {labels} labels: '*{name}'")
                self.wildcard_labels |= 1 << labels
        return self._hosts[name]

    def _node(self, at: int, pattern: PathPattern) -> Node:
        node = self._nodes.get((at, pattern.text))
        if node is None:
            node = Node(at, pattern.text, pattern.params)
            self._nodes[at, pattern.text] = node
            self.hosts[at].nodes.append(node)
        return node

    def _methods(self, methods: frozenset[str]) -> int:
        if methods not in self._bits:
            self._bits[methods] = method_bits(methods)
        return self._bits[methods]

    def _add(self, i: int, route: Route, match: Match) -> None:
        pattern = parse_path(match)
        at = self._host(match.host)
        host = self.hosts[at]
        candidate = Candidate(self._methods(match.methods), i, route.priority, match)
        self._extras.give(candidate, pattern)
        node = self._node(at, pattern)
        host.shapes.add((pattern.params, pattern.depth, pattern.kind))
        if pattern.kind == "regex":
            node.regex.append(candidate)
            host.patterned = True
        elif pattern.kind == "prefix":
            node.prefix.append(candidate)
            host.prefix_depths |= 1 << pattern.depth
        else:
            node.exact.append(candidate)
            host.exact_depths |= 1 << pattern.depth
        host.patterned = host.patterned or pattern.params != 0


class Extras:
    """Gives candidates what they have besides methods."""

    def __init__(self) -> None:
        #: (match with the tests, captures, is a regex) of each row; equal ones are one.
        self.rows: list[tuple[Match, PathPattern]] = []
        self._known: dict[object, int] = {}

    def give(self, candidate: Candidate, pattern: PathPattern) -> None:
        """Set `extra` and `checks`."""
        match = candidate.match
        tests = (match.conditions, match.clients, match.listeners, match.server_names)
        tested = any(tests)
        candidate.checks = CHECK_TESTS * tested + CHECK_REST * pattern.rest
        if not tested and not pattern.captures:
            return
        of_regex = (match.host, match.path, candidate.route) if pattern.kind == "regex" else None
        key = (tests, pattern.captures, of_regex)
        at = self._known.get(key)
        if at is None:
            at = self._known[key] = len(self.rows)
            self.rows.append((match, pattern))
        candidate.extra = at
