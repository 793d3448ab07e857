"""What a value is after defaults < upstream < route; later wins key by key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastgw.config.models import AllLimits, UpstreamTimeouts
from fastgw.plan.model import Limits, Timeouts


def _given(*models: Any) -> dict[str, Any]:
    """What the models say, the last one's word."""
    said: dict[str, Any] = {}
    for model in models:
        said.update((k, v) for k, v in model if v is not None)
    return said


def timeouts(*scopes: UpstreamTimeouts) -> Timeouts:
    """The timeouts of scopes, outermost first."""
    return replace(Timeouts(), **_given(*scopes))


def limits(*scopes: AllLimits) -> tuple[Limits, int | None]:
    """The listeners' limits and the memory of a worker, outermost scope first."""
    said = _given(*scopes)
    memory = said.pop("memory", None)
    return replace(Limits(), **said), memory
