"""How the command ends when it is not the verb that ends it: one line, and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
from click.exceptions import NoArgsIsHelpError

EXIT_FAILED, EXIT_USAGE = 1, 2
#: As a shell says of a program that a signal ended.
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_NO_READER = 128 + signal.SIGPIPE

#: What a full disk or quota says of a write; no other error names no file.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Ending(click.Group):
    """Verbs whose ends are plain: no traceback for a wrong word, a reader that has left, a
    full disk or Ctrl-C."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **more: Any,
    ) -> Any:
        """Run a verb and exit, unless `standalone_mode` is off."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **more)
        _have_streams()
        try:
            code = super().main(args, prog_name, complete_var, False, **more)
        except click.UsageError as e:
            _say_usage(e)
        except click.Abort:
            sys.exit(EXIT_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; what its output meets is no fault of it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _forget_output()
            sys.exit(EXIT_NO_READER)
        except OSError as e:
            if e.errno not in _FULL or e.filename is not None:
                raise
            _forget_output()
            click.echo(f"{ctx.command_path}: output: {e.strerror}", err=True)
            sys.exit(EXIT_FAILED)


def _say_usage(e: click.UsageError) -> NoReturn:
    """One line, which ends with where the right words are."""
    if isinstance(e, NoArgsIsHelpError):
        e.show()
        sys.exit(EXIT_USAGE)
    path = e.ctx.command_path if e.ctx else "fastgw"
    said = " ".join(e.format_message().split()).rstrip(".")
    click.echo(f"{path}: {said} (see {path} --help)", err=True)
    sys.exit(EXIT_USAGE)


def _have_streams() -> None:
    """Where the caller closed a standard stream, what is written goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def _forget_output() -> None:
    """What is still buffered is not tried again when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
