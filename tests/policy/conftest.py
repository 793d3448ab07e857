"""Doors that are checked when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.policy.door import Door


@pytest.fixture
def door() -> Iterator[Callable[..., Door]]:
    """Makes doors; each must be clean in the end."""
    made: list[Door] = []

    def make(*chain: Any, **how: Any) -> Door:
        made.append(Door(*chain, **how))
        return made[-1]

    yield make
    while made:
        made.pop().close()
