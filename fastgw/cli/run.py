"""`fastgw run`: start a gateway and stay with it."""

from __future__ import annotations

import sys
from typing import Any

import click

from fastgw.cli.gateway import read_name
from fastgw.cli.help import Command
from fastgw.cli.observe import observe_options, take_observe
from fastgw.cli.process_options import process_options, take_process
from fastgw.cli.source import option, read_source, source_options
from fastgw.log import LEVELS
from fastgw.master.machine import usable_cpus
from fastgw.master.settings import Settings

EPILOG = """\b
Signals: TERM, INT  drain: accept no more, finish what is under way (a second one: at once)
         QUIT       end at once
         HUP        read the configuration again, without a connection noticing
         USR2       start the program again, which takes over when it is ready
         TTIN, TTOU one worker more, one less
         USR1       open the access log's file again
\b
Exit codes: 0 ended as told, 1 could not start, 2 configuration or command line wrong."""

MOST_WORKERS = 1024


def read_workers(_ctx: click.Context, _option: click.Parameter, value: str) -> int:
    """The number of workers that `auto` or a number stands for."""
    if value == "auto":
        return usable_cpus()
    if value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_WORKERS:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither 'auto' nor a number from 1 to {MOST_WORKERS}")


@click.command(cls=Command, epilog=EPILOG)
@source_options
@process_options
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
    callback=read_name,
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

    control, access_log = take_observe(options, log_level)
    source = read_source(options)
    if access_log:
        source["options"]["access_log"] = access_log
    settings = Settings(
        source=source,
        workers=workers,
        run_dir=run_dir,
        name=name,
        log_level=log_level,
        control=control,
        **take_process(options),
    )
    sys.exit(launch.run(settings))
