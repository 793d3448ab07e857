"""Durations and sizes: text with a unit, kept as milliseconds and bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from fastgw.config.forms import Form

MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
BYTES = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
MAX_MS = 2**32 - 1
MAX_BYTES = 2**53
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)\Z")


def _quantity(value: Any, units: dict[str, int], example: str, most: int) -> int:
    """The number of smallest units in '2.5s' or '10MiB'."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise PydanticCustomError(
            "FGW006", "must be text with a unit ({example})", {"example": example}
        )
    found = _QUANTITY.match(value) if isinstance(value, str) else None
    if found is None or found[2] not in units:
        unit = found[2] if found else None
        known = [u for u in units if unit and u.lower() == unit.lower()]
        hint = f"did you mean {found[1]}{known[0]}?" if found and known else f"as in {example}"
        raise PydanticCustomError(
            "FGW006",
            "'{value}' needs a unit of {units} ({hint})",
            {"value": value, "units": ", ".join(units), "hint": hint},
        )
    exact = Fraction(found[1]) * units[found[2]]
    if exact.denominator != 1 or exact > most:
        raise PydanticCustomError(
            "FGW005",
            "'{value}' is {what}",
            {
                "value": value,
                "what": "too large" if exact > most else "finer than the unit",
            },
        )
    return int(exact)


def duration(value: Any) -> int:
    """Milliseconds of '250ms', '2s', '1.5m'; more than none."""
    if value == "none":
        raise PydanticCustomError("FGW006", "'none' is not possible here: a limit is needed")
    ms = _quantity(value, MS, "2s, 250ms", MAX_MS)
    if ms == 0:
        raise PydanticCustomError("FGW005", "must be longer than nothing")
    return ms


def duration_or_none(value: Any) -> int:
    """Like `duration`; 'none' is 0 = no limit."""
    if value == "none":
        return 0
    if isinstance(value, str) and re.match(r"0+[a-z]+\Z", value):
        raise PydanticCustomError("FGW005", "must be longer than nothing (no limit is 'none')")
    return duration(value)


def size(value: Any) -> int:
    """Bytes of '32KiB', '10MB'; more than none."""
    if value == "none":
        raise PydanticCustomError("FGW006", "'none' is not possible here: a limit is needed")
    n = _quantity(value, BYTES, "32KiB, 10MB", MAX_BYTES)
    if n == 0:
        raise PydanticCustomError("FGW005", "must be more than nothing")
    return n


def size_or_none(value: Any) -> int:
    """Like `size`; 'none' is 0 = no limit."""
    if value == "none":
        return 0
    if isinstance(value, str) and re.match(r"0+[A-Za-z]+\Z", value):
        raise PydanticCustomError("FGW005", "must be more than nothing (no limit is 'none')")
    return size(value)


def count_or_none(value: Any) -> Any:
    """A number; 'none' is 0 = no limit."""
    if value == "none":
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and value < 1:
        raise PydanticCustomError("FGW005", "must be 1 or more (no limit is 'none')")
    return value


def shown(value: int, units: dict[str, int]) -> str:
    """The shortest text that means the same: 90000 -> 90s, 60000 -> 60s."""
    for unit, n in sorted(units.items(), key=lambda u: -u[1]):
        if unit == "m" and value < 2 * n:
            continue  # nobody counts a minute as one
        if value % n == 0 and (unit in MS or "i" in unit or n == 1 or value % 1024):
            return f"{value // n}{unit}"
    raise ValueError(value)


@dataclass(frozen=True, slots=True)
class Quantity(Form):
    """How a number is written: read from text with a unit, shown as one, and its schema."""

    name: str
    number: Callable[[Any], Any]
    units: dict[str, int] = field(hash=False)
    schema: dict[str, Any] = field(hash=False)
    none: bool = False

    def read(self, value: Any) -> Any:
        """In the smallest unit."""
        return self.number(value)

    def text(self, value: int) -> str:
        """A value as one would write it."""
        if value == 0 and self.none:
            return "none"
        return shown(value, self.units) if self.units else str(value)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        bounds = handler(schema)  # in the smallest unit, which no file is written in
        keep = {} if self.units else {k: v for k, v in bounds.items() if k != "type"}
        own = {**self.schema, **keep}
        return {"anyOf": [own, {"const": "none"}]} if self.none else own


_DURATION = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$"}
_SIZE = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?([KMG]i?)?B$"}
_COUNT = {"type": "integer", "minimum": 1}

Duration = Annotated[int, Quantity("duration", duration, MS, _DURATION)]
DurationOrNone = Annotated[int, Quantity("duration or none", duration_or_none, MS, _DURATION, True)]
Size = Annotated[int, Quantity("size", size, BYTES, _SIZE)]
SizeOrNone = Annotated[int, Quantity("size or none", size_or_none, BYTES, _SIZE, True)]
CountOrNone = Annotated[int, Quantity("number or none", count_or_none, {}, _COUNT, True)]
