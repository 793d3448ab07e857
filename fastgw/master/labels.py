"""Which rows of the statistics a generation needs: what the master has to assign.

The names are those that workers look up (ext/record/metrics.pyx).
"""

from __future__ import annotations

from collections.abc import Iterator

from fastgw.ext.record.catalogue import LABEL_BREAK, NOWHERE, OVERFLOW
from fastgw.plan import PlanReader

#: Bytes of an endpoint's URL that its label has.
URL_BYTES = 256


def labels_of(plan: PlanReader, workers: int) -> Iterator[tuple[str, str]]:
    """(kind, name) of every row, those first that take what has no row of its own."""
    yield "route", NOWHERE.decode()
    for kind in ("route", "upstream", "endpoint"):
        yield kind, OVERFLOW.decode()
    for slot in range(workers):
        yield "worker", str(slot)
    for row in plan.rows("routes"):
        yield "route", plan.text(*row[0:2])
    for name, urls in upstreams_of(plan):
        yield "upstream", name
        for url in urls:
            yield "endpoint", f"{name}{LABEL_BREAK}{url}"


def upstreams_of(plan: PlanReader) -> Iterator[tuple[str, list[str]]]:
    """(name, URLs of its servers) of each upstream."""
    for row in plan.rows("objects"):
        if plan.text(*row[0:2]) == "http":
            servers = plan.options(*row[5:7]).get("servers", ())
            yield plan.text(*row[2:4]), [shown(str(server["url"])) for server in servers]


def shown(url: str) -> str:
    """A URL as the label has it."""
    return url.encode()[:URL_BYTES].decode("utf-8", "replace")
