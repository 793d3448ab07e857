"""Generate docs/reasons.md from `ext/base/reasons.toml`.

python -m fastgw.ext.generate.reasons_page [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastgw.ext.generate import write
from fastgw.ext.generate.reasons import SIDES, read_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reasons.md"
RETRIES = {
    "never": "never tried again",
    "unsent": "tried again if nothing was sent",
    "idempotent": "tried again if the method is idempotent",
}
HEAD = """# Reasons

Generated from ext/base/reasons.toml; do not edit.

Why an exchange, or a connection, ended as it did. The name stands in the log, as the label
of metrics and at the end of the `type` of an error page. *Side* says who has to act,
*decided by* which part of the gateway said so. Status 0: nothing could be answered.
"""
SIDE_TITLES = {"client": "The client's", "gateway": "The gateway's", "upstream": "The upstream's"}


def section(row: dict[str, object]) -> str:
    """One reason."""
    status = row["status"] or "none"
    return (
        f"### {row['name']}\n\n"
        f"{row['title']}. Status {status}; decided by {row['decided_by']}; "
        f"{RETRIES[str(row['retry'])]}.\n\n{row['help']}\n"
    )


def render(rows: list[dict[str, object]]) -> str:
    """The whole page, a chapter a side."""
    parts = [HEAD]
    for side in SIDES[1:]:
        parts.append(f"## {SIDE_TITLES[side]}\n")
        parts += [section(row) for row in rows if row["side"] == side]
    return "\n".join(parts)


def main(argv: list[str]) -> int:
    """Write the page, or with --check say that it is stale."""
    return write({PAGE: render(read_table())}, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
