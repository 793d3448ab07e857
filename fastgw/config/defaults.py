"""What holds when no scope says anything, as one would write it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, get_args

from pydantic import BaseModel

from fastgw.config.limit_models import AllLimits, AllTimeouts
from fastgw.config.units import Quantity
from fastgw.plan.model import DEFAULT_MEMORY, Limits, Timeouts


def timeout_defaults() -> dict[str, str]:
    """Of each timeout."""
    return _shown(AllTimeouts, asdict(Timeouts()))


def limit_defaults() -> dict[str, str]:
    """Of each limit."""
    return _shown(AllLimits, {**asdict(Limits()), "memory": DEFAULT_MEMORY})


def shown_value(model: type[BaseModel], name: str, value: Any) -> str:
    """A value of a model's field as one would write it."""
    for quantity in _quantities(model.model_fields[name].annotation):
        return quantity.text(value)
    for quantity in model.model_fields[name].metadata:
        if isinstance(quantity, Quantity):
            return quantity.text(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(model: type[BaseModel], values: dict[str, Any]) -> dict[str, str]:
    return {name: shown_value(model, name, values[name]) for name in model.model_fields}


def _quantities(annotation: Any) -> Iterator[Quantity]:
    """The quantities in a type."""
    if isinstance(annotation, Quantity):
        yield annotation
    for part in get_args(annotation):
        yield from _quantities(part)
