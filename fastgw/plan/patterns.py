"""Patterns of paths, taken apart; what they say is in docs/routing.md.

Needs no compiled module but for `regex_groups`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from fastgw.ext.route.errors import PlanError
from fastgw.plan.layout import MAX_SEGMENTS
from fastgw.plan.model import Match

Kind = Literal["exact", "regex", "prefix"]
#: (name, segment or group, kind of CaptureKind)
Capture = tuple[str, int, int]
SEGMENT, REST, GROUP = 0, 1, 2

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: Bytes that stand for themselves in a regular expression.
_LITERAL = re.compile(r"[A-Za-z0-9\-_~!,;:@%&='/]")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path as the plan has it.

    `text`: its static part, with `{}` for a segment that is a parameter; of a regex the
    fixed front. `params`: a bit per parameter's segment. `rest`: the path must go on after
    a slash."""

    kind: Kind
    text: str
    depth: int
    params: int = 0
    captures: tuple[Capture, ...] = ()
    rest: bool = False

    def shape(self) -> tuple[tuple[int, ...], int, int, Kind]:
        """Sorts into the order in which a host's paths are tried."""
        return shape(self.params, self.depth, self.kind)


#: Where an end, a regex and a prefix stand, segment by segment: static is 0, parameter 1.
_ENDS: dict[Kind, int] = {"exact": 0, "regex": 2, "prefix": 3}


def shape(params: int, depth: int, kind: Kind) -> tuple[tuple[int, ...], int, int, Kind]:
    """What sorts shapes into the order in which they are tried; and the shape."""
    return (*(params >> i & 1 for i in range(depth)), _ENDS[kind]), params, depth, kind


def parse_path(match: Match) -> PathPattern:
    """The pattern of a match; PlanError for what no path can be."""
    path = match.path
    if match.regex:
        front = regex_front(path)
        return PathPattern("regex", front, front.count("/"), 0, regex_captures(path))
    depth = path.count("/")
    if depth > MAX_SEGMENTS or (path and path[0] != "/"):
        raise PlanError(f"path can't be matched: '{path}'")
    if "{" not in path and "}" not in path:
        return PathPattern("prefix" if match.prefix else "exact", path, depth)
    return _parse_parameters(path, match.prefix)


def _parse_parameters(path: str, prefix: bool) -> PathPattern:
    """A path with `{name}` and, at its end, `{name...}`."""
    segments = path[1:].split("/")
    captures: list[Capture] = []
    params = 0
    rest = False
    for i, segment in enumerate(segments):
        if "{" not in segment and "}" not in segment:
            continue
        name = segment[1:-1]
        if name.endswith("..."):
            name, rest = name[:-3], True
            if prefix or i != len(segments) - 1:
                raise PlanError(f"'{segment}' is not the end of '{path}'")
        if segment != f"{{{name}{'...' * rest}}}" or not _NAME.match(name):
            raise PlanError(
                f"'{segment}' in '{path}': a parameter is a whole segment, {{name}} or {{name...}}"
            )
        if name in (known for known, _, _ in captures):
            raise PlanError(f"'{path}' names '{name}' twice")
        captures.append((name, i, REST if rest else SEGMENT))
        if not rest:
            segments[i] = "{}"
            params |= 1 << i
    if rest:
        segments.pop()
    text = "".join("/" + segment for segment in segments)
    kind: Kind = "prefix" if prefix or rest else "exact"
    return PathPattern(kind, text, len(segments), params, tuple(captures), rest)


def regex_front(pattern: str) -> str:
    """The whole segments that every path begins with that the pattern fits."""
    text = pattern.removeprefix("^")
    if _has_alternative(text):
        return ""
    n = 0
    while n < len(text) and _LITERAL.match(text[n]):
        n += 1
    if n < len(text) and text[n] in "*+?{":
        n -= 1
    front = text[: max(n, 0)]
    return front[: max(front.rfind("/"), 0)]


def _has_alternative(pattern: str) -> bool:
    """Whether there may be a `|` outside of all groups."""
    depth, at = 0, 0
    while at < len(pattern):
        c = pattern[at]
        if c == "\\":
            at += 1
        elif c == "[":
            at = _class_end(pattern, at)
        elif c in "()":
            depth += 1 if c == "(" else -1
        elif c == "|" and depth == 0:
            return True
        at += 1
    return False


def _class_end(pattern: str, at: int) -> int:
    """Where the bracket at `at` is closed."""
    at += 1 + pattern.startswith("^", at + 1)
    at += pattern.startswith("]", at)
    while at < len(pattern) and pattern[at] != "]":
        at += 1 + (pattern[at] == "\\")
    return at


def regex_captures(pattern: str) -> tuple[Capture, ...]:
    """The named groups of a regular expression; PlanError when RE2 can't read it."""
    from fastgw.ext.route.regex import Pattern  # compiled: only where a regex is used

    try:
        return tuple((name, i, GROUP) for name, i in Pattern(pattern).names.items())
    except ValueError as e:
        raise PlanError(str(e)) from None


def parameters(match: Match) -> frozenset[str]:
    """The names that `{path.NAME}` may have in templates of a route with this match."""
    return frozenset(name for name, _, _ in parse_path(match).captures)


def matcher_count(match: Match) -> int:
    """How many matchers a match has besides host and path; more go first."""
    return (
        len(match.conditions)
        + bool(match.methods)
        + bool(match.clients)
        + bool(match.listeners)
        + bool(match.server_names)
    )
