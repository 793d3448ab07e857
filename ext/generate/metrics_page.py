"""Generate docs/metrics.md from `ext/record/metrics.toml`.

python -m fastgw.ext.generate.metrics_page [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastgw.ext.generate import write
from fastgw.ext.record.catalogue import Metric, RowKind, read_catalogue

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
HEAD = """# Metrics

Generated from ext/record/metrics.toml; do not edit.

`GET /metrics` of the [admin API](admin-api.md), or of `--metrics-listen`, which serves
nothing else. The format is Prometheus' text format, or OpenMetrics for those who ask for it
(`Accept: application/openmetrics-text`).

Workers count in shared memory, each in a column of its own; a scrape adds the columns up in
the control process and touches no worker. Counters are kept over reloads, and the counts of
a worker that died are kept too: they never fall while the gateway runs. Levels of a process
that is gone are 0. What is marked *once a second* is as old as that.

There is room for 10,000 label rows; what comes after is counted in rows whose labels are
`overflow`. Rows of routes, upstreams and endpoints that are no longer configured are given
to others after 10 minutes.
"""
TITLES = {
    "route": "Routes",
    "route_reason": "Reasons",
    "upstream": "Upstreams",
    "endpoint": "Endpoints",
    "endpoint_reason": "Failed attempts",
    "listener": "Listeners",
    "listener_reason": "Failed TLS handshakes",
    "worker": "Workers",
    "node": "The gateway",
}


def labels_of(kind: RowKind, metric: Metric) -> list[str]:
    """Every label that a line of the metric has."""
    more = [metric.split[0]] if metric.split else []
    return [*kind.labels, *more, *(["side"] if "reason" in kind.labels else [])]


def section(kind: RowKind) -> str:
    """The metrics of a kind of row."""
    rows = [
        f"## {TITLES[kind.name]}\n",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    for m in kind.metrics:
        labels = ", ".join(labels_of(kind, m)) or "-"
        often = " Once a second." if m.sampled else ""
        rows.append(f"| `{m.name}` | {m.type} | {labels} | {m.help}{often} |")
    return "\n".join(rows) + "\n"


def buckets() -> str:
    """The upper ends of the buckets."""
    rows = ["## Buckets\n", "| histograms | upper ends, in seconds |", "|---|---|"]
    found: dict[tuple[int, ...], list[Metric]] = {}
    for m in (m for kind in read_catalogue() for m in kind.metrics if m.buckets):
        found.setdefault(m.buckets, []).append(m)
    for ends, metrics in found.items():
        names = ", ".join(f"`{m.name}`" for m in metrics)
        rows.append(f"| {names} | {', '.join(f'{e / metrics[0].scale:g}' for e in ends)} |")
    return "\n".join(rows) + "\n"


def render() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(kind) for kind in read_catalogue()), buckets()])


def main(argv: list[str]) -> int:
    """Write the page, or with --check say that it is stale."""
    return write({PAGE: render()}, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
