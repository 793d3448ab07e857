"""`fastgw reload`: have a running gateway read its configuration again."""

from __future__ import annotations

import sys

import click

from fastgw.cli.gateway import NoAnswer, ask, folder_of, gateway_options


@click.command()
@gateway_options
def reload(run_dir: str | None, name: str) -> None:
    """Have a running gateway read its configuration again and switch to it.

    Says what is wrong if something is; nothing was changed then, and the exit code is 2.
    It is 1 if the gateway can't be reached or is busy with another change."""
    try:
        status, said = ask("POST", "/reload", folder_of(run_dir, name))
    except NoAnswer as e:
        click.echo(str(e), err=True)
        sys.exit(1)
    if status == 200:
        click.echo(f"generation {said['generation']} is running")
        return
    for line in said.get("errors") or [said.get("detail") or said.get("title", f"status {status}")]:
        click.echo(line, err=True)
    sys.exit(2 if status == 422 else 1)
