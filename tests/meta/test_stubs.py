"""Stubs of compiled modules say what is there."""

from __future__ import annotations

import pytest

from tests.meta import stubs
from tests.meta.tree import EXT, ROOT, sources

STUBS = [p for p in sources(EXT, ".pyi") if p.with_suffix(".pyx").exists()]


def test_what_python_imports_has_a_stub() -> None:
    assert list(stubs.missing_stubs()) == []


@pytest.mark.parametrize("path", STUBS, ids=lambda p: str(p.relative_to(ROOT)))
def test_stub_is_true(path) -> None:  # type: ignore[no-untyped-def]
    assert list(stubs.differences(path)) == []
