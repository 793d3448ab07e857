"""`fastgw demo`: a gateway before two sample services, to try with curl."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--check", is_flag=True, help="Run the printed requests, say what came, and end.")
@click.option(
    "--port", type=int, default=0, metavar="N", help="Port of the gateway.  [default: a free one]"
)
def demo(check: bool, port: int) -> None:
    """Start a gateway before two embedded sample services and print what to try.

    Ctrl-C ends all of it. Exit code 1 if --check finds an answer that is not as it should be."""
    from fastgw.demo.stage import play

    sys.exit(play(check=check, port=port))
