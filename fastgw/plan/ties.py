"""Ties: two routes that want the same requests, and nothing says which one gets them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from fastgw.ext.route.errors import PlanError
from fastgw.plan.model import Condition, Match, Route
from fastgw.plan.networks import ranges_meet
from fastgw.plan.patterns import matcher_count, parse_path


@dataclass(frozen=True, slots=True)
class Tie:
    """Two routes, by name and by the index of the match that ties."""

    first: str
    first_match: int
    second: str
    second_match: int
    reason: str


class TieError(PlanError):
    """`build_plan` was given routes that tie; `ties` has all of them."""

    def __init__(self, ties: list[Tie]) -> None:
        self.ties = ties
        super().__init__("; ".join(f"{t.first} and {t.second}: {t.reason}" for t in ties[:10]))


@dataclass(slots=True)
class Entry:
    """A match of a route."""

    route: Route
    index: int
    match: Match


#: Larger groups are divided by what their members compare exactly before each pair is looked at.
_PAIRS = 8


def find_ties(routes: tuple[Route, ...]) -> list[Tie]:
    """Every match that has the same host, path, number of matchers and priority as one of
    another route before it, where a request can fit both. A group of n that all tie gives
    n - 1 ties."""
    return [tie for group in places(routes) for equals in _by_rank(group) for tie in _ties(equals)]


def places(routes: tuple[Route, ...]) -> Iterator[list[Entry]]:
    """The matches of all routes by host and path, where there are several."""
    groups: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for route in routes:
        for i, match in enumerate(route.matches):
            groups[_place(match)].append(Entry(route, i, match))
    return (group for group in groups.values() if len(group) > 1)


def _place(match: Match) -> tuple[str, ...]:
    """What two matches must have in common to tie; names of parameters don't count."""
    if match.regex:
        return match.host, "~", match.path
    if "{" not in match.path:
        return match.host, "*" if match.prefix else "=", match.path
    pattern = parse_path(match)
    return match.host, "*" if pattern.kind == "prefix" else "=", pattern.text


def _by_rank(group: list[Entry]) -> Iterator[list[Entry]]:
    """Those with as many matchers and the same priority."""
    ranks: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    for entry in group:
        ranks[matcher_count(entry.match), entry.route.priority].append(entry)
    return (equals for equals in ranks.values() if len(equals) > 1)


def _ties(group: list[Entry]) -> list[Tie]:
    """The ties within a group, at most one for each of its members."""
    if len(group) > _PAIRS and (parts := _divided(group)):
        return [tie for part in parts for tie in _ties(part)]
    found = []
    for i, later in enumerate(group):
        for earlier in group[:i]:
            if earlier.route is not later.route and _meet(earlier.match, later.match):
                found.append(_tie(earlier, later))
                break
    return found


def _divided(group: list[Entry]) -> list[list[Entry]]:
    """The group by the value of a condition that all of it compare exactly, if there is one
    with more than one value: members of different parts can't tie."""
    for wanted in group[0].match.conditions:
        parts: dict[str, list[Entry]] = defaultdict(list)
        for entry in group:
            value = _exact(entry.match, wanted)
            if value is None:
                break
            parts[value].append(entry)
        else:
            if len(parts) > 1:
                return list(parts.values())
    return []


def _key(condition: Condition) -> tuple[str, str]:
    """What a condition is about."""
    name = condition.name
    return condition.kind, name.lower() if condition.kind == "header" else name


def _exact(match: Match, wanted: Condition) -> str | None:
    """The value that a match compares with what `wanted` is about."""
    for condition in match.conditions:
        if condition.test == "exact" and _key(condition) == _key(wanted):
            return condition.value
    return None


def _meet(a: Match, b: Match) -> bool:
    """Whether a request can fit both, as far as can be told."""
    if a.methods and b.methods and not a.methods & b.methods:
        return False
    if a.listeners and b.listeners and not a.listeners & b.listeners:
        return False
    if a.server_names and b.server_names and not _names_meet(a.server_names, b.server_names):
        return False
    for condition in a.conditions:
        if condition.test == "exact":
            other = _exact(b, condition)
            if other is not None and other != condition.value:
                return False
    return not (a.clients and b.clients) or ranges_meet(a.clients, b.clients)


def _names_meet(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether a server name can be one of both."""
    return any(x == y or name_covers(x, y) or name_covers(y, x) for x in a for y in b)


def name_covers(wildcard: str, name: str) -> bool:
    """Whether a wildcard takes all that a name or another wildcard does."""
    return wildcard.startswith("*.") and name.removeprefix("*").endswith(wildcard[1:])


def _tie(first: Entry, second: Entry) -> Tie:
    """In words."""
    match = second.match
    shown = ("~" if match.regex else "") + match.path
    shown = (match.host or "*") + shown + ("/*" if match.prefix and not match.regex else "")
    count = matcher_count(match)
    reason = f"both take '{shown}'"
    if count:
        reason += f" with {count} matcher{'s' * (count != 1)} that one request can fit"
    reason += f" and have priority {second.route.priority}"
    return Tie(first.route.name, first.index, second.route.name, second.index, reason)
