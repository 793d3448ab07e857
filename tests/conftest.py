"""What every test gets: nothing of the data plane may outlive it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from fastgw.ext.base import debug


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under the sanitizers, leave out what measures or kills in a way that they change."""
    if "FASTGW_ASAN" not in os.environ:
        return
    for item in items:
        if item.get_closest_marker("plain_build"):
            item.add_marker(pytest.mark.skip(reason="not in a build of ./dev asan"))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """In debug builds the live-object counters are as they were when the test ends."""
    before = debug.live()
    yield
    if debug.live() != before:
        gc.collect()
    assert debug.live() == before
