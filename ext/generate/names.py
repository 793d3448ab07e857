"""Generate the ids of well-known header names from `ext/http/names.toml`.

    python -m fastgw.ext.generate.names [--check]

Writes `ext/http/names.pxd` and `ext/http/names_table.h`. The table is a hash over the
length, the first two and the last two bytes of a name, with multipliers searched so that no
two names collide: one probe, one comparison.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from random import Random

from fastgw.ext.generate import write

HTTP = Path(__file__).resolve().parent.parent / "http"
SLOTS = 2048
#: Room for a name's text, so that 16 bytes of it can be loaded from any place in it.
TEXT_BYTES = 48


def read_names() -> list[str]:
    """The well-known names, in the order of their ids (from 1)."""
    names: list[str] = tomllib.loads((HTTP / "names.toml").read_text())["names"]
    if len(names) > 255 or len(set(names)) != len(names):
        raise SystemExit("names.toml: at most 255 names, each once")
    if not all(2 <= len(n) <= TEXT_BYTES - 16 for n in names):
        raise SystemExit(f"names.toml: names have 2 to {TEXT_BYTES - 16} bytes")
    return names


def constant(name: str) -> str:
    """`content-length` -> `NAME_CONTENT_LENGTH`."""
    return "NAME_" + name.upper().replace("-", "_")


Factors = tuple[int, int, int]


def slot(name: str, factors: Factors) -> int:
    """Where a name stands in the table; the C side computes the same."""
    text = name.encode()
    first, last = (int.from_bytes(pair, "little") | 0x2020 for pair in (text[:2], text[-2:]))
    a, b, c = factors
    return ((len(text) * a + first * b + last * c) & 0xFFFFFFFF) >> 9 & (SLOTS - 1)


def search(names: list[str]) -> Factors:
    """Multipliers without a collision; the same ones at every run."""
    dice = Random(9112)
    for _ in range(100_000):
        f = (dice.randrange(1, 1 << 20), dice.randrange(1, 1 << 20), dice.randrange(1, 1 << 20))
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
    # The id of a name in any case, without bytes up to SP; NAME_OTHER when unknown.
    NameId name_id "fastgw_name_id" (const char* p, size_t n)
    # The same, faster: bytes up to `end` may be read, which is p + n or further on.
    NameId name_id_before "fastgw_name_id_before" (const char* p, size_t n, const char* end)
    # The lower-case text of an id, its length in `n`; empty for NAME_OTHER.
    const char* name_text "fastgw_name_text" (int id, size_t* n)
'''


def render_table(names: list[str]) -> str:
    """The hash table and the texts, as C."""
    factors = search(names)
    table = [0] * SLOTS
    for i, name in enumerate(names, 1):
        table[slot(name, factors)] = i
    rows = ",\n    ".join(", ".join(str(v) for v in table[i : i + 32]) for i in range(0, SLOTS, 32))
    texts = ",\n    ".join(f'"{n}"' for n in ["", *names])
    lengths = ", ".join(str(len(n)) for n in ["", *names])
    a, b, c = factors
    return f"""/* Well-known header names. Generated from names.toml; do not edit. */
#ifndef FASTGW_HTTP_NAMES_TABLE_H
#define FASTGW_HTTP_NAMES_TABLE_H

#include "http/scan.h"

static const char fastgw_name_texts[{len(names) + 1}][{TEXT_BYTES}] = {{
    {texts}
}};

static const uint8_t fastgw_name_lengths[{len(names) + 1}] = {{
    {lengths}
}};

static const uint8_t fastgw_name_slots[{SLOTS}] = {{
    {rows}
}};

/* The only id that a name may have; n is at least 2. */
static inline int fastgw_name_probe(const char *p, size_t n) {{
    uint16_t first, last;
    memcpy(&first, p, 2);
    memcpy(&last, p + n - 2, 2);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    first = __builtin_bswap16(first);
    last = __builtin_bswap16(last);
#endif
    uint32_t h = (uint32_t)n * {a}u + (first | 0x2020u) * {b}u + (last | 0x2020u) * {c}u;
    return fastgw_name_slots[h >> 9 & {SLOTS - 1}];
}}

static inline int fastgw_name_id(const char *p, size_t n) {{
    if (n < 2) return 0;
    int id = fastgw_name_probe(p, n);
    return fastgw_name_lengths[id] == n && fastgw_name_eq(p, fastgw_name_texts[id], n) ? id : 0;
}}

static inline int fastgw_name_id_before(const char *p, size_t n, const char *end) {{
#ifdef FASTGW_SCAN_STEP
    if (n >= 2 && end - p >= FASTGW_SCAN_STEP) {{
        int id = fastgw_name_probe(p, n);
        return fastgw_name_lengths[id] == n
            && fastgw_name_eq_16(p, fastgw_name_texts[id], n) ? id : 0;
    }}
#endif
    (void)end;
    return fastgw_name_id(p, n);
}}

static inline const char *fastgw_name_text(int id, size_t *n) {{
    if (id < 0 || id > {len(names)}) id = 0;
    *n = fastgw_name_lengths[id];
    return fastgw_name_texts[id];
}}

#endif
"""


def outputs() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    names = read_names()
    return {HTTP / "names.pxd": render_pxd(names), HTTP / "names_table.h": render_table(names)}


def main(argv: list[str]) -> int:
    """Write the outputs, or with --check say which are stale."""
    return write(outputs(), argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
