"""`fastgw check`: read a configuration and say everything that is wrong with it."""

from __future__ import annotations

import sys
from typing import Any

import click

from fastgw.cli.help import Command
from fastgw.cli.source import file_argument, needed_file, option


@click.command(cls=Command)
@file_argument
@option(
    "--strict", section="What is an error", is_flag=True, help="Warnings are errors: exit code 2."
)
@option(
    "--offline",
    section="What is an error",
    is_flag=True,
    help="Host names of upstreams are not looked up, for machines that don't know them.",
)
@click.option("--json", "as_json", is_flag=True, help="Problems as JSON on the standard output.")
def check(strict: bool, offline: bool, as_json: bool, **options: Any) -> None:
    """Check a configuration file; the very code that `run` uses.

    Plugins are imported and made, in a process of their own. Errors go to standard error, each
    with the line it is about; exit code 2 if there are any.
    Each code, as in [FGW003], has a page in docs/errors."""
    from fastgw.cli.reading import compiled, show_problems

    file = needed_file(options)
    if as_json:
        sys.exit(_checked_as_json(file, strict, offline))
    made = compiled(file, strict=strict, offline=offline, plugins=True)
    show_problems(made.built.warnings)
    routes, upstreams = len(made.built.config.routes), len(made.built.config.upstreams)
    click.echo(f"{file}: ok ({_many(routes, 'route')}, {_many(upstreams, 'upstream')})")


def _many(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def _checked_as_json(file: str, strict: bool, offline: bool) -> int:
    """Print the problems; the exit code."""
    from fastgw.cli.reading import EXIT_WRONG
    from fastgw.cli.reading import as_json as to_json
    from fastgw.config.compile import compile_whole
    from fastgw.config.problems import ConfigError, in_order

    try:
        made = compile_whole(file, {}, strict=strict, offline=offline, plugins=True)
        problems = made.built.warnings
    except ConfigError as e:
        click.echo(to_json(in_order([*e.problems, *e.warnings])))
        return EXIT_WRONG
    click.echo(to_json(problems))
    return 0
