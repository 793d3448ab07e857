"""A running gateway as the command line sees it: found by its run directory, asked over the
admin socket in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fastgw.cli.source import variable
from fastgw.run_dir import NAME, base_folder

F = TypeVar("F", bound=Callable[..., Any])

#: A reload compiles the whole configuration before it answers.
ANSWER_S = 90.0


class NoAnswer(Exception):
    """The gateway, or its control process, does not answer; the text says what was tried."""


def gateway_options(command: F) -> F:
    """Add the options that say which gateway is meant; `fastgw run` has the same, and the same
    variables."""
    command = click.option(
        "--name",
        default="default",
        envvar=variable("name"),
        callback=read_name,
        show_default=True,
        help="Name of the gateway.",
    )(command)
    return click.option(
        "--run-dir",
        metavar="DIR",
        envvar=variable("run_dir"),
        help="Its run directory.  [default: as for `fastgw run`]",
    )(command)


def read_name(_ctx: click.Context, _option: click.Parameter, value: str) -> str:
    """The name of a gateway, which is that of a folder."""
    if not NAME.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no name: a-z, 0-9, '.', '_', '-', 63 at the most")
    return value


def folder_of(run_dir: str | None, name: str) -> Path:
    """Where the gateway's lock and sockets are, if it runs."""
    base, _ = base_folder(run_dir, os.environ, os.geteuid())
    return base / name


def ask(method: str, path: str, folder: Path) -> tuple[int, dict[str, Any]]:
    """(status, document) of a request to the admin API, or NoAnswer."""
    import httpx

    socket = folder / "admin.sock"
    if not socket.exists():
        raise NoAnswer(f"no gateway runs here: there is no {socket} (--run-dir, --name: which)")
    try:
        transport = httpx.HTTPTransport(uds=str(socket))
        with httpx.Client(transport=transport, timeout=ANSWER_S) as client:
            answer = client.request(method, f"http://localhost{path}")
            return answer.status_code, answer.json()
    except (httpx.HTTPError, ValueError) as e:
        raise NoAnswer(f"{socket}: {e or type(e).__name__}{_hint(folder)}") from e


def _hint(folder: Path) -> str:
    """What can be done without the control process."""
    try:
        pid = (folder / "lock").read_text().strip()
    except OSError:
        return ""
    return f" (the control process may be starting; the master is pid {pid})" if pid else ""
