"""The sanitizers' job can fail: planted faults end a process (`./dev asan`)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.meta.tree import ROOT

pytestmark = pytest.mark.skipif(
    "FASTGW_ASAN" not in os.environ, reason="only in a build of ./dev asan"
)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("overflow(24)", "heap-buffer-overflow"),
        ("use_after_free()", "heap-use-after-free"),
        ("undefined(40)", "shift exponent 40 is too large"),
    ],
)
def test_planted_fault_is_seen(fault: str, text: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"from fastgw.ext.testing import planted; planted.{fault}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert text in done.stderr


def test_small_overflows_are_seen_too() -> None:
    """With Python's own allocator they would stay inside an arena."""
    assert os.environ.get("PYTHONMALLOC") == "malloc"
