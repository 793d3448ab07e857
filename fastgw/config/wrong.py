"""What a check of one value says, for whoever knows where the value stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastgw.config.document import Document
from fastgw.config.problems import Where

T = TypeVar("T")


class Wrong(Exception):
    """What is wrong with a value, with its code."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def noted(document: Document, where: Where, check: Callable[..., T], *args: object) -> T | None:
    """What a check returns, or None after noting what it found wrong."""
    try:
        return check(*args)
    except Wrong as e:
        document.problem(e.code, where, e.message)
        return None
