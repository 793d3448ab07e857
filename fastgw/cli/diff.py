"""`fastgw diff`: what changes between two configurations."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

GRADES = ("security", "breaking", "change", "add")


def read_grades(_ctx: click.Context, _option: click.Parameter, value: str | None) -> set[str]:
    """The grades that `any` or a list of them stands for."""
    if value is None:
        return set()
    found = set(GRADES) if value == "any" else set(value.split(","))
    if not found <= set(GRADES):
        raise click.BadParameter(f"{value!r} is neither 'any' nor a list of {', '.join(GRADES)}")
    return found


@click.command()
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option(
    "--fail-on",
    callback=read_grades,
    metavar="GRADES",
    help="Exit code 1 if there is a change of these grades: security,breaking, or any.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def diff(old: str, new: str, fail_on: set[str], as_json: bool) -> None:
    """Say what changes between two configurations: meaning, not text.

    \b
    security  lets in, shows or trusts more than before
    breaking  takes away what clients may use
    change    anything else that has an effect
    add       something new
    """
    from fastgw.cli.reading import read
    from fastgw.config.differences import differences

    found = differences(read(old, offline=True), read(new, offline=True))
    if as_json:
        click.echo(json.dumps([asdict(change) for change in found], indent=2))
    else:
        for change in found:
            click.echo(str(change))
        if not found:
            click.echo("no difference")
    sys.exit(1 if any(change.grade in fail_on for change in found) else 0)
