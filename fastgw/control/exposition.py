"""Metrics as text: Prometheus' format 0.0.4, or OpenMetrics 1.0 for those who ask for it.

All lines of a metric stand together, so that the outer loop is over metrics and the inner
one over rows. What a row's lines begin with is put together once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from fastgw.ext.base.reasons import REASON_TABLE
from fastgw.ext.record.catalogue import Metric, RowKind

#: A label row: the values of its kind's labels, and its cells added up over all processes.
Row = tuple[tuple[str, ...], Sequence[int]]

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
#: Templates kept of a metric; rows may be given to others, so what is kept grows.
KEPT_MOST = 50_000

_SIDES = {row[0]: row[1] for row in REASON_TABLE}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


def wanted_type(accept: str) -> str:
    """The content type for an Accept field: OpenMetrics only for those who name it."""
    return OPENMETRICS if "application/openmetrics-text" in accept.lower() else PROMETHEUS


class Exposition:
    """Renders rows; keeps what does not change between two scrapes."""

    def __init__(self, kinds: Sequence[RowKind]) -> None:
        self.kinds = kinds
        #: (metric, whether OpenMetrics) -> a row's labels -> its template.
        self._kept: dict[tuple[str, bool], dict[tuple[str, ...], str]] = {}

    def render(self, rows: Mapping[str, Sequence[Row]], content_type: str = PROMETHEUS) -> bytes:
        """The page for rows by the name of their kind."""
        modern = content_type == OPENMETRICS
        out: list[str] = []
        for kind in self.kinds:
            given = rows.get(kind.name, ())
            for metric in kind.metrics if given else ():
                self._head(out, metric, modern)
                self._lines(out, kind, metric, given, modern)
        if modern:
            out.append("# EOF\n")
        return "".join(out).encode()

    def _head(self, out: list[str], metric: Metric, modern: bool) -> None:
        """HELP and TYPE. OpenMetrics names a counter's family without `_total`."""
        name = metric.name.removesuffix("_total") if modern else metric.name
        out.append(f"# HELP {name} {metric.help.translate(_HELP_ESCAPES)}\n")
        out.append(f"# TYPE {name} {metric.type}\n")

    def _lines(
        self, out: list[str], kind: RowKind, metric: Metric, rows: Sequence[Row], modern: bool
    ) -> None:
        make: Callable[[RowKind, Metric, tuple[str, ...], bool], str] = value_template
        lines: Callable[[str, Sequence[int], Metric], str] = one_line
        if metric.buckets:
            make, lines = histogram_template, histogram_lines
        elif metric.split is not None:
            lines = several_lines
        kept = self._kept.setdefault((metric.name, modern), {})
        if len(kept) > KEPT_MOST:
            kept.clear()
        for labels, cells in rows:
            template = kept.get(labels)
            if template is None:
                template = kept[labels] = make(kind, metric, labels, modern)
            out.append(lines(template, cells, metric))


def one_line(template: str, cells: Sequence[int], metric: Metric) -> str:
    """Of a metric with one cell; its template is what stands before the number."""
    return f"{template}{cells[metric.at]}\n"


def several_lines(template: str, cells: Sequence[int], metric: Metric) -> str:
    """Of a metric with a cell for each value of a label."""
    return template % tuple(cells[metric.at : metric.at + metric.cells])


def histogram_lines(template: str, cells: Sequence[int], metric: Metric) -> str:
    """Of a histogram: buckets are cumulative, the last one is the count; the sum is the last
    cell."""
    end = metric.at + metric.cells - 1
    sums = [*accumulate(cells[metric.at : end])]
    return template % (*sums, cells[end] / metric.scale, sums[len(sums) - 1])


def label_text(pairs: Sequence[tuple[str, str]]) -> str:
    """`{route="a",reason="b"}`, or nothing for none."""
    inner = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs)
    return f"{{{inner}}}" if inner else ""


def pairs_of(kind: RowKind, labels: tuple[str, ...]) -> list[tuple[str, str]]:
    """Names and values of a row's labels; a reason brings its side."""
    pairs = list(zip(kind.labels, labels, strict=True))
    if "reason" in kind.labels:
        pairs.append(("side", _SIDES.get(labels[kind.labels.index("reason")], "")))
    return pairs


def value_template(kind: RowKind, metric: Metric, labels: tuple[str, ...], modern: bool) -> str:
    """The lines of a counter or gauge, with a %d for each cell; for one cell what stands
    before it."""
    pairs = pairs_of(kind, labels)
    if metric.split is None:
        return f"{metric.name}{label_text(pairs)} "
    label, values = metric.split
    return "".join(_line(metric.name, [*pairs, (label, value)]) for value in values)


def histogram_template(kind: RowKind, metric: Metric, labels: tuple[str, ...], modern: bool) -> str:
    """The lines of a histogram: a %d for each bucket, a %r for the sum, a %d for the count."""
    pairs = pairs_of(kind, labels)
    ends = [*_bucket_ends(metric, modern), "+Inf"]
    lines = [_line(metric.name + "_bucket", [*pairs, ("le", end)]) for end in ends]
    lines.append(_line(metric.name + "_sum", pairs, "%r"))
    lines.append(_line(metric.name + "_count", pairs))
    return "".join(lines)


def _line(name: str, pairs: Sequence[tuple[str, str]], value: str = "%d") -> str:
    return name + label_text(pairs).replace("%", "%%") + f" {value}\n"


def _bucket_ends(metric: Metric, modern: bool) -> Iterator[str]:
    for end in metric.buckets:
        value = end / metric.scale
        yield repr(value) if modern else f"{value:g}"
