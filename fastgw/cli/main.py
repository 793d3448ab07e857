"""The `fastgw` command."""

from __future__ import annotations

import click

from fastgw.cli.check import check
from fastgw.cli.demo import demo
from fastgw.cli.reload import reload
from fastgw.cli.run import run
from fastgw.cli.show import show
from fastgw.cli.status import status
from fastgw.cli.version import version

EPILOG = "Exit codes: 0 done, 1 failed, 2 the configuration or the command line is wrong."


@click.group(
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def main() -> None:
    """An API gateway with a compiled data plane, extended in Python."""


for verb in (run, check, show, status, reload, demo, version):
    main.add_command(verb)
