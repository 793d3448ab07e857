"""`fastgw fmt`: configurations in one form."""

from __future__ import annotations

import difflib
import errno
import os
import stat
import sys
import tempfile
from contextlib import suppress
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
        text = _text_of(file)
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
    try:
        _replace(file.resolve(), made)
    except OSError as e:
        click.echo(f"{file}: left as it is: {e.strerror}", err=True)
        return 1
    click.echo(f"{file}: formatted")
    return 0


def _text_of(file: Path) -> str:
    """What a file holds. Only a regular file can be replaced by another, and only YAML has
    a form: OSError for everything else."""
    from fastgw.config.python_source import SUFFIX

    if file.suffix == SUFFIX:
        raise OSError(errno.EINVAL, "Python, which is left to formatters of Python")
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):
        folder = stat.S_ISDIR(mode)
        raise OSError(errno.EINVAL, "Is a directory" if folder else "Not a regular file")
    return file.read_text(encoding="utf-8")


def _replace(real: Path, text: str) -> None:
    """Write a file whole or not at all; its mode and, where that may be said, its owner stay."""
    facts = real.stat()
    handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with open(handle, "w", encoding="utf-8") as out:
            out.write(text)
        with suppress(PermissionError):
            os.chown(name, facts.st_uid, facts.st_gid)
        os.chmod(name, stat.S_IMODE(facts.st_mode))
        os.replace(name, real)
    except BaseException:
        os.unlink(name)
        raise
