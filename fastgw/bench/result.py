"""What a load found, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastgw.ext.load.histogram import Histogram
from fastgw.ext.load.load import Load

#: Key of a result -> share of the requests that were answered within that time.
QUANTILES = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999, "p9999_us": 0.9999}


def latencies(h: Histogram) -> dict[str, float]:
    """Mean, quantiles and maximum in microseconds."""
    found = {key: h.quantile(share) / 1e3 for key, share in QUANTILES.items()}
    return {"mean_us": h.mean / 1e3, **found, "max_us": h.most / 1e3}


def summary(loads: Sequence[Load], *, buckets: bool = False) -> dict[str, Any]:
    """What loads that ran at the same time found together.

    `rps` is right answers a second. `service` has the times from when requests were really
    sent, where that may differ from when they were due. With `buckets` the histogram is
    there too: [ns, count] pairs."""
    latency, service = Histogram(), Histogram()
    total: dict[str, Any] = {}
    for load in loads:
        latency.add(load.latency)
        service.add(load.service)
        for key, value in load.counted().items():
            both = total.get(key, 0)
            total[key] = max(both, value) if key == "seconds" else both + value
    total["rps"] = total["requests"] / total["seconds"] if total["seconds"] > 0 else 0.0
    total.update(latencies(latency))
    if service.total:
        total["service"] = latencies(service)
    if buckets:
        total["histogram"] = latency.buckets()
    return total
