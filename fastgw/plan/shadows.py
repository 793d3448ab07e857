"""Shadows: matches that never take a request, because routes that go first take all of them.

Two routes of one host and path where neither number of matchers nor priority decides are a tie
(ties.py). Where something decides, the first may leave nothing to the second: it asks for no
more, or several that go first do together. Paths that differ leave something to each other,
since exact ones are finite and parameters are not; but a listener that sends all its requests
to one route leaves nothing to any other.

What is found is true. Not everything is: what the regular expressions of two matches have in
common is not asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fastgw.plan.model import Condition, Listener, Match, Route
from fastgw.plan.networks import ranges_cover, ranges_meet
from fastgw.plan.patterns import matcher_count, parse_path
from fastgw.plan.ties import Entry, name_covers, places

#: More routes of one host and path that go before another are not compared with it.
_MOST = 100
_DIMENSIONS = ("methods", "clients", "listeners", "server_names")


@dataclass(frozen=True, slots=True)
class Shadow:
    """A match that takes nothing; `by` are routes that take it all, or there are none and
    `reason` says why."""

    route: str
    match: int
    by: tuple[str, ...]
    reason: str = ""


def find_shadows(routes: tuple[Route, ...], listeners: Iterable[Listener] = ()) -> list[Shadow]:
    """Every match that never takes a request. Those that a match of the same route covers
    are none."""
    known = tuple(listeners)
    names = frozenset(one.name for one in known)
    found = list(_unheard(routes, known))
    seen = {(shadow.route, shadow.match) for shadow in found}
    for group in places(routes):
        for entry, by in _covered(group, names):
            if (entry.route.name, entry.index) not in seen:
                found.append(Shadow(entry.route.name, entry.index, by))
    return found


# -- listeners -----------------------------------------------------------------------------


def _unheard(routes: tuple[Route, ...], listeners: tuple[Listener, ...]) -> Iterator[Shadow]:
    """Matches whose listeners bring them nothing."""
    if not listeners:
        return
    open_ones = {one.name for one in listeners if not one.route}
    secure = {one.name for one in listeners if one.options.get("tls")} & open_ones
    for route in routes:
        for i, match in enumerate(route.matches):
            reason = _why_unheard(match, open_ones, secure)
            if reason:
                yield Shadow(route.name, i, (), reason)


def _why_unheard(match: Match, open_ones: set[str], secure: set[str]) -> str:
    """Why no request of its listeners can fit; empty: one can."""
    mine = open_ones & match.listeners if match.listeners else open_ones
    if match.listeners and not mine:
        names = " and ".join(f"'{name}'" for name in sorted(match.listeners))
        return f"every request of {names} is redirected"
    if match.server_names and not mine & secure:
        return "'sni' is asked for, and no listener of it has TLS"
    return ""


# -- one place -----------------------------------------------------------------------------


def _covered(
    group: list[Entry], listeners: frozenset[str]
) -> Iterator[tuple[Entry, tuple[str, ...]]]:
    """The members of a place that others cover, and the names of these."""
    ranks = {id(entry): (-matcher_count(entry.match), -entry.route.priority) for entry in group}
    if len(set(ranks.values())) < 2:
        return
    group = sorted(group, key=lambda entry: ranks[id(entry)])
    by_fact: dict[Condition | None, list[Entry]] = defaultdict(list)
    for entry in group:
        first = [
            other
            for fact in (None, *_facts(entry.match))
            for other in by_fact[fact][:_MOST]
            if ranks[id(other)] < ranks[id(entry)] and other.route is not entry.route
        ]
        by = _cover(entry.match, first, listeners) if first else ()
        if by:
            yield entry, by
        by_fact[min(_conditions(entry.match), key=repr, default=None)].append(entry)


def _conditions(match: Match) -> frozenset[Condition]:
    """The conditions, names of headers in lower case."""
    return frozenset(
        replace(c, name=c.name.lower()) if c.kind == "header" else c for c in match.conditions
    )


def _facts(match: Match) -> frozenset[Condition]:
    """The conditions that whatever fits a match fits as well."""
    found = _conditions(match)
    return found | {Condition(c.kind, c.name) for c in found}


def _cover(match: Match, others: list[Entry], listeners: frozenset[str]) -> tuple[str, ...]:
    """The routes that together take all that a match would: one of them, or several that
    differ in one respect only. Empty: something is left."""
    facts = _facts(match)
    able = [
        o
        for o in others
        if facts >= _conditions(o.match)
        and _path_covers(o.match, match)
        and _clients_meet(o.match, match)
    ]
    for wanted in _DIMENSIONS:
        rest = [d for d in _DIMENSIONS if d != wanted]
        same = [o for o in able if all(_covers(d, [o.match], match, listeners) for d in rest)]
        for other in same:
            if _covers(wanted, [other.match], match, listeners):
                return (other.route.name,)
        if _covers(wanted, [other.match for other in same], match, listeners):
            return tuple(dict.fromkeys(other.route.name for other in same))
    return ()


def _clients_meet(other: Match, match: Match) -> bool:
    """Whether a client can be of both; those that can't have no part in a cover."""
    return not (other.clients and match.clients) or ranges_meet(other.clients, match.clients)


def _path_covers(other: Match, match: Match) -> bool:
    """Of two prefixes of one place, one may ask for a slash that the other does without."""
    if other.regex or not other.path.endswith("...}"):
        return True
    return parse_path(match).rest


def _covers(what: str, others: list[Match], match: Match, listeners: frozenset[str]) -> bool:
    """Whether some matches together take, in one respect, all that another takes."""
    values = [getattr(other, what) for other in others]
    if not values:
        return False
    if not all(values):
        return True
    wanted = getattr(match, what)
    if what == "listeners":
        wanted = wanted or listeners
        return bool(wanted) and wanted <= frozenset().union(*values)
    if not wanted:
        return False
    if what == "methods":
        return bool(wanted <= frozenset().union(*values))
    if what == "clients":
        return ranges_cover([text for one in values for text in one], wanted)
    names = [name for one in values for name in one]
    return all(any(w == n or name_covers(n, w) for n in names) for w in wanted)
