"""The sections of the matcher: Tables brought into rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastgw.ext.route.errors import PlanError
from fastgw.plan.layout import (
    CANDIDATE,
    CAPTURE,
    EXTRA,
    HOST,
    LOOKS,
    MAX_LISTENERS,
    NOTHING,
    PATH,
    RANGE,
    SET,
    SHAPE,
    SHAPES,
    TEST,
    TEST_OPS,
    TESTS,
    TEXT,
)
from fastgw.plan.matching import Candidate, Extras, Host, Node, Tables, ordered
from fastgw.plan.model import Condition, Match, Route
from fastgw.plan.networks import address_ranges
from fastgw.plan.patterns import PathPattern

Text = Callable[[str], tuple[int, int]]


class MatcherRows:
    """Packs the tables of some routes; `text` interns a text. Afterwards `rows` has the
    sections' rows, but for the slots."""

    def __init__(self, routes: tuple[Route, ...], listeners: Iterable[str], text: Text) -> None:
        self.text = text
        self.rows: dict[str, list[bytes]] = {
            name: []
            for name in (
                *("hosts", "looks", "paths", "shapes", "candidates", "extras", "tests", "captures"),
                *("ranges", "regexes", "sets", "names"),
            )
        }
        self._listeners = {name: i for i, name in enumerate(listeners)}
        self._regexes: dict[str, int] = {}
        self._looks: dict[object, int] = {}
        self._captures: dict[object, tuple[int, int]] = {}
        self._extras = Extras()
        self.tables = Tables(routes, self._extras)
        self._set_regexes: dict[int, int] = {}
        for host in self.tables.hosts:
            self._add_host(host)
        for extra, (match, pattern) in enumerate(self._extras.rows):
            self._add_extra(extra, match, pattern)

    def _append(self, section: str, row: bytes) -> int:
        self.rows[section].append(row)
        return len(self.rows[section]) - 1

    # -- hosts and paths -----------------------------------------------------------------

    def _add_host(self, host: Host) -> None:
        """A host, its shapes, its regexes as a set, its paths."""
        patterns: list[str] = []
        at = len(self.rows["regexes"])
        for node in host.nodes:
            self._add_path(node, at, patterns)
        row = *self.text(host.name), self._look(host), self._add_set(host, patterns)
        self._append("hosts", HOST.pack(*row))

    def _look(self, host: Host) -> int:
        """What a host's paths look like. Hosts whose paths look alike share the row and its
        shapes, which then are where the processor has them."""
        shapes = tuple(host.ordered_shapes()) if host.patterned else ()
        key = (host.exact_depths, host.prefix_depths, shapes)
        if key not in self._looks:
            first = len(self.rows["shapes"])
            for params, depth, kind in shapes:
                self._append("shapes", SHAPE.pack(params, depth, SHAPES.index(kind)))
            row = LOOKS.pack(host.exact_depths, host.prefix_depths, first, len(shapes))
            self._looks[key] = self._append("looks", row)
        return self._looks[key]

    def _add_set(self, host: Host, patterns: list[str]) -> int:
        """The regexes of a host, which are searched for together."""
        if not patterns:
            return NOTHING
        from fastgw.ext.route.regex import PatternSet  # compiled: only where a regex is used

        try:
            PatternSet(patterns)
        except ValueError as e:
            raise PlanError(f"host '{host.name or '*'}': {e}") from None
        row = SET.pack(len(self.rows["regexes"]), len(patterns))
        self.rows["regexes"] += [TEXT.pack(*self.text(pattern)) for pattern in patterns]
        return self._append("sets", row)

    def _add_path(self, node: Node, set_at: int, patterns: list[str]) -> None:
        """A path and its candidates; its regexes go to the end of `patterns`."""
        first, number = len(self.rows["candidates"]), len(patterns)
        for name, run in (("exact", node.exact), ("prefix", node.prefix), ("regex", node.regex)):
            kind = SHAPES.index(name)
            for c in ordered(run):
                row = CANDIDATE.pack(c.route, c.extra, c.methods, c.checks, kind)
                self._append("candidates", row)
                if run is node.regex:
                    self._note_regex(c, set_at + len(patterns))
                    patterns.append(c.match.path)
        counts = len(node.exact), len(node.prefix), len(node.regex)
        said = node.params, node.host, *self.text(node.text), first, *counts, number
        self._append("paths", PATH.pack(*said))

    def _note_regex(self, candidate: Candidate, at: int) -> None:
        """The pattern whose groups are the candidate's parameters."""
        if candidate.extra != NOTHING:
            self._set_regexes[candidate.extra] = at

    # -- what candidates have besides ------------------------------------------------------

    def _add_extra(self, extra: int, match: Match, pattern: PathPattern) -> None:
        tests = len(self.rows["tests"])
        for condition in match.conditions:
            self._add_condition(condition)
        self._add_connection(match)
        row = EXTRA.pack(
            tests,
            len(self.rows["tests"]) - tests,
            *self._run_of_captures(pattern),
            self._set_regexes.get(extra, NOTHING),
        )
        self._append("extras", row)

    def _run_of_captures(self, pattern: PathPattern) -> tuple[int, int]:
        """The rows of a path's parameters; equal ones are shared."""
        if pattern.captures not in self._captures:
            first = len(self.rows["captures"])
            for name, at, kind in pattern.captures:
                self._append("captures", CAPTURE.pack(*self.text(name), at, kind))
            self._captures[pattern.captures] = first, len(pattern.captures)
        return self._captures[pattern.captures]

    def _add_condition(self, condition: Condition) -> None:
        from fastgw.ext.policy.field import read_name  # compiled: only where one is used

        number, regex, name = 0, NOTHING, condition.name
        if condition.kind == "header":
            try:
                number, name = read_name(name).id, name.lower()
            except ValueError as e:
                raise PlanError(f"header '{name}': {e}") from None
        if condition.test == "regex":
            regex = self._regex(condition.value)
        value = condition.value if condition.test == "exact" else ""
        self._test(condition.kind, condition.test, number, regex, name, value)

    def _test(
        self,
        kind: str,
        op: str = "present",
        number: int = 0,
        regex: int = NOTHING,
        name: str = "",
        value: str = "",
        run: tuple[int, int] = (0, 0),
        bits: int = 0,
    ) -> None:
        row = TEST.pack(
            TESTS.index(kind),
            TEST_OPS.index(op),
            number,
            regex,
            *self.text(name),
            *self.text(value),
            *run,
            bits,
        )
        self._append("tests", row)

    def _add_connection(self, match: Match) -> None:
        """Tests of where a request comes from."""
        if match.clients:
            found = address_ranges(frozenset(match.clients))
            run = len(self.rows["ranges"]), len(found)
            for low, high in found:
                row = RANGE.pack(low.to_bytes(16, "big"), high.to_bytes(16, "big"))
                self._append("ranges", row)
            self._test("client", run=run)
        if match.listeners:
            self._test("listener", bits=sum(1 << self._listener(n) for n in match.listeners))
        if match.server_names:
            run = len(self.rows["names"]), len(match.server_names)
            for name in sorted(match.server_names):
                self._append("names", TEXT.pack(*self.text(name.removeprefix("*"))))
            self._test("server_name", run=run)

    def _listener(self, name: str) -> int:
        if name not in self._listeners:
            raise PlanError(f"there is no listener '{name}'")
        if self._listeners[name] >= MAX_LISTENERS:
            raise PlanError(f"listener '{name}' is not one of the first {MAX_LISTENERS}")
        return self._listeners[name]

    def _regex(self, pattern: str) -> int:
        """A pattern outside of sets; equal ones are one."""
        if pattern not in self._regexes:
            from fastgw.ext.route.regex import Pattern  # compiled: only where a regex is used

            try:
                Pattern(pattern)
            except ValueError as e:
                raise PlanError(str(e)) from None
            self._regexes[pattern] = self._append("regexes", TEXT.pack(*self.text(pattern)))
        return self._regexes[pattern]
