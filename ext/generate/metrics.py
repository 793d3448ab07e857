"""Generate the cells of metrics from `ext/record/metrics.toml`.

    python -m fastgw.ext.generate.metrics [--check]

Writes `ext/record/metric_cells.pxd`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastgw.ext.generate import write
from fastgw.ext.record.catalogue import Metric, RowKind, read_catalogue

TARGET = Path(__file__).resolve().parent.parent / "record" / "metric_cells.pxd"


def constant(metric: Metric) -> str:
    """`fastgw_requests_total` -> `REQUESTS`."""
    return metric.name.removeprefix("fastgw_").removesuffix("_total").upper()


def render_kind(kind: RowKind) -> str:
    """The cells of one kind of row."""
    if kind.crossing:
        return f"cdef enum:\n    CROSSING_{kind.name.upper()} = {kind.crossing}\n"
    prefix = kind.name.upper() + "_"
    rows = [f"    {prefix}{constant(m).removeprefix(prefix)} = {m.at}" for m in kind.metrics]
    labels = ", ".join(kind.labels) or "the node"
    return f"# Cells of a row of {labels}.\ncdef enum:\n" + "\n".join(rows) + "\n"


def render_buckets() -> str:
    """The upper ends of the buckets, as a search that the compiler unrolls."""
    kinds = {m.buckets: m for kind in read_catalogue() for m in kind.metrics if m.buckets}
    if len({len(b) for b in kinds}) != 1:
        raise SystemExit("metrics.toml: every histogram has as many buckets")
    (n,) = {len(b) for b in kinds}
    return (
        f"cdef enum:\n    BUCKETS = {n}              # of a histogram; then one above all, "
        "then the sum\n"
    )


def render() -> str:
    """The whole file."""
    kinds = read_catalogue()
    enum = "\n".join(f"    ROW_{kind.name.upper()} = {kind.number}" for kind in kinds)
    parts = "\n\n".join(render_kind(kind) for kind in kinds)
    return f'''"""Where metrics are counted. Generated from metrics.toml; do not edit."""


# Kinds of label rows.
cdef enum RowKind:
{enum}
    ROW_KINDS = {len(kinds)}


{render_buckets()}

{parts}'''


def main(argv: list[str]) -> int:
    """Write the file, or with --check say that it is stale."""
    return write({TARGET: render()}, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
