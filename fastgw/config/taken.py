"""Routes that want the same requests as another: file order never decides between them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastgw.config.document import Document
from fastgw.plan.model import Match, Route

_PARAMETER = re.compile(r"\{[^}.]*(\.\.\.)?\}")
#: All but the methods that tell two matches apart.
_Place = tuple[object, ...]


def note_ties(document: Document, routes: Iterable[Route]) -> None:
    """Note every route that takes what another takes already."""
    taken: dict[_Place, list[tuple[frozenset[str], str]]] = {}
    for route in routes:
        for match in route.matches:
            there = taken.setdefault(place_of(match, route.priority), [])
            other = next((n for m, n in there if tied(m, match.methods)), None)
            if other is None:
                there.append((match.methods, route.name))
                continue
            document.problem(
                "FGW201",
                ("routes", route.name, "match"),
                f"'{shown(match)}' is taken by route '{other}'"
                f" ({document.place(('routes', other))}) already",
            )


def place_of(match: Match, priority: int) -> _Place:
    """What must differ between two routes for both to be possible, but methods."""
    shape = match.path if match.regex else _PARAMETER.sub(r"{\1}", match.path)
    return (
        match.host,
        shape,
        match.prefix,
        match.regex,
        match.conditions,
        match.clients,
        match.listeners,
        match.server_names,
        priority,
    )


def tied(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two matches that differ in nothing else want a request alike."""
    return bool(a & b) or not (a or b)


def shown(match: Match) -> str:
    """Host and path as one would write them."""
    return (match.host or "*") + match.path + ("/*" if match.prefix else "")
