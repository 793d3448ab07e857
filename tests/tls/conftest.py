"""What tests of TLS share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.origin import Origin
from tests.tls.authority import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Whom the clients trust."""
    return Authority()


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> tuple[str, str]:
    """Certificate and key for a.example, as files."""
    return authority.issue("a.example", "127.0.0.1").write(tmp_path, "a")


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An upstream that answers."""
    with Origin() as made:
        yield made
