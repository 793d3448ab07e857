"""`fastgw stop`: end a running gateway, and wait until it has ended."""

from __future__ import annotations

import os
import select
import signal
import sys

import click

from fastgw.cli.gateway import folder_of, gateway_options
from fastgw.cli.process_options import read_seconds
from fastgw.run_dir import holder_of


@click.command()
@gateway_options
@click.option("--now", is_flag=True, help="End at once: what is under way is cut off.")
@click.option(
    "--wait",
    "wait_s",
    callback=read_seconds,
    metavar="DURATION",
    default="10m",
    show_default=True,
    help="How long to wait; 0s: not at all.",
)
def stop(run_dir: str | None, name: str, now: bool, wait_s: float) -> None:
    """End a running gateway after a drain, and wait for it.

    Exit code 1 if none runs, or if it has not ended in time (it goes on draining)."""
    folder = folder_of(run_dir, name)
    pid = holder_of(folder)
    if pid is None:
        click.echo(f"no gateway runs here: nobody holds {folder / 'lock'}", err=True)
        sys.exit(1)
    try:
        process = os.pidfd_open(pid)
        signal.pidfd_send_signal(process, signal.SIGQUIT if now else signal.SIGTERM)
    except ProcessLookupError:
        return
    except OSError as e:
        click.echo(f"the gateway's master (pid {pid}): {e.strerror}", err=True)
        sys.exit(1)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    if wait_s and not poll.poll(wait_s * 1000):
        click.echo(f"the master (pid {pid}) has not ended within {wait_s:g} s", err=True)
        sys.exit(1)
