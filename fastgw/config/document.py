"""A configuration as plain values, with the place of every key and value.

One document may come from several files (`include`); places know which.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fastgw.config.marks import NOWHERE, Marks, at_of, taken_apart
from fastgw.config.problems import Problem, Severity, Where, path_text
from fastgw.config.redaction import Redaction

#: Columns of an excerpt; longer lines are cut around the place.
EXCERPT_WIDTH = 100

_WORD = re.compile(r"\"[^\"]*\"|'[^']*'|[^\s,:{}\[\]]+(?::[^\s,{}\[\]]+)*")


class Source:
    """A file that was read."""

    def __init__(self, file: str, text: str = "") -> None:
        self.file = file
        self.text = text

    @cached_property
    def lines(self) -> list[str]:
        """Without their ends."""
        return self.text.splitlines() if self.text else []

    def excerpt(self, line: int, column: int) -> str:
        """The line with its number, and marks below what stands at the column."""
        if not 0 < line <= len(self.lines):
            return ""
        text, at = self.lines[line - 1].replace("\t", " "), column - 1
        found = _WORD.match(text, at)
        width = max(1, len(found[0]) if found else 1)
        if len(text) > EXCERPT_WIDTH:
            begin = max(0, at - EXCERPT_WIDTH // 2)
            text, at = text[begin : begin + EXCERPT_WIDTH], at - begin
            width = min(width, EXCERPT_WIDTH - at)
        gutter = f"{line:>5} | "
        return f"{gutter}{text.rstrip()}\n{'':>5} | {' ' * at}{'^' * width}"


@dataclass(slots=True)
class Document:
    """Values, and where they stand. `problems` are errors and warnings found so far."""

    file: str
    value: Any = None
    marks: Marks | int | None = None
    problems: list[Problem] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    #: What references stand for -> how they are written, so that no message shows a secret.
    hidden: dict[str, str] = field(default_factory=dict)
    #: Places of references that can't be resolved: what else is wrong there follows from it.
    unresolved: set[int] = field(default_factory=set)
    #: Files that the configuration consists of or refers to, as they were opened.
    files: list[str] = field(default_factory=list)
    _redaction: Redaction | None = None

    # -- problems ------------------------------------------------------------------------

    def problem(self, code: str, where: Where, message: str, *, key: bool = False) -> None:
        """Note an error in the value (or the key) at `where`."""
        path = path_text(self.written(where))
        self.note(code, self.position(where, key=key), path, message)

    def warn(self, code: str, where: Where, message: str, *, key: bool = False) -> None:
        """Note what works, but is hardly meant or safe."""
        path = path_text(self.written(where))
        self.note(code, self.position(where, key=key), path, message, "warning")

    def note(
        self, code: str, at: int, path: str, message: str, severity: Severity = "error"
    ) -> None:
        """Note a problem at a place; `at` NOWHERE: of the whole."""
        if at in self.unresolved:
            return
        file, line, column = taken_apart(at)
        name, excerpt = self.file, ""
        if file < len(self.sources):
            source = self.sources[file]
            name = source.file
            excerpt = source.excerpt(line, column) if line else ""
        self.problems.append(
            Problem(code, name, line, column, path, self.redacted(message), severity, excerpt)
        )

    def redacted(self, text: str) -> str:
        """A text without what references stand for."""
        if self._redaction is None or self._redaction.hidden != self.hidden:
            self._redaction = Redaction(self.hidden)
        return self._redaction(text)

    @property
    def errors(self) -> list[Problem]:
        """What keeps the document from being used."""
        return [p for p in self.problems if p.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """What does not."""
        return [p for p in self.problems if p.severity == "warning"]

    # -- places --------------------------------------------------------------------------

    def written(self, where: Where) -> Where:
        """`where` without the parts that a short form leaves out."""
        if self.marks is None or at_of(self.marks) == NOWHERE:
            return where
        at, parts = self.marks, []
        for part in where:
            if isinstance(at, Marks) and (part in at.inner or part in at.keys):
                parts.append(part)
                at = at.inner.get(part, at)
        return tuple(parts)

    def position(self, where: Where, *, key: bool = False) -> int:
        """The place of what is written at `where`, or of the nearest thing around it."""
        at: Marks | int = NOWHERE if self.marks is None else self.marks
        for i, part in enumerate(where):
            if not isinstance(at, Marks):
                break
            if key and i == len(where) - 1 and part in at.keys:
                return at.keys[str(part)]
            at = at.inner.get(part, at)
        return at_of(at)

    def place(self, where: Where, *, key: bool = True) -> str:
        """file:line:col, for messages that name a second place."""
        return self.place_text(self.position(where, key=key))

    def place_text(self, at: int) -> str:
        """A place as messages have it."""
        file, line, column = taken_apart(at)
        name = self.sources[file].file if file < len(self.sources) else self.file
        return f"{name}:{line}:{column}" if line else name
