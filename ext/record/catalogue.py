"""The catalogue of metrics, from metrics.toml: which cells of a row mean what.

Whoever shows metrics reads it here; what the data plane counts in is generated from it
(ext/generate/metrics.py).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

TABLE = Path(__file__).with_name("metrics.toml")
TYPES = ("counter", "gauge", "histogram")
#: Stands between two labels in a row's name; no name holds it.
LABEL_BREAK = "\x1f"
#: The name of the rows that take what has no row of its own.
OVERFLOW = b"overflow"
#: The label of requests that no route took; no route can be called so.
NOWHERE = b"-"
#: The only labels a metric may have, so that series stay few and dashboards alike.
LABELS = {
    "listener", "route", "upstream", "endpoint", "method", "status_class", "reason", "policy",
    "worker", "side",
}  # fmt: skip
#: Cells of a row of the statistics segment; levels stand from COUNTERS on.
CELLS, COUNTERS = 48, 40
_NAME = re.compile(r"fastgw_[a-z]+(_[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and the cells of its row that it is kept in."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    #: First cell, counted from the row's.
    at: int
    cells: int
    #: What a cell's number is divided by to be shown.
    scale: int = 1
    #: (label, its values), a cell each; or None.
    split: tuple[str, tuple[str, ...]] | None = None
    #: Upper ends of the buckets, in what is counted; of a histogram.
    buckets: tuple[int, ...] = ()
    #: Copied once a second from counters that there are anyway.
    sampled: bool = False


@dataclass(frozen=True, slots=True)
class RowKind:
    """A kind of label row."""

    name: str
    number: int
    labels: tuple[str, ...]
    metrics: tuple[Metric, ...]

    #: Number of the crossing (ext/shm/statistics.pxd); 0 = rows of this kind are whole rows.
    crossing: int = 0


@cache
def read_catalogue() -> tuple[RowKind, ...]:
    """Every kind of row, in the order of their numbers; ValueError for a table that breaks
    the rules on top of it."""
    table = tomllib.loads(TABLE.read_text())
    kinds = tuple(_kind(number, row, table) for number, row in enumerate(table["row"]))
    names = [m.name for kind in kinds for m in kind.metrics]
    if len(set(names)) != len(names) or len(names) != len(table["metric"]):
        raise ValueError("metrics.toml: each metric stands in one row, under one name")
    return kinds


def kind_named(name: str) -> RowKind:
    """The kind of row of a name."""
    return next(kind for kind in read_catalogue() if kind.name == name)


def _kind(number: int, row: dict[str, Any], table: dict[str, Any]) -> RowKind:
    metrics: list[Metric] = []
    at, level_at = 0, COUNTERS
    for given in table["metric"]:
        if given["row"] != row["name"]:
            continue
        if given["type"] == "gauge":
            metrics.append(_metric(given, level_at, table))
            level_at += 1
        else:
            metrics.append(_metric(given, at, table))
            at += metrics[len(metrics) - 1].cells
    if at > COUNTERS or level_at > CELLS:
        raise ValueError(f"metrics.toml: row {row['name']}: more cells than a row has")
    labels = {*row["labels"], *(m.split[0] for m in metrics if m.split)}
    if not labels <= LABELS:
        raise ValueError(f"metrics.toml: row {row['name']}: labels {labels - LABELS}")
    return RowKind(
        row["name"], number, tuple(row["labels"]), tuple(metrics), row.get("crossing", 0)
    )


def _metric(given: dict[str, Any], at: int, table: dict[str, Any]) -> Metric:
    name, kind = given["name"], given["type"]
    if not _NAME.fullmatch(name) or kind not in TYPES:
        raise ValueError(f"metrics.toml: {name}: bad name or type")
    if (kind == "counter") != name.endswith("_total"):
        raise ValueError(f"metrics.toml: {name}: counters, and they alone, end in _total")
    buckets = tuple(table["buckets"][given["buckets"]]) if kind == "histogram" else ()
    split = None
    if "split" in given:
        split = (given["split"], tuple(table["splits"][given["split"]]))
    return Metric(
        name=name,
        type=kind,
        help=given["help"],
        at=at,
        cells=len(buckets) + 2 if buckets else len(split[1]) if split else 1,
        scale=given.get("scale", 1),
        split=split,
        buckets=buckets,
        sampled=given.get("sampled", False),
    )
