"""Wire cases: bytes as they come over the wire and what must become of them.

The format is described in `tests/wire/README.md`; the parsers' tests, the gateway's tests and
the fuzzers' corpora read the same files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "cases"
_NAMED = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|\{(\d+)\*([^}]*)\}|(.))", re.DOTALL)
_ONCE = frozenset(
    {
        "side",
        "expect",
        "reason",
        "to",
        "method",
        "path",
        "query",
        "host",
        "port",
        "authority",
        "framing",
        "body",
        "rest",
        "needs",
        "keep_alive",
        "status",
        "expect_100",
        "limits",
    }
)
_MANY = frozenset({"field", "hop", "trailer"})


@dataclass
class Case:
    """One file."""

    name: str
    note: str
    raw: bytes
    #: Keys that stand once, and those that may stand repeatedly.
    one: dict[str, str] = field(default_factory=dict)
    many: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_response(self) -> bool:
        """Whether the bytes are an upstream's."""
        return self.one.get("side") == "response"

    @property
    def accepted(self) -> bool:
        """Whether the message is to be passed on."""
        return self.one["expect"] == "accept"

    @property
    def limits(self) -> dict[str, int]:
        """Limits that differ from the defaults."""
        pairs = (item.split("=") for item in self.one.get("limits", "").split())
        return {name: int(value) for name, value in pairs}

    def bytes_of(self, key: str) -> bytes | None:
        """An expected value as bytes; None when nothing is expected."""
        return unescape(self.one[key]) if key in self.one else None


def unescape(text: str) -> bytes:
    r"""Bytes of `\r \n \t \0 \\ \xHH` and `\{N*TEXT}`; other text stands for itself."""

    def replace(match: re.Match[bytes]) -> bytes:
        code, count, repeated, named = match.groups()
        if code is not None:
            return bytes([int(code, 16)])
        if count is not None:
            return unescape(repeated.decode()) * int(count)
        return _NAMED[named.decode()]

    return _ESCAPE.sub(replace, text.encode())


def read_case(path: Path) -> Case:
    """Read one file; a key that is unknown, or stands twice, is an error."""
    head, _, raw = path.read_text(encoding="utf-8").partition("\n---\n")
    case = Case(path.stem, "", unescape("".join(raw.split("\n"))))
    for line in head.splitlines():
        if line.startswith("#"):
            case.note += line[1:].strip() + " "
            continue
        key, _, value = line.partition(": ")
        if key in _MANY:
            case.many.setdefault(key, []).append(value)
        elif key in _ONCE and key not in case.one:
            case.one[key] = value
        else:
            raise ValueError(f"{path.name}: {key!r} is unknown or stands twice")
    if "expect" not in case.one or case.accepted == ("reason" in case.one):
        raise ValueError(f"{path.name}: 'expect' is missing, or 'reason' is (or is too much)")
    return case


def read_cases() -> list[Case]:
    """All of them, by number."""
    return [read_case(path) for path in sorted(FOLDER.glob("*.http"))]
