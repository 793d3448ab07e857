"""`include: [conf.d/*.yaml]`: one configuration from several files, merged name by name.

Only named things are merged; what holds for the whole gateway belongs into the main file.
No file is more than another: a name that stands in two of them is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

from fastgw.config.document import Document
from fastgw.config.marks import NOWHERE, Marks, at_of, place_at
from fastgw.config.problems import path_text
from fastgw.config.reader import read_into, source_of
from fastgw.config.references import References
from fastgw.named_files import NAMED

#: What included files may hold, besides `version` and `include`.
MERGED: Final = ("listen", "upstreams", "groups", "policies", "routes")
MAX_FILES = 1000
#: Bytes of all files together.
MAX_TOTAL = 64 * 1024 * 1024

_WILD = frozenset("*?[")


def read_all(
    file: str, references: References | None = None, text_from: str | None = None
) -> Document:
    """The document of a file and of everything that it includes, however deep. `text_from`:
    another file, whose text stands in for that of `file`, which need not exist."""
    return _Including(file, references or References(), text_from).read()


class _Including:
    """Reads one file after another into one document."""

    def __init__(self, file: str, references: References, text_from: str | None) -> None:
        self.document = Document(file)
        self.references, self.text_from = references, text_from
        self.seen: set[str] = set()
        self.total = 0

    def read(self) -> Document:
        """The main file, then what it names."""
        document = self.document
        document.value, document.marks = self.one(document.file) or (None, None)
        if isinstance(document.value, dict) and isinstance(document.marks, Marks):
            waiting = list(self.named(document.file, document.value, document.marks))
            while waiting:
                path = waiting.pop(0)
                found = self.one(path)
                if found is not None:
                    waiting += self.merge(path, *found)
        document.files += self.references.files
        return document

    def one(self, path: str) -> tuple[Any, Marks | int | None] | None:
        """Value and marks of one file; None when it was read already or can't be."""
        real = os.path.realpath(path)
        if real in self.seen:
            return None
        self.seen.add(real)
        source = source_of(
            self.document, path, self.text_from if path == self.document.file else None
        )
        if source is None:
            return None
        self.total += len(source.text)
        if self.total > MAX_TOTAL or len(self.seen) > MAX_FILES:
            what = "files" if len(self.seen) > MAX_FILES else "MiB"
            most = MAX_FILES if what == "files" else MAX_TOTAL // 1024 // 1024
            self.document.note("FGW008", NOWHERE, "", f"more than {most} {what} together")
            return None
        self.references.folder = os.path.dirname(path) or "."
        return read_into(self.document, source, self.references)

    # -- names ---------------------------------------------------------------------------

    def named(self, path: str, value: dict[str, Any], marks: Marks) -> Iterator[str]:
        """The files that `include` of one file names, in the order of their names."""
        patterns = value.get("include")
        at = marks.inner.get("include", marks.at)
        if patterns is None:
            return
        if isinstance(patterns, str):
            patterns = [patterns]
        if not isinstance(patterns, list):
            return  # the model says what is wrong
        for i, pattern in enumerate(patterns):
            if isinstance(pattern, str):
                place = at.inner.get(i, at.at) if isinstance(at, Marks) else at
                yield from self.matching(path, pattern, at_of(place), i)

    def matching(self, path: str, pattern: str, at: int, i: int) -> list[str]:
        whole = os.path.join(os.path.dirname(path), pattern)
        where = path_text(("include", i))
        if not _WILD & set(pattern):
            if NAMED.find(whole):
                return [whole]
            self.document.note("FGW017", at, where, f"no file '{pattern}'")
            return []
        found = NAMED.find(whole)
        if not found:
            self.document.note("FGW018", at, where, f"no file is like '{pattern}'", "warning")
        return found

    # -- merging -------------------------------------------------------------------------

    def merge(self, path: str, value: Any, marks: Marks | int | None) -> list[str]:
        """Add what an included file holds; the files that it includes itself."""
        index = len(self.document.sources) - 1
        if value is None:
            return []  # empty, or wrong and said so
        if not isinstance(value, dict) or not isinstance(marks, Marks):
            self.document.note(
                "FGW005", place_at(index, 1, 1), "", "an included file is a map as well"
            )
            return []
        for key, part in value.items():
            if key in MERGED:
                self.merge_part(key, part, marks)
            elif key == "version":
                self.check_version(part, marks)
            elif key != "include":
                self.document.note(
                    "FGW017",
                    marks.keys[key],
                    key,
                    "belongs into the main file; an included one holds " + ", ".join(MERGED),
                )
        return list(self.named(path, value, marks))

    def check_version(self, version: Any, marks: Marks) -> None:
        if version != self.document.value.get("version"):
            self.document.note("FGW017", marks.keys["version"], "version", "is not the main file's")

    def merge_part(self, key: str, part: Any, marks: Marks) -> None:
        """Add the names of one map to the document's."""
        inner = marks.inner[key]
        if not isinstance(part, dict) or not isinstance(inner, Marks):
            if part is not None:
                self.document.note("FGW005", at_of(inner), key, "must be a map")
            return
        assert isinstance(self.document.marks, Marks)
        there = self.document.value.setdefault(key, {})
        if there is None:  # `routes:` with nothing below
            there = self.document.value[key] = {}
        if not isinstance(there, dict):
            return  # the model says what is wrong
        known = self.document.marks.inner.get(key)
        if not isinstance(known, Marks):
            known = self.document.marks.inner[key] = Marks(inner.at)
            self.document.marks.keys.setdefault(key, marks.keys[key])
        for name, thing in part.items():
            if name in known.keys:
                first = self.document.place_text(known.keys[name])
                at = inner.keys[name]
                self.document.note(
                    "FGW002", at, path_text((key, name)), f"duplicate name; the first is at {first}"
                )
                continue
            there[name] = thing
            known.keys[name] = inner.keys[name]
            known.inner[name] = inner.inner[name]
