"""Generators: one table each, committed output, checked for freshness by `./dev check`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def write(outputs: Mapping[Path, str], argv: list[str]) -> int:
    """Write what was generated, or with --check say which files are stale; the exit status."""
    if "--check" not in argv:
        for path, text in outputs.items():
            path.write_text(text)
        return 0
    stale = [p for p, text in outputs.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        print(f"stale: {path}; run ./dev generate", file=sys.stderr)
    return 1 if stale else 0
