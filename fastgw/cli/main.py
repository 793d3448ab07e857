"""The `fastgw` command."""

from __future__ import annotations

import click

from fastgw import __version__
from fastgw.cli.bench import bench
from fastgw.cli.check import check
from fastgw.cli.completion import completion
from fastgw.cli.demo import demo
from fastgw.cli.diff import diff
from fastgw.cli.explain import explain
from fastgw.cli.fmt import fmt
from fastgw.cli.help import Group
from fastgw.cli.init import init
from fastgw.cli.reload import reload
from fastgw.cli.routes import routes
from fastgw.cli.run import run
from fastgw.cli.schema import schema
from fastgw.cli.show import show
from fastgw.cli.status import status
from fastgw.cli.stop import stop
from fastgw.cli.upgrade import upgrade
from fastgw.cli.version import version

EPILOG = """\b
Exit codes: 0 done, 1 failed (or: there is something to report), 2 the configuration or the
command line is wrong, 130 Ctrl-C, 141 nobody reads the output any more.
Options that say what runs, which file or which gateway have an environment variable, FASTGW_
and the name (--run-dir: FASTGW_RUN_DIR); a flag overrides it, and it overrides the file."""

SECTIONS = {
    "Run": ("run", "demo"),
    "Write a configuration": ("init", "check", "fmt", "schema"),
    "Understand one": ("routes", "explain", "show", "diff"),
    "A running gateway": ("status", "reload", "upgrade", "stop", "bench"),
}
VERBS = (
    *(run, demo, init, check, fmt, schema, routes, explain, show, diff),
    *(status, reload, upgrade, stop, bench, completion, version),
)


@click.group(
    "fastgw",
    cls=Group,
    sections=SECTIONS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def main() -> None:
    """An API gateway with a compiled data plane, extended in Python."""


for verb in VERBS:
    main.add_command(verb)
