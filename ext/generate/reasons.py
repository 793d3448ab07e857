"""Generate the reasons of the data plane from `ext/base/reasons.toml`.

    python -m fastgw.ext.generate.reasons [--check]

Writes `ext/base/reasons.pxd` and `ext/base/reasons.pyx`.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from fastgw.ext.generate import write

BASE = Path(__file__).resolve().parent.parent / "base"
SIDES = ("none", "client", "gateway", "upstream")
RETRIES = ("never", "unsent", "idempotent")


def read_table() -> list[dict[str, object]]:
    """The rows of reasons.toml, in order."""
    rows: list[dict[str, object]] = tomllib.loads((BASE / "reasons.toml").read_text())["reason"]
    return rows


def deciders(rows: list[dict[str, object]]) -> list[str]:
    """Every part that decides, in order of first appearance."""
    return list(dict.fromkeys(str(r["decided_by"]) for r in rows))


def render_pxd(rows: list[dict[str, object]]) -> str:
    """The enum and the table's shape."""
    names = "\n".join(f"    REASON_{str(r['name']).upper()} = {i}" for i, r in enumerate(rows, 1))
    parts = "\n".join(f"    BY_{p.upper()} = {i}" for i, p in enumerate(deciders(rows), 1))
    return f'''"""Why an exchange ended as it did. Generated from reasons.toml; do not edit."""

from libc.stdint cimport uint8_t, uint16_t


cdef enum Reason:
    REASON_NONE = 0
{names}
    REASONS = {len(rows) + 1}


cdef enum DecidedBy:
    BY_NOBODY = 0
{parts}


cdef enum ReasonSide:
    SIDE_NONE, SIDE_CLIENT, SIDE_GATEWAY, SIDE_UPSTREAM


cdef struct ReasonRow:
    const char* name
    const char* title
    uint16_t status             # 0: nothing can be answered
    uint8_t side                # ReasonSide
    uint8_t decided_by          # DecidedBy
    uint8_t name_n
    uint8_t title_n


cdef const ReasonRow* reason_row(int reason) noexcept nogil
cdef const char* decider_name(int decided_by) noexcept nogil
'''


def render_pyx(rows: list[dict[str, object]]) -> str:
    """The table itself."""
    parts = deciders(rows)
    lines = ['_rows[0] = ReasonRow(b"none", b"", 0, 0, 0, 4, 0)']
    for i, r in enumerate(rows, 1):
        name, title = str(r["name"]), str(r["title"])
        lines.append(
            f'_rows[{i}] = ReasonRow(b"{name}", b"{title}", {r["status"]}, '
            f"{SIDES.index(str(r['side']))}, {parts.index(str(r['decided_by'])) + 1}, "
            f"{len(name)}, {len(title)})"
        )
    table = "\n".join(lines)
    deciding = "\n".join(f'_deciders[{i}] = b"{p}"' for i, p in enumerate(["", *parts]))
    facts = ",\n".join(
        "    ({!r}, {!r}, {!r}, {!r}, {!r}, {!r}, {!r})".format(
            *(
                str(r[k]) if k != "status" else r[k]
                for k in ("name", "side", "status", "retry", "decided_by", "title", "help")
            )
        )
        for r in rows
    )
    return f'''"""The table of reasons. Generated from reasons.toml; do not edit."""

cdef ReasonRow _rows[{len(rows) + 1}]
cdef const char* _deciders[{len(parts) + 1}]

{table}

{deciding}

#: (name, side, status, retry, decided_by, title, help) a row, in the order of the enum.
REASON_TABLE: tuple[tuple[str, str, int, str, str, str, str], ...] = (
{facts},
)


cdef const ReasonRow* reason_row(int reason) noexcept nogil:
    """The row of a reason; the empty one for what is out of range."""
    return &_rows[reason if 0 <= reason < REASONS else 0]


cdef const char* decider_name(int decided_by) noexcept nogil:
    """The name of a deciding part; empty for what is out of range."""
    return _deciders[decided_by if 0 <= decided_by < {len(parts) + 1} else 0]
'''


def outputs() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    rows = read_table()
    return {BASE / "reasons.pxd": render_pxd(rows), BASE / "reasons.pyx": render_pyx(rows)}


def main(argv: list[str]) -> int:
    """Write the outputs, or with --check say which are stale."""
    return write(outputs(), argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
