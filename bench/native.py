"""The two small C programs of the benchmarks (origin.c, load.c), compiled at first use."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE / ".build"


def program(name: str) -> Path:
    """Path of the compiled `bench/<name>.c`; compiles it when it is missing or stale.

    Raises RuntimeError when there is no C compiler.
    """
    source, made = HERE / f"{name}.c", BUILD / name
    if made.exists() and made.stat().st_mtime >= source.stat().st_mtime:
        return made
    compiler = os.environ.get("CC", "").split() or [shutil.which("cc") or shutil.which("gcc") or ""]
    if not compiler[0]:
        raise RuntimeError("a C compiler is needed for the load generator (apt install gcc)")
    BUILD.mkdir(exist_ok=True)
    fresh = BUILD / f"{name}.{os.getpid()}"  # renamed into place: runs may be parallel
    subprocess.run(
        [*compiler, "-O2", "-Wall", "-o", str(fresh), str(source)], check=True, timeout=120
    )
    fresh.replace(made)
    return made
