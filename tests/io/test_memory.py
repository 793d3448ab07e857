"""What idle connections cost."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.plain_build
@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10_000, reason="needs 10,000 descriptors"
)
def test_an_idle_stream_costs_less_than_a_kibibyte() -> None:
    """Stream, facts and a small codec, after a request was served on it: half of the 2 KiB
    that a connection may cost in all are left to its HTTP codec."""
    said = subprocess.run(
        [sys.executable, "-m", "tests.io.idle_memory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.split()
    assert 100 < int(said[0]) < 1024
    assert said[1] == "0"
