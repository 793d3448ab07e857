"""Networks as they are written: addresses and CIDR blocks."""

from __future__ import annotations

from collections.abc import Iterable

from fastgw.config.document import Document
from fastgw.config.problems import Where
from fastgw.ext.base.networks import parse_network


def networks(document: Document, where: Where, texts: Iterable[str]) -> None:
    """Note those that are not networks."""
    for i, text in enumerate(texts):
        try:
            parse_network(text)
        except ValueError as e:
            document.problem("FGW401", (*where, i), str(e))
