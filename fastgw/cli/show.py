"""`fastgw show`: what is in force for a route, and what a configuration is compiled into."""

from __future__ import annotations

import sys
from typing import Any

import click

from fastgw.cli.help import Command
from fastgw.cli.source import option, read_source, source_options


@click.command(cls=Command)
@option(
    "--effective",
    section="What is shown",
    metavar="ROUTE",
    envvar=None,
    help="Every value of this route, and the scope that said it.",
)
@option(
    "--plan",
    section="What is shown",
    is_flag=True,
    envvar=None,
    help="The compiled plan: routes in the order of matching, targets, policies, limits.",
)
@source_options
def show(effective: str | None, plan: bool, **options: Any) -> None:
    """Show what a configuration means. What references bring is not shown.

    \b
    fastgw show --effective orders gateway.yaml
    fastgw show --plan gateway.yaml
    """
    from fastgw.cli.reading import compiled, read

    source = read_source(options, "show")
    if effective is not None and plan:
        raise click.UsageError("--effective and --plan exclude each other")
    if effective is None:
        from fastgw.plan import describe

        made = compiled(source["file"], **source["options"])
        hidden = made.built.document
        click.echo("\n".join(hidden.redacted(line) for line in describe(made.plan)))
        return
    from fastgw.cli.table import show_table
    from fastgw.config.effective import effective as values_of
    from fastgw.config.problems import did_you_mean

    built = read(source["file"], offline=True, **source["options"])
    try:
        values = values_of(built, effective)
    except KeyError:
        click.echo(f"no route '{effective}'{did_you_mean(effective, built.layers)}", err=True)
        sys.exit(1)
    show_table(("key", "value", "said by"), [(v.key, v.text, v.origin) for v in values])
