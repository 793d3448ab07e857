"""Generate the ids of well-known header names from `ext/http/names.toml`.

    python -m fastgw.ext.generate.names [--check]

Writes `ext/http/names.pxd` and `ext/http/names_table.h`. The table is a hash over the
length and three bytes of a name, with multipliers searched so that no two names collide:
one probe, one comparison.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from random import Random

HTTP = Path(__file__).resolve().parent.parent / "http"
SLOTS = 2048


def read_names() -> list[str]:
    """The well-known names, in the order of their ids (from 1)."""
    names: list[str] = tomllib.loads((HTTP / "names.toml").read_text())["names"]
    if len(names) > 255 or len(set(names)) != len(names):
        raise SystemExit("names.toml: at most 255 names, each once")
    return names


def constant(name: str) -> str:
    """`content-length` -> `NAME_CONTENT_LENGTH`."""
    return "NAME_" + name.upper().replace("-", "_")


def slot(name: str, factors: tuple[int, int, int, int]) -> int:
    """Where a name stands in the table; the C side computes the same."""
    n = len(name)
    first, middle, late = (ord(name[i]) | 0x20 for i in (0, n // 2, n * 3 // 4))
    a, b, c, d = factors
    return (n * a + first * b + middle * c + late * d) >> 3 & (SLOTS - 1)


def search(names: list[str]) -> tuple[int, int, int, int]:
    """Multipliers without a collision; the same ones at every run."""
    dice = Random(9112)
    for _ in range(100_000):
        f = (dice.randrange(1, 65536), dice.randrange(1, 65536),
             dice.randrange(1, 65536), dice.randrange(1, 65536))
        if len({slot(n, f) for n in names}) == len(names):
            return f
    raise SystemExit("names.toml: no multipliers without a collision; enlarge SLOTS")


def render_pxd(names: list[str]) -> str:
    """The enum."""
    rows = "\n".join(f"    {constant(n)} = {i}" for i, n in enumerate(names, 1))
    return f'''"""Ids of well-known header names. Generated from names.toml; do not edit."""

from libc.stddef cimport size_t


cdef enum NameId:
    NAME_OTHER = 0
{rows}
    NAMES = {len(names) + 1}


cdef extern from "http/names_table.h" nogil:
    # The id of a name in any case, which must be a token; NAME_OTHER when unknown.
    NameId name_id "fastgw_name_id" (const char* p, size_t n)
    # The lower-case text of an id, its length in `n`; empty for NAME_OTHER.
    const char* name_text "fastgw_name_text" (int id, size_t* n)
'''


def render_table(names: list[str]) -> str:
    """The hash table and the texts, as C."""
    factors = search(names)
    table = [0] * SLOTS
    for i, name in enumerate(names, 1):
        table[slot(name, factors)] = i
    rows = ",\n    ".join(
        ", ".join(str(v) for v in table[i:i + 32]) for i in range(0, SLOTS, 32)
    )
    texts = ",\n    ".join(f'{{"{n}", {len(n)}}}' for n in ["", *names])
    a, b, c, d = factors
    return f'''/* Well-known header names. Generated from names.toml; do not edit. */
#ifndef FASTGW_HTTP_NAMES_TABLE_H
#define FASTGW_HTTP_NAMES_TABLE_H

#include "http/scan.h"

typedef struct {{ const char *text; size_t n; }} fastgw_name;

static const fastgw_name fastgw_names[{len(names) + 1}] = {{
    {texts}
}};

static const uint8_t fastgw_name_slots[{SLOTS}] = {{
    {rows}
}};

static inline int fastgw_name_id(const char *p, size_t n) {{
    if (n == 0) return 0;
    unsigned h = (unsigned)n * {a}u + (unsigned)(p[0] | 0x20) * {b}u
        + (unsigned)(p[n / 2] | 0x20) * {c}u + (unsigned)(p[n * 3 / 4] | 0x20) * {d}u;
    int id = fastgw_name_slots[h >> 3 & {SLOTS - 1}];
    return fastgw_names[id].n == n && fastgw_name_eq(p, fastgw_names[id].text, n) ? id : 0;
}}

static inline const char *fastgw_name_text(int id, size_t *n) {{
    if (id < 0 || id > {len(names)}) id = 0;
    *n = fastgw_names[id].n;
    return fastgw_names[id].text;
}}

#endif
'''


def outputs() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    names = read_names()
    return {HTTP / "names.pxd": render_pxd(names), HTTP / "names_table.h": render_table(names)}


def main(argv: list[str]) -> int:
    """Write the outputs, or with --check say which are stale."""
    stale = [p for p, text in outputs().items() if not p.exists() or p.read_text() != text]
    if "--check" in argv:
        for path in stale:
            print(f"stale: {path}; run ./dev generate", file=sys.stderr)
        return 1 if stale else 0
    for path, text in outputs().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
