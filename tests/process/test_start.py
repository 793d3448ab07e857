"""What ends a start: configuration, command line, a compiler that misbehaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.gateway import ROOT, fake


def fastgw(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "fastgw", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_bad_configuration_prints_every_error(tmp_path: Path) -> None:
    errors = ["gateway.yaml:3:5: unknown key", "gateway.yaml:9:1: no such upstream"]
    with fake(tmp_path, source={"errors": errors}) as gateway:
        assert gateway.wait() == 2
    for line in errors:
        assert line in gateway.log


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "give a FILE, or --to URL"),
        (["x.yaml", "--to", "http://127.0.0.1:1"], "exclude each other"),
        (["--to", "http://127.0.0.1:1", "--workers", "0"], "'0' is neither"),
        (["--to", "http://127.0.0.1:1", "--workers", "many"], "'many' is neither"),
        (["--to", "http://127.0.0.1:1", "--timeout-drain", "30"], "'30' is no duration"),
        (["--to", "http://127.0.0.1:1", "--no-such"], "--no-such"),
    ],
)
def test_bad_command_line(words: list[str], text: str) -> None:
    done = fastgw("run", *words)
    assert done.returncode == 2
    assert text in done.stderr


def test_version() -> None:
    done = fastgw("version")
    assert done.returncode == 0
    assert done.stdout.startswith("fastgw 0.1.0 (")
