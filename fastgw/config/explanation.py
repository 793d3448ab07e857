"""What is told of a request: made by explain.py, carried by the admin API, printed by the
command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastgw.config.effective import Value
from fastgw.config.near import Miss
from fastgw.config.requests import Request


@dataclass(frozen=True, slots=True)
class Sent:
    """What an upstream would get. `share`: of a split, in percent."""

    upstream: str
    share: float
    servers: tuple[str, ...]
    target: str
    host: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is told. `reason` and `status` are of an answer without a route."""

    request: Request
    route: str | None
    place: str = ""
    status: int = 0
    reason: str = ""
    allow: tuple[str, ...] = ()
    host: str = ""
    path: str = ""
    match: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    policies: tuple[Value, ...] = ()
    sent: tuple[Sent, ...] = ()
    misses: tuple[Miss, ...] = ()


def explanation_of(said: Mapping[str, Any]) -> Explanation:
    """The explanation that `dataclasses.asdict` made a map of, and JSON lists of tuples."""
    asked = dict(said["request"])
    asked["headers"] = tuple((name, value) for name, value in asked["headers"])
    made = {
        **said,
        "request": Request(**asked),
        "allow": tuple(said["allow"]),
        "parameters": tuple((name, value) for name, value in said["parameters"]),
        "policies": tuple(Value(**one) for one in said["policies"]),
        "sent": tuple(Sent(**{**one, "servers": tuple(one["servers"])}) for one in said["sent"]),
        "misses": tuple(Miss(**one) for one in said["misses"]),
    }
    return Explanation(**made)
