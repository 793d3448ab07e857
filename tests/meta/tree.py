"""The project's own files, as the meta tests see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXT = ROOT / "ext"
#: Folders of what was built.
BUILT = {"__pycache__", "build", ".build"}

_CIMPORT = re.compile(
    r"^\s*(?:from\s+(fastgw\.ext[\w.]*)\s+(?:c?import)|c?import\s+(fastgw\.ext[\w.]*))", re.M
)


def sources(folder: Path, *suffixes: str) -> list[Path]:
    """Files below a folder that are ours to judge."""
    return sorted(
        p
        for p in folder.rglob("*")
        if p.suffix in suffixes and not BUILT & set(p.relative_to(folder).parts)
    )


def module_of(path: Path) -> str:
    """ext/io/stream.pyx -> io.stream"""
    return ".".join(path.relative_to(EXT).with_suffix("").parts)


def imports_of(path: Path) -> Iterator[str]:
    """Modules of ext/ that a file names in its imports, as `io.stream`."""
    for found in _CIMPORT.finditer(path.read_text()):
        name = (found[1] or found[2]).removeprefix("fastgw.ext").lstrip(".")
        if name:
            yield name


def compiled_modules() -> list[str]:
    """Every compiled module, by its full name."""
    return ["fastgw.ext." + module_of(p) for p in sources(EXT, ".pyx")]
