"""Generate the ids of well-known header names from `ext/http/names.toml`.

    python -m fastgw.ext.generate.names [--check]
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

HTTP = Path(__file__).resolve().parent.parent / "http"


def read_names() -> list[str]:
    """The well-known names, in the order of their ids (from 1)."""
    names: list[str] = tomllib.loads((HTTP / "names.toml").read_text())["names"]
    return names


def constant(name: str) -> str:
    """`content-length` -> `NAME_CONTENT_LENGTH`."""
    return "NAME_" + name.upper().replace("-", "_")


def render_pxd(names: list[str]) -> str:
    """The enum."""
    rows = "\n".join(f"    {constant(n)} = {i}" for i, n in enumerate(names, 1))
    return f'''"""Ids of well-known header names. Generated from names.toml; do not edit."""

from libc.stddef cimport size_t


cdef enum NameId:
    NAME_OTHER = 0
{rows}
    NAMES = {len(names) + 1}


cdef NameId name_id(const char* p, size_t n) noexcept nogil
cdef const char* name_text(int id, size_t* n) noexcept nogil
'''


def main(argv: list[str]) -> int:
    """Write the outputs, or with --check say which are stale."""
    names = read_names()
    (HTTP / "names.pxd").write_text(render_pxd(names))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
