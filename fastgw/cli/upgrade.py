"""`fastgw upgrade`: have a running gateway start its program again, and wait for the outcome."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from fastgw.cli.gateway import folder_of, gateway_options
from fastgw.master.state_file import UPGRADE
from fastgw.run_dir import holder_of

#: A new program has 60 s to get ready; the old one says how it went.
WAIT_S = 70.0


@click.command()
@gateway_options
def upgrade(run_dir: str | None, name: str) -> None:
    """Start the program of a running gateway again: another version of it, on the same sockets.

    It takes over when all its workers serve; the old one leaves when its connections have. If
    it does not get ready, the old one goes on and the exit code is 1."""
    folder = folder_of(run_dir, name)
    pid = holder_of(folder)
    if pid is None:
        click.echo(f"no gateway runs here: nobody holds {folder / 'lock'}", err=True)
        sys.exit(1)
    before = outcome_of(folder)
    try:
        os.kill(pid, signal.SIGUSR2)
    except OSError as e:
        click.echo(f"the gateway's master (pid {pid}): {e.strerror}", err=True)
        sys.exit(1)
    said = wait_for(folder, before)
    if said.get("failed"):
        click.echo(f"upgrade failed: {said['failed']}; the old program goes on", err=True)
        sys.exit(1)
    click.echo(f"the new program runs: pid {said['pid']}")


def wait_for(folder: Path, before: dict[str, Any]) -> dict[str, Any]:
    """What the master wrote of the upgrade."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        said = outcome_of(folder)
        if said and said != before:
            return said
        time.sleep(0.05)
    return {"failed": f"nothing was heard of it within {WAIT_S:g} s"}


def outcome_of(folder: Path) -> dict[str, Any]:
    """How the last upgrade ended; nothing if there was none."""
    try:
        said: dict[str, Any] = json.loads((folder / UPGRADE).read_text())
    except (OSError, ValueError):
        return {}
    return said
