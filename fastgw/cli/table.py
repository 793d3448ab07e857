"""Tables: with lines and colours on a terminal, plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

Row = Sequence[str]


def show_table(head: Row, rows: Sequence[Row]) -> None:
    """To the standard output."""
    if sys.stdout.isatty():
        _drawn(head, rows)
        return
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _drawn(head: Row, rows: Sequence[Row]) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*head, box=SIMPLE, header_style="bold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
