"""`fastgw fmt`: configurations in one form."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Change nothing; print what would change.")
def fmt(files: tuple[Path, ...], check: bool, diff: bool) -> None:
    """Put YAML files into one form. Comments and order stay, and so does the meaning."""
    codes = [_one(file, check=check, diff=diff) for file in files]
    sys.exit(max(codes))


def _one(file: Path, *, check: bool, diff: bool) -> int:
    """Format one file; the exit code."""
    from fastgw.cli.reading import show_problems
    from fastgw.config.formatting import CannotFormat, formatted
    from fastgw.config.problems import ConfigError

    try:
        text = file.read_text(encoding="utf-8")
        made = formatted(str(file), text)
    except (OSError, UnicodeDecodeError) as e:
        click.echo(f"{file}: {getattr(e, 'strerror', None) or 'not UTF-8'}", err=True)
        return 2
    except ConfigError as e:
        show_problems(e.problems)
        return 2
    except CannotFormat as e:
        click.echo(f"{file}: left as it is: {e}", err=True)
        return 1
    if made == text:
        return 0
    if diff:
        old, new = text.splitlines(keepends=True), made.splitlines(keepends=True)
        click.echo("".join(difflib.unified_diff(old, new, str(file), str(file))), nl=False)
    if check:
        click.echo(f"{file}: would be formatted", err=True)
    if check or diff:
        return int(check)
    _replace(file, made)
    click.echo(f"{file}: formatted")
    return 0


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all; its mode stays."""
    real = file.resolve()
    with tempfile.NamedTemporaryFile(
        "w", dir=real.parent, prefix=f".{real.name}.", delete=False, encoding="utf-8"
    ) as out:
        out.write(text)
    os.chmod(out.name, real.stat().st_mode & 0o7777)
    os.replace(out.name, real)
