"""`fastgw version`: what is installed, as far as it matters for a report."""

from __future__ import annotations

import platform

import click

from fastgw import __version__


@click.command()
def version() -> None:
    """Print the versions of fastgw, Python and the kernel, and the kind of build."""
    from fastgw.ext.base.debug import debug_build

    kind = "debug" if debug_build() else "release"
    click.echo(
        f"fastgw {__version__} ({kind} build), Python {platform.python_version()}, "
        f"Linux {platform.release()} {platform.machine()}"
    )
