"""Where things stand in files. A place is one number, since a large file has a million."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

_COLUMN_BITS, _LINE_BITS = 20, 24
_COLUMN_MOST, _LINE_MOST = (1 << _COLUMN_BITS) - 1, (1 << _LINE_BITS) - 1
#: The place of what stands in no file.
NOWHERE = 0


class Place(NamedTuple):
    """A place taken apart: index of the file, line and column from 1; line 0 = nowhere."""

    file: int
    line: int
    column: int


def place_at(file: int, line: int, column: int) -> int:
    """The number of a place; lines and columns from 1."""
    line, column = min(line, _LINE_MOST), min(column, _COLUMN_MOST)
    return (file << _LINE_BITS | line) << _COLUMN_BITS | column


def taken_apart(at: int) -> Place:
    """What `place_at` put together."""
    return Place(
        at >> (_LINE_BITS + _COLUMN_BITS), at >> _COLUMN_BITS & _LINE_MOST, at & _COLUMN_MOST
    )


@dataclass(slots=True)
class Marks:
    """Where a map or list stands, and where everything in it does."""

    at: int
    #: Places of the values: numbers of scalars, Marks of maps and lists.
    inner: dict[str | int, Marks | int] = field(default_factory=dict)
    #: Of a map: the place of each key.
    keys: dict[str, int] = field(default_factory=dict)


def at_of(marks: Marks | int) -> int:
    """The place of a value."""
    return marks.at if isinstance(marks, Marks) else marks
