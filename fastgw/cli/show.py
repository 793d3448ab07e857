"""`fastgw show`: what a configuration was compiled into."""

from __future__ import annotations

import sys
from typing import Any

import click

from fastgw.cli.source import read_source, source_options
from fastgw.master.compiler import CompileError, compile_plan


@click.command()
@source_options
@click.option("--plan", "plan_file", metavar="FILE", help="Show the plan of this configuration.")
def show(plan_file: str | None, **options: Any) -> None:
    """Show the compiled plan: routes in the order of matching, targets, policies, limits.

    \b
    fastgw show --plan gateway.yaml
    fastgw show --to http://127.0.0.1:9000
    """
    from fastgw.plan import describe

    if plan_file:
        if options.get("file"):
            raise click.UsageError("--plan FILE and FILE are the same; give one")
        options["file"] = plan_file
    try:
        compiled = compile_plan(read_source(options))
    except CompileError as e:
        for line in e.lines:
            click.echo(line, err=True)
        sys.exit(2)
    click.echo("\n".join(describe(compiled.plan)))
