"""`fastgw init`: a commented configuration to start from."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default="gateway.yaml")
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def init(file: Path, force: bool) -> None:
    """Write a commented starter configuration; FILE is gateway.yaml if not said."""
    text = files("fastgw.cli").joinpath("starter.yaml").read_text(encoding="utf-8")
    try:
        with file.open("w" if force else "x", encoding="utf-8") as f:
            f.write(text)
    except FileExistsError:
        click.echo(f"{file} is there already (--force overwrites it)", err=True)
        sys.exit(1)
    except OSError as e:
        click.echo(f"{file}: {e.strerror}", err=True)
        sys.exit(1)
    click.echo(f"wrote {file}; next: fastgw check {file}, then fastgw run {file}")
