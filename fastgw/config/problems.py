"""What is wrong with a configuration: all of it at once, each with its place and code."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal

#: Keys and indexes that lead to a value.
Where = tuple[str | int, ...]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` 0: not in a file. `excerpt`: the line in question and
    a line of marks below it, or nothing."""

    code: str
    file: str
    line: int
    column: int
    path: str
    message: str
    severity: Severity = "error"
    excerpt: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f"{self.path}: " if self.path else ""
        kind = "warning: " if self.severity == "warning" else ""
        return f"{place}: {kind}{path}{self.message} [{self.code}]"

    def as_map(self) -> dict[str, str | int]:
        """For JSON."""
        return asdict(self)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """By file and place, each once: what a scope says wrong is met by each of its routes."""
    return sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column, p.message))


class ConfigError(Exception):
    """A configuration with errors. `problems`: the errors; `warnings`: what else was seen."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = in_order(problems)
        self.warnings = in_order(warnings)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Code:
    """A row of codes.toml. `wrong` is a configuration that shows it, `says` all that is said
    of it, `right` its cure; they are missing where it takes more than a file to show."""

    title: str
    help: str
    severity: Severity = "error"
    wrong: str = ""
    says: str = ""
    right: str = ""


@cache
def codes() -> dict[str, Code]:
    """Every code."""
    text = Path(__file__).with_name("codes.toml").read_text(encoding="utf-8")
    return {name: Code(**row) for name, row in tomllib.loads(text).items()}


def path_text(where: Where) -> str:
    """routes.orders.policies[0]"""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def did_you_mean(word: str, words: Sequence[str] | Iterable[str]) -> str:
    """' (did you mean ...?)', or nothing when nothing is near."""
    near = get_close_matches(word, [w for w in words if w != word], 1)
    return f" (did you mean '{near[0]}'?)" if near else ""
