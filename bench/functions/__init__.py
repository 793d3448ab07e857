"""`python -m bench functions`: times of single functions, by pytest-benchmark.

What is timed is a compiled loop over real inputs (`ext/testing/drivers.pyx`), so a figure is
hardly touched by the interpreter. Arguments go to pytest; `-k parser` picks.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(argv: list[str]) -> int:
    """Run the suites; pytest's exit code."""
    options = ["-p", "no:xdist", "--benchmark-only", "--benchmark-columns=median,iqr,rounds",
               "--benchmark-group-by=group", "-q"]  # fmt: skip
    command = [sys.executable, "-m", "pytest", str(HERE), *options, *argv]
    return subprocess.run(command, cwd=HERE.parents[1]).returncode
