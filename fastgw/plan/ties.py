"""Ties: two routes that want the same requests and nothing says which one gets them."""

from __future__ import annotations

from dataclasses import dataclass

from fastgw.ext.route.errors import PlanError
from fastgw.plan.model import Route


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


def find_ties(routes: tuple[Route, ...]) -> list[Tie]:
    """Every pair of matches that have the same host, path, number of matchers and priority
    and can both fit a request; a group of n equal ones gives n - 1 pairs."""
    raise NotImplementedError
