"""A configuration read in this process, for the verbs that only look at it; what is wrong
is printed, and is exit code 2."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fastgw.config.build import Built
    from fastgw.config.compile import Compiled
    from fastgw.config.problems import Problem

EXIT_WRONG = 2
#: More problems than anybody reads; how many there are is said.
MOST_SHOWN = 100
_COLOURS = {"error": "red", "warning": "yellow"}


def read(file: str | None, *, strict: bool = False, offline: bool = False, **options: Any) -> Built:
    """A configuration, whole; `options` as the command line's (`to`, `listen`, ...).
    `offline`: host names are not looked up."""
    from fastgw.config.compile import read_whole
    from fastgw.config.problems import ConfigError

    try:
        with no_collections():
            return read_whole(file, options, strict=strict, offline=offline)
    except ConfigError as e:
        show_problems([*e.problems, *e.warnings])
        sys.exit(EXIT_WRONG)


def compiled(
    file: str | None,
    *,
    strict: bool = False,
    offline: bool = False,
    plugins: bool = False,
    **options: Any,
) -> Compiled:
    """Like `read`, with the plan; `plugins`: they are tried."""
    from fastgw.config.compile import compile_whole
    from fastgw.config.problems import ConfigError

    try:
        with no_collections():
            return compile_whole(file, options, strict=strict, offline=offline, plugins=plugins)
    except ConfigError as e:
        show_problems([*e.problems, *e.warnings])
        sys.exit(EXIT_WRONG)


@contextmanager
def no_collections() -> Iterator[None]:
    """Reading makes a million objects that all stay; looking for garbage among them takes
    longer than the reading."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def show_problems(problems: Iterable[Problem]) -> None:
    """To the standard error, each with its line of the file; then how many there are."""
    from fastgw.config.problems import in_order

    found = in_order(problems)
    for problem in found[:MOST_SHOWN]:
        show_problem(problem)
    if found:
        more = f", the first {MOST_SHOWN} shown" if len(found) > MOST_SHOWN else ""
        click.echo(counted(found) + more, err=True)


def show_problem(problem: Problem) -> None:
    """One line, and the excerpt below."""
    place, _, rest = str(problem).partition(": ")
    colour = _COLOURS[problem.severity]
    click.echo(f"{click.style(place, bold=True)}: {click.style(rest, fg=colour)}", err=True)
    if problem.excerpt:
        text, _, marks = problem.excerpt.rpartition("\n")
        click.echo(f"{text}\n{click.style(marks, fg=colour)}", err=True)


def counted(problems: Iterable[Problem]) -> str:
    """`2 errors, 1 warning`"""
    kinds = [p.severity for p in problems]
    said = []
    for kind in ("error", "warning"):
        n = kinds.count(kind)
        if n:
            said.append(f"{n} {kind}" + ("s" if n > 1 else ""))
    return ", ".join(said)


def as_json(problems: Iterable[Problem]) -> str:
    """Problems for programs."""
    return json.dumps([p.as_map() for p in problems], indent=2)
