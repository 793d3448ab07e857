"""What every test gets: nothing of the data plane may outlive it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from fastgw.ext.base import debug


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """In debug builds the live-object counters are as they were when the test ends."""
    before = debug.live()
    yield
    if debug.live() != before:
        gc.collect()
    assert debug.live() == before
