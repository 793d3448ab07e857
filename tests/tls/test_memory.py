"""What idle connections with TLS cost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process.gateway import ROOT


@pytest.mark.plain_build
def test_an_idle_connection_costs_less_than_24_kibibytes() -> None:
    """Stream, codec and session, after a request: buffers are let go."""
    said = subprocess.run(
        [sys.executable, "-m", "tests.tls.idle_memory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    each, buffers = map(int, said.stdout.split())
    assert 2_000 < each < 24 * 1024
    assert buffers == 0
