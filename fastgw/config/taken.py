"""Routes that want the same requests as another: file order never decides between them."""

from __future__ import annotations

from collections.abc import Iterable

from fastgw.config.document import Document
from fastgw.plan.model import Match, Route
from fastgw.plan.patterns import matcher_count
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


def shown(match: Match) -> str:
    """Host and path as one would write them; a regular expression begins with '~'."""
    if match.regex:
        return f"{match.host or '*'}~{match.path}"
    return (match.host or "*") + match.path + ("/*" if match.prefix else "")
