"""Scopes: defaults < upstream < group < route; the inner one wins, key by key.

What a value is, and who said it, come from the same walk, so that `show --effective` can't
tell anything else than what is in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from fastgw.config.document import Document
from fastgw.config.models import Defaults
from fastgw.config.problems import Where
from fastgw.config.upstream_models import Scope
from fastgw.plan.model import Limits, Timeouts


@dataclass(frozen=True, slots=True)
class Layer:
    """One scope around a route, and where it is written."""

    document: Document
    where: Where
    scope: Scope


Layers = tuple[Layer, ...]


def said(model: BaseModel) -> Iterator[tuple[str, Any]]:
    """The keys that somebody wrote, with their values."""
    for name in model.model_fields_set:
        value = getattr(model, name)
        if value is not None:
            yield name, value


def said_timeouts(scope: Scope) -> dict[str, int]:
    """The timeouts that a scope says, `timeout` being short for one of them."""
    if not scope.model_fields_set & {"timeout", "timeouts"}:
        return {}
    found = dict(said(scope.timeouts))
    if scope.timeout is not None:
        found["request"] = scope.timeout
    return found


_TIMEOUTS = Timeouts()


def timeouts(layers: Sequence[Layer], base: Timeouts = _TIMEOUTS) -> Timeouts:
    """The timeouts of scopes, outermost first."""
    found: dict[str, int] = {}
    for layer in layers:
        found.update(said_timeouts(layer.scope))
    return replace(base, **found) if found else base


def body_limit(layers: Sequence[Layer], base: int) -> int:
    """The most bytes of a request's body; 0 = no limit."""
    for layer in reversed(layers):
        body = layer.scope.limits.body
        if body is not None:
            return body
    return base


#: Limits of heads that a scope below the defaults may say: they narrow the listener's.
HEAD_LIMITS = ("head", "target", "fields")


def head_limits(layers: Sequence[Layer]) -> dict[str, int]:
    """What scopes around a route, but for the defaults, say of heads: `head_limit` and its
    like; 0 = nothing."""
    found = {f"{key}_limit": 0 for key in HEAD_LIMITS}
    for layer in layers:
        found |= {f"{key}_limit": n for key, n in said(layer.scope.limits) if key in HEAD_LIMITS}
    return found


def on_client_eof(layers: Sequence[Layer]) -> Any:
    """What becomes of requests whose client has closed its sending side."""
    for layer in reversed(layers):
        if layer.scope.on_client_eof is not None:
            return layer.scope.on_client_eof
    return "cancel"


def limits(*scopes: Defaults) -> tuple[Limits, int | None]:
    """The listeners' limits and the memory of a worker, outermost scope first."""
    found: dict[str, Any] = {}
    for scope in scopes:
        found.update(said(scope.limits))
    memory = found.pop("memory", None)
    return replace(Limits(), **found), memory
