"""Files that come from tables are what their generators write."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.meta.tree import EXT, ROOT

GENERATORS = sorted(p.stem for p in (EXT / "generate").glob("*.py") if p.stem != "__init__")


@pytest.mark.parametrize("name", GENERATORS)
def test_fresh(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"fastgw.ext.generate.{name}", "--check"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
