"""Every test of streams runs in both loops."""

from __future__ import annotations

import pytest

from tests.io.harness import LOOPS


@pytest.fixture(params=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> str:
    """The name of a loop."""
    name: str = request.param
    return name
