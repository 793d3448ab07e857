"""Every check of the kit with every sample; every kind has a sample and a page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.policy.build import KINDS
from tests.policy import plugins
from tests.policy.kit import CHECKS
from tests.policy.samples import SAMPLES, Sample

PAGES = Path(__file__).parents[2] / "docs" / "policies"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.label)
@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__.removeprefix("check_"))
def test_conforms(check: Callable[[Sample], Coroutine[Any, Any, None]], sample: Sample) -> None:
    plugins.gates.clear()
    plugins.notes.clear()
    asyncio.run(asyncio.wait_for(check(sample), 20))
    plugins.notes.clear()


def without_sample(kinds: set[str]) -> set[str]:
    """Kinds that the kit knows nothing of."""
    return kinds - {sample.kind for sample in SAMPLES}


def test_every_kind_has_a_sample() -> None:
    assert without_sample(set(KINDS)) == set()
    assert without_sample({*KINDS, "new"}) == {"new"}


def test_labels_are_unique() -> None:
    assert len({sample.label for sample in SAMPLES}) == len(SAMPLES)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_page(kind: str) -> None:
    assert (PAGES / f"{kind}.md").is_file()
