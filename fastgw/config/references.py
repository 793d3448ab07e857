"""`${env:NAME}`, `${env:NAME:-default}`, `${file:/run/secrets/x}`: values from outside.

A reference stands for text inside one value; what it brings is never read as YAML's
structure, so a secret can hold any character. `$${` is a plain `${`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastgw.named_files import NAMED

#: A secret is short; what is longer is the wrong file.
MAX_FILE_BYTES = 64 * 1024
#: Kinds of the language that this version lacks.
LATER_KINDS = frozenset({"vault"})

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class BadReference(Exception):
    """What is wrong with a reference, with its code."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


@dataclass(slots=True)
class References:
    """Resolves the references of one configuration. `files` are those that were opened."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    folder: str = "."
    files: list[str] = field(default_factory=list)
    #: What was brought -> how it is written.
    hidden: dict[str, str] = field(default_factory=dict)

    def resolved(self, text: str) -> str:
        """The text with what its references stand for; BadReference."""
        return _REFERENCE.sub(self._one, text)

    def _one(self, found: re.Match[str]) -> str:
        written = found[0]
        if written == "$${":
            return "${"
        if not found[2]:
            raise BadReference("FGW016", f"'{written}' is not closed (a plain '${{' is '$${{')")
        kind, _, what = found[1].partition(":")
        value = self._read(written, kind, what)
        if value:
            self.hidden[value] = written
        return value

    def _read(self, written: str, kind: str, what: str) -> str:
        if kind in LATER_KINDS:
            raise BadReference("FGW007", f"'{written}': {kind} is not in this version")
        kinds: dict[str, Callable[[str, str], str]] = {"env": self._env, "file": self._file}
        if kind not in kinds:
            raise BadReference(
                "FGW016",
                f"'{written}' is neither ${{env:NAME}} nor ${{file:PATH}}"
                f" (a plain '${{' is '$${{')",
            )
        return kinds[kind](written, what)

    def _env(self, written: str, what: str) -> str:
        name, colon, default = what.partition(":-")
        if not _NAME.match(name):
            raise BadReference("FGW016", f"'{written}': not the name of a variable")
        value = self.environment.get(name)
        if value:
            return value
        if colon:
            return default
        missing = "is empty" if value == "" else "is not set"
        raise BadReference(
            "FGW015",
            f"environment variable {name} {missing} (a default is ${{env:{name}:-default}})",
        )

    def _file(self, written: str, path: str) -> str:
        if not path:
            raise BadReference("FGW016", f"'{written}' names no file")
        whole = os.path.join(self.folder, path)
        try:
            return self._content(whole)
        except OSError as e:
            raise BadReference("FGW015", f"file {path}: {e.strerror or e}") from None
        except UnicodeDecodeError:
            raise BadReference("FGW015", f"file {path}: not UTF-8") from None

    def _content(self, path: str) -> str:
        """A small regular file, without the line's end that editors leave."""
        fd = NAMED.open(path)
        with open(fd, "rb") as f:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise BadReference("FGW015", f"file {path}: not a regular file")
            raw = f.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise BadReference("FGW015", f"file {path}: larger than {MAX_FILE_BYTES // 1024} KiB")
        self.files.append(path)
        return raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
