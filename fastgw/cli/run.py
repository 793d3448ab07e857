"""`fastgw run`: start a gateway and stay with it."""

from __future__ import annotations

import sys
from typing import Any

import click

from fastgw.cli.help import Command
from fastgw.cli.observe import observe_options, take_observe
from fastgw.cli.source import option, read_source, source_options
from fastgw.log import LEVELS
from fastgw.master.machine import usable_cpus
from fastgw.master.settings import Settings

EPILOG = """\b
Signals: TERM, INT  drain: accept no more, finish what is under way (a second one: at once)
         QUIT       end at once
         USR1       open the access log's file again
\b
Exit codes: 0 ended as told, 1 could not start, 2 configuration or command line wrong."""

MOST_WORKERS = 1024


SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def read_workers(_ctx: click.Context, _option: click.Parameter, value: str) -> int:
    """The number of workers that `auto` or a number stands for."""
    if value == "auto":
        return usable_cpus()
    if value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_WORKERS:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither 'auto' nor a number from 1 to {MOST_WORKERS}")


def read_seconds(_ctx: click.Context, _option: click.Parameter, value: str) -> float:
    """A duration of the processes themselves: 500ms, 30s, 5m."""
    number = value.rstrip("msh")
    unit = value[len(number) :]
    if number.isascii() and number.isdigit() and unit in SECONDS:
        return int(number) * SECONDS[unit]
    raise click.BadParameter(f"{value!r} is no duration: a number with ms, s, m or h")


@click.command(cls=Command, epilog=EPILOG)
@source_options
@option(
    "--timeout-drain",
    section="Processes",
    callback=read_seconds,
    metavar="DURATION",
    default="30s",
    show_default=True,
    help="How long a drain may take before the rest is ended.",
)
@option(
    "--workers",
    section="Processes",
    callback=read_workers,
    metavar="auto|N",
    default="auto",
    show_default=True,
    help="Worker processes; auto = the smaller of processor affinity and cgroup quota.",
)
@option(
    "--run-dir",
    section="Processes",
    metavar="DIR",
    help="Where the lock and the sockets of the gateway are.  [default: $RUNTIME_DIRECTORY, else "
    "/run/fastgw (root) or $XDG_RUNTIME_DIR/fastgw, else fastgw-UID in the temporary directory]",
)
@option(
    "--name",
    section="Processes",
    default="default",
    show_default=True,
    help="Name of this gateway: several on one machine have one each.",
)
@option(
    "--log-level",
    section="Logs",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="Least important level that is written to standard error.",
)
@observe_options
def run(
    timeout_drain: float,
    workers: int,
    run_dir: str | None,
    name: str,
    log_level: str,
    **options: Any,
) -> None:
    """Run a gateway, from FILE or before one upstream (--to).

    \b
    fastgw run --to http://127.0.0.1:9000
    fastgw run gateway.yaml --workers 4
    """
    from fastgw.master import launch

    control, log_options = take_observe(options, log_level)
    settings = Settings(
        source=read_source(options),
        workers=workers,
        run_dir=run_dir,
        name=name,
        log_level=log_level,
        control=control,
        log_options=log_options,
        drain_s=timeout_drain,
    )
    sys.exit(launch.run(settings))
