"""YAML to documents: strict, bounded, and with the place of everything.

Reads libyaml's events one by one, never recursing, so that depth, size and aliases are
bounded before anything is built. Scalars follow the core schema of YAML 1.2: only true and
false are booleans, and 010 is ten. JSON is YAML, so it is read as well.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any

import yaml
from yaml._yaml import CParser

from fastgw.config.document import Document, Source
from fastgw.config.marks import Marks, place_at
from fastgw.config.problems import Where, path_text
from fastgw.config.references import BadReference, References
from fastgw.named_files import NAMED

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 32
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
MAX_PROBLEMS = 100

_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
#: What a scalar that is not text can begin with.
_PLAIN = frozenset("~nNtTfF+-.0123456789")
_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "bool", "int", "float", "map", "seq")
}


#: Two JSON escapes that are one character, behind whole pairs of backslashes.
_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)


class _Refused(Exception):
    """Reading can't go on."""


class _Open:
    """A map or list under construction."""

    __slots__ = ("dropped", "key", "marks", "value")

    def __init__(self, value: dict[str, Any] | list[Any], marks: Marks) -> None:
        self.value, self.marks = value, marks
        self.key: str | None = None
        self.dropped = False  # the value that follows belongs to a key that can't be used


class _Reader:
    """Builds a document from events."""

    def __init__(self, document: Document, index: int, references: References) -> None:
        self.document, self.index, self.references = document, index, references
        self.source = document.sources[index]
        self.value: Any = None
        self.marks: Marks | int | None = None
        self.stack: list[_Open] = []
        self.done = False

    def read(self) -> tuple[Any, Marks | int | None]:
        """Value and marks; what is wrong is noted in the document."""
        try:
            self.take_all()
        except yaml.MarkedYAMLError as e:
            mark = e.problem_mark or e.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            if "nesting depth" in (e.problem or ""):
                # Newer versions of libyaml, which look ahead, are the first to see it.
                self.refuse("FGW008", line, column, TOO_DEEP)
            else:
                self.refuse("FGW001", line, column, self.not_yaml(e, line))
        except yaml.reader.ReaderError as e:
            line = self.source.text.count("\n", 0, e.position) + 1
            self.refuse("FGW001", line, 1, f"a character that YAML does not allow: {e.reason}")
        except _Refused:
            pass
        return self.value, self.marks

    def take_all(self) -> None:
        """Event after event; the common kinds first."""
        parser = CParser(joined(self.source.text))
        while parser.check_event():
            event: Any = parser.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self.scalar(event)
            elif kind is yaml.MappingStartEvent:
                self.open(event, {})
            elif kind is yaml.SequenceStartEvent:
                self.open(event, [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self.close()
            elif kind is yaml.AliasEvent:
                self.stop("FGW009", event, f"alias *{event.anchor}: aliases are not accepted")
            elif kind is yaml.DocumentStartEvent and self.done:
                self.stop("FGW009", event, "a second document: one file is one document")

    # -- problems ------------------------------------------------------------------------

    def refuse(self, code: str, line: int, column: int, message: str) -> None:
        at = place_at(self.index, line, column)
        self.document.note(code, at, path_text(self.where()), message)

    def stop(self, code: str, event: Any, message: str) -> None:
        self.refuse(code, event.start_mark.line + 1, event.start_mark.column + 1, message)
        self.value = None
        raise _Refused

    def not_yaml(self, error: yaml.MarkedYAMLError, line: int) -> str:
        """What libyaml says, or what people do most often."""
        lines = self.source.lines
        text = lines[line - 1] if line <= len(lines) else ""
        if "\t" in text[: len(text) - len(text.lstrip())]:
            return "a tab can't indent; use spaces"
        return ", ".join(filter(None, (error.context, error.problem))) or "not YAML"

    def where(self) -> Where:
        """What is being read."""
        parts: list[str | int] = []
        for at in self.stack:
            if isinstance(at.value, list):
                parts.append(len(at.value))
            elif at.key is not None:
                parts.append(at.key)
        return tuple(parts)

    def place(self, mark: Any) -> int:
        return place_at(self.index, mark.line + 1, mark.column + 1)

    # -- events --------------------------------------------------------------------------

    def check_tag(self, event: Any) -> None:
        if event.tag not in (None, "!") and event.tag not in _TAGS:
            self.stop("FGW009", event, f"tag {event.tag}: tags are not accepted")

    def open(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        self.check_tag(event)
        if len(self.stack) >= MAX_DEPTH:
            self.stop("FGW008", event, TOO_DEEP)
        at = self.stack[-1] if self.stack else None
        if at is not None and at.key is None and isinstance(at.value, dict):
            self.stop("FGW005", event, "a key must be text")
        self.stack.append(_Open(value, Marks(self.place(event.start_mark))))

    def close(self) -> None:
        closed = self.stack.pop()
        self.put(closed.value, closed.marks)

    def scalar(self, event: Any) -> None:
        if event.tag is not None:
            self.check_tag(event)
        at = self.stack[-1] if self.stack else None
        if at is not None and at.key is None and isinstance(at.value, dict):
            self.take_key(at, event.value, event.start_mark)
            return
        text: str = event.value
        if "${" in text:
            text = self.resolved(event, text)
        self.put(scalar_value(event, text), self.place(event.start_mark))

    def resolved(self, event: Any, text: str) -> str:
        """The text with what its references stand for, or as it is after a problem."""
        try:
            return self.references.resolved(text)
        except BadReference as e:
            mark = event.start_mark
            self.refuse(e.code, mark.line + 1, mark.column + 1, e.message)
            self.document.unresolved.add(self.place(mark))
            return text

    def take_key(self, at: _Open, key: str, mark: Any) -> None:
        at.key = key
        keys = at.marks.keys
        at.dropped = key in keys
        if not at.dropped:
            keys[key] = self.place(mark)
            return
        first = self.document.place_text(keys[key])
        self.refuse(
            "FGW002", mark.line + 1, mark.column + 1, f"duplicate key; the first is at {first}"
        )
        if len(self.document.problems) >= MAX_PROBLEMS:
            raise _Refused

    def put(self, value: Any, marks: Marks | int) -> None:
        """A value is whole: give it to what is around it."""
        if not self.stack:
            self.value, self.marks, self.done = value, marks, True
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


def scalar_value(event: Any, text: str) -> Any:
    """A scalar after the core schema; quoted ones are text."""
    tag = (event.tag or "").rpartition(":")[2]
    if tag == "str" or (not event.implicit[0] and not tag) or (text and text[0] not in _PLAIN):
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


def joined(text: str) -> str:
    """A JSON text with its pairs of surrogate escapes as characters, which libyaml wants."""
    if "\\u" not in text or not text.lstrip().startswith("{"):
        return text
    return _SURROGATES.sub(
        lambda m: m[1] + chr(0x10000 + (int(m[2], 16) - 0xD800 << 10) + int(m[3], 16) - 0xDC00),
        text,
    )


def _number(text: str, number: int) -> int | str:
    """A whole number of 64 bits; longer ones are somebody's identifiers, so text."""
    return number if -(1 << 63) <= number < 1 << 63 else text


# -- files ---------------------------------------------------------------------------------


def read_into(
    document: Document, source: Source, references: References
) -> tuple[Any, Marks | int | None]:
    """The value and marks of one more source of a document; problems are noted in it."""
    index = len(document.sources)
    document.sources.append(source)
    if len(source.text) > MAX_BYTES:
        at = place_at(index, 1, 1)
        document.note("FGW008", at, "", f"larger than {MAX_BYTES // 1024 // 1024} MiB")
        return None, None
    value, marks = _Reader(document, index, references).read()
    document.hidden.update(references.hidden)
    return value, marks


def read_text(file: str, text: str, references: References | None = None) -> Document:
    """The document that a text is."""
    document = Document(file)
    found = read_into(document, Source(file, text), references or References())
    document.value, document.marks = found
    return document


def source_of(document: Document, file: str, path: str | None = None) -> Source | None:
    """The text of a file, shown as `file`; None after noting what keeps it from being read."""
    try:
        raw = _bytes_of(path or file)
        document.files.append(path or file)
        if len(raw) > MAX_BYTES:
            code, message = "FGW008", f"larger than {MAX_BYTES // 1024 // 1024} MiB"
        elif b"\0" in raw[:4096] and raw[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            code, message = "FGW001", "a binary file (it holds NUL bytes)"
        else:
            return Source(file, raw.decode("utf-8-sig"))
    except OSError as e:
        code, message = "FGW011", e.strerror or str(e)
    except UnicodeDecodeError as e:
        code, message = "FGW001", f"not UTF-8 (at byte {e.start})"
    document.sources.append(Source(file))
    document.note(code, place_at(len(document.sources) - 1, 0, 0), "", message)
    return None


def _bytes_of(path: str) -> bytes:
    """A file's bytes, a few more than allowed at the most; never waits for a writer."""
    fd = NAMED.open(path)
    with open(fd, "rb") as f:
        about = os.fstat(fd)
        if stat.S_ISDIR(about.st_mode):
            raise IsADirectoryError(21, "Is a directory")
        if not stat.S_ISREG(about.st_mode):
            raise OSError(22, "Not a regular file")
        return f.read(MAX_BYTES + 1)


def read_file(file: str, references: References | None = None) -> Document:
    """The document in a file, without what it includes."""
    document = Document(file)
    source = source_of(document, file)
    if source is not None:
        found = read_into(document, source, references or References(folder=_folder(file)))
        document.value, document.marks = found
    return document


def _folder(file: str) -> str:
    return os.path.dirname(file) or "."
