"""`fastgw check`: read a configuration and say everything that is wrong with it."""

from __future__ import annotations

import sys

import click

from fastgw.master.compiler import CompileError, compile_plan


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
def check(file: str) -> None:
    """Check a configuration file; the very code that `run` uses.

    Errors go to standard error, one a line; exit code 2 if there are any."""
    try:
        compile_plan({"file": file, "options": {}})
    except CompileError as e:
        for line in e.lines:
            click.echo(line, err=True)
        sys.exit(2)
    click.echo(f"{file}: ok")
