"""What the fuzzers once found stays found: the kept corpus in the ordinary build."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgw.ext.testing.fuzz_doors import run, use_plan
from fuzz.plan import plan

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
TARGETS = ("request", "response", "chunked", "path", "authority", "hello", "proxy", "frames",
           "match")  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_kept_corpus(target: str) -> None:
    """Every check holds for every input."""
    use_plan(plan())
    inputs = [path for path in sorted((CORPUS / target).iterdir()) if path.is_file()]
    assert inputs
    failed = {path.name: code for path in inputs if (code := run(target, path.read_bytes()))}
    assert not failed
