"""Routes that want the same requests as another: file order never decides between them, and
none may be left without any."""

from __future__ import annotations

from collections.abc import Iterable

from fastgw.config.document import Document
from fastgw.plan.model import Listener, Match, Route
from fastgw.plan.patterns import matcher_count
from fastgw.plan.shadows import find_shadows
from fastgw.plan.ties import find_ties


def note_ties(document: Document, routes: Iterable[Route]) -> None:
    """Note every route that takes what another takes already."""
    every = {route.name: route for route in routes}
    for tie in find_ties(tuple(every.values())):
        match = every[tie.second].matches[tie.second_match]
        hint = ""
        if matcher_count(match):
            hint = "; a request can fit both, so say by 'priority' which one gets it"
        document.problem(
            "FGW201",
            ("routes", tie.second, "match"),
            f"'{shown(match)}' is taken by route '{tie.first}'"
            f" ({document.place(('routes', tie.first))}) already{hint}",
        )


def note_shadows(
    document: Document, routes: Iterable[Route], listeners: Iterable[Listener]
) -> None:
    """Note every match that never takes a request. `listeners`: the document's own; none when
    the command line has others."""
    every = {route.name: route for route in routes}
    for shadow in find_shadows(tuple(every.values()), listeners):
        match = every[shadow.route].matches[shadow.match]
        names = " and ".join(f"'{name}' ({document.place(('routes', name))})" for name in shadow.by)
        taker = f"route {names} takes" if len(shadow.by) == 1 else f"routes {names} take"
        cure = "; a higher 'priority' would let this one go first"
        first = [matcher_count(m) for name in shadow.by for m in every[name].matches]
        hint = cure if first and max(first) <= matcher_count(match) else ""
        why = shadow.reason or f"{taker} all of it first{hint}"
        document.problem(
            "FGW211",
            ("routes", shadow.route, "match"),
            f"'{shown(match)}' can never match: {why}",
        )


def shown(match: Match) -> str:
    """Host and path as one would write them; a regular expression begins with '~'."""
    if match.regex:
        return f"{match.host or '*'}~{match.path}"
    return (match.host or "*") + match.path + ("/*" if match.prefix else "")
