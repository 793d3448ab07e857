"""Each example is a file that starts."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.meta.tree import ROOT
from tests.process.gateway import Gateway

EXAMPLES = sorted([*(ROOT / "examples").glob("*.yaml"), ROOT / "examples/gateway.py"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_example_starts(example: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fastgw", "run", str(example), "--listen", "127.0.0.1:0"]
    with Gateway([*command, "--workers", "1", "--run-dir", str(tmp_path)]) as gateway:
        gateway.ready()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(10) == 0
