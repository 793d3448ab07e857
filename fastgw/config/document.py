"""A YAML document as plain values, with the position of every key and value.

Reads libyaml's events one by one, never recursing, so that depth, size and aliases are
bounded before anything is built. Scalars follow the core schema of YAML 1.2: only true and
false are booleans, and 010 is ten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml._yaml import CParser

from fastgw.config.problems import Problem, Where, path_text

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 32
MAX_PROBLEMS = 100

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "bool", "int", "float", "map", "seq")
}


@dataclass(slots=True)
class Marks:
    """Where a value stands, and what is in it."""

    line: int
    column: int
    inner: dict[str | int, Marks] = field(default_factory=dict)
    #: Of a map: where each key stands.
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Document:
    """Values, and where they stand. `problems` are those of syntax."""

    file: str
    value: Any = None
    marks: Marks | None = None
    problems: list[Problem] = field(default_factory=list)

    def problem(self, code: str, where: Where, message: str, *, key: bool = False) -> None:
        """Note what is wrong with the value (or the key) at `where`."""
        line, column = self.position(where, key=key)
        path = path_text(self.written(where))
        self.problems.append(Problem(code, self.file, line, column, path, message))

    def written(self, where: Where) -> Where:
        """`where` without the parts that a short form leaves out."""
        if self.marks is None or not self.marks.line:
            return where
        at, parts = self.marks, []
        for part in where:
            if part in at.inner or part in at.keys:
                parts.append(part)
                at = at.inner.get(part, at)
        return tuple(parts)

    def position(self, where: Where, *, key: bool = False) -> tuple[int, int]:
        """Line and column of what is written at `where`, or of the nearest thing around it."""
        if self.marks is None:
            return 0, 0
        at = self.marks
        for i, part in enumerate(where):
            if key and i == len(where) - 1 and part in at.keys:
                return at.keys[str(part)]
            at = at.inner.get(part, at)
        return at.line, at.column

    def place(self, where: Where) -> str:
        """file:line:col, for messages that name a second place."""
        line, column = self.position(where, key=True)
        return f"{self.file}:{line}:{column}" if line else self.file


class _Refused(Exception):
    """Reading can't go on."""


@dataclass(slots=True)
class _Open:
    """A map or list under construction."""

    value: dict[str, Any] | list[Any]
    marks: Marks
    key: str | None = None
    dropped: bool = False  # the value that follows belongs to a key that can't be used


class _Reader:
    """Builds a document from events."""

    def __init__(self, file: str, text: str) -> None:
        self.document = Document(file)
        self.text = text
        self.stack: list[_Open] = []
        self.done = False

    def read(self) -> Document:
        """Everything, or the problems that ended it."""
        try:
            for event in self.events():
                self.take(event)
        except yaml.MarkedYAMLError as e:
            mark = e.problem_mark or e.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            said = ", ".join(filter(None, (e.context, e.problem)))
            self.refuse("FGW001", line, column, said or "not YAML")
        except yaml.reader.ReaderError as e:
            line = self.text.count("\n", 0, e.position) + 1
            self.refuse("FGW001", line, 1, f"a character that YAML does not allow: {e.reason}")
        except _Refused:
            pass
        return self.document

    def events(self) -> Iterator[Any]:
        parser = CParser(self.text)
        while parser.check_event():
            yield parser.get_event()

    def refuse(self, code: str, line: int, column: int, message: str) -> None:
        where = path_text(self.where())
        self.document.problems.append(
            Problem(code, self.document.file, line, column, where, message)
        )

    def stop(self, code: str, event: Any, message: str) -> None:
        self.refuse(code, event.start_mark.line + 1, event.start_mark.column + 1, message)
        self.document.value = None
        raise _Refused

    def where(self) -> Where:
        """What is being read."""
        parts: list[str | int] = []
        for at in self.stack:
            if isinstance(at.value, list):
                parts.append(len(at.value))
            elif at.key is not None:
                parts.append(at.key)
        return tuple(parts)

    # -- events --------------------------------------------------------------------------

    def take(self, event: Any) -> None:
        """One event."""
        if isinstance(event, yaml.ScalarEvent):
            self.scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self.open(event, {})
        elif isinstance(event, yaml.SequenceStartEvent):
            self.open(event, [])
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.close()
        elif isinstance(event, yaml.AliasEvent):
            self.stop("FGW009", event, f"alias *{event.anchor}: aliases are not accepted")
        elif isinstance(event, yaml.DocumentStartEvent) and self.done:
            self.stop("FGW009", event, "a second document: one file is one document")

    def check_tag(self, event: Any) -> None:
        if event.tag not in (None, "!") and event.tag not in _TAGS:
            self.stop("FGW009", event, f"tag {event.tag}: tags are not accepted")

    def open(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        self.check_tag(event)
        if len(self.stack) >= MAX_DEPTH:
            self.stop("FGW008", event, f"nested deeper than {MAX_DEPTH} levels")
        at = self.stack[-1] if self.stack else None
        if at is not None and isinstance(at.value, dict) and at.key is None:
            self.stop("FGW005", event, "a key must be text")
        marks = Marks(event.start_mark.line + 1, event.start_mark.column + 1)
        self.stack.append(_Open(value, marks))

    def close(self) -> None:
        closed = self.stack.pop()
        self.put(closed.value, closed.marks)

    def scalar(self, event: Any) -> None:
        self.check_tag(event)
        mark = event.start_mark
        at = self.stack[-1] if self.stack else None
        if at is not None and isinstance(at.value, dict) and at.key is None:
            self.take_key(at, event.value, mark.line + 1, mark.column + 1)
        else:
            self.put(scalar_value(event), Marks(mark.line + 1, mark.column + 1))

    def take_key(self, at: _Open, key: str, line: int, column: int) -> None:
        at.key = key
        at.dropped = key in at.marks.keys
        if at.dropped:
            first = at.marks.keys[key]
            self.refuse(
                "FGW002",
                line,
                column,
                f"duplicate key; the first is at line {first[0]}, column {first[1]}",
            )
            if len(self.document.problems) >= MAX_PROBLEMS:
                raise _Refused
        else:
            at.marks.keys[key] = (line, column)

    def put(self, value: Any, marks: Marks) -> None:
        """A value is whole: give it to what is around it."""
        if not self.stack:
            self.document.value, self.document.marks, self.done = value, marks, True
            return
        at = self.stack[-1]
        if isinstance(at.value, list):
            at.marks.inner[len(at.value)] = marks
            at.value.append(value)
            return
        assert at.key is not None
        if not at.dropped:
            at.marks.inner[at.key] = marks
            at.value[at.key] = value
        at.key = None


def scalar_value(event: Any) -> Any:
    """A scalar after the core schema; quoted ones are text."""
    text: str = event.value
    tag = (event.tag or "").rpartition(":")[2]
    if tag == "str" or (not event.implicit[0] and not tag):
        return text
    if _INT.match(text):
        return _number(text, int(text) if len(text) < 40 else 1 << 64)
    if _BOOL.match(text):
        return text[0] in "tT"
    if _NULL.match(text):
        return None
    if _BASED.match(text):
        return _number(text, int(text, 0) if len(text) < 40 else 1 << 64)
    if _FLOAT.match(text):
        return float(
            text.replace(".inf", "inf").replace(".nan", "nan") if text[-1] in "fFnN" else text
        )
    return text


def _number(text: str, number: int) -> int | str:
    """A whole number of 64 bits; longer ones are somebody's identifiers, so text."""
    return number if -(1 << 63) <= number < 1 << 63 else text


def read_text(file: str, text: str) -> Document:
    """The document that a text is."""
    if len(text) > MAX_BYTES:
        document = Document(file)
        document.problems.append(
            Problem("FGW008", file, 1, 1, "", f"larger than {MAX_BYTES // 1024 // 1024} MiB")
        )
        return document
    return _Reader(file, text).read()


def read_file(file: str) -> Document:
    """The document in a file; what keeps it from being read is a problem of it."""
    try:
        with open(file, "rb") as f:
            raw = f.read(MAX_BYTES + 1)
        return read_text(file, raw.decode("utf-8-sig"))
    except OSError as e:
        message, code = e.strerror or str(e), "FGW011"
    except UnicodeDecodeError as e:
        message, code = f"not UTF-8 (at byte {e.start})", "FGW001"
    document = Document(file)
    document.problems.append(Problem(code, file, 1, 1, "", message))
    return document
