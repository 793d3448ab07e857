"""`fastgw explain`: what a configuration does with a request, and why."""

from __future__ import annotations

import click


@click.command()
def explain() -> None:
    """Say what a configuration does with a request, and why."""
