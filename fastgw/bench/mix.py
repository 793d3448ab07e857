"""Mixes: several kinds of request in given shares, from a TOML file.

[[request]]
weight = 9
path = "/items/4711"

[[request]]
weight = 1
method = "POST"
path = "/items"
headers = {Content-Type = "application/json"}
body = '{"name": "widget"}'
status = 201
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from fastgw.bench.messages import FIELDS, request
from fastgw.bench.spec import Request

KEYS = {"weight", "method", "path", "host", "headers", "body", "status"}
MOST_WEIGHT = 10_000


def read_mix(path: Path, authority: str) -> tuple[list[Request], list[int]]:
    """(requests, order of sending). ValueError names the entry and what is wrong with it."""
    try:
        found = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as e:
        raise ValueError(f"{path}: {e}") from None
    entries = found.get("request")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path}: no [[request]] in it")
    requests, weights = [], []
    for number, entry in enumerate(entries, 1):
        try:
            requests.append(_request(entry, authority))
            weights.append(_weight(entry.get("weight", 1)))
        except (ValueError, TypeError) as e:
            raise ValueError(f"{path}: request {number}: {e}") from None
    return requests, spread_out(weights)


def _request(entry: dict[str, Any], authority: str) -> Request:
    if unknown := set(entry) - KEYS:
        raise ValueError(f"{sorted(unknown)[0]!r} is none of {', '.join(sorted(KEYS))}")
    if not str(entry.get("path", "")).startswith("/"):
        raise ValueError("a path begins with /")
    method = entry.get("method", "GET")
    fields = [*FIELDS["curl"], *((k, str(v)) for k, v in entry.get("headers", {}).items())]
    body = str(entry.get("body", "")).encode()
    data = request(
        entry["path"], entry.get("host", authority), method=method, fields=fields, body=body
    )
    return Request(data, status=int(entry.get("status", 0)), no_body=method == "HEAD")


def _weight(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= MOST_WEIGHT:
        raise ValueError(f"weight {value!r} is no number from 1 to {MOST_WEIGHT}")
    return value


def spread_out(weights: list[int]) -> list[int]:
    """An order in which each index comes as often as its weight says, as evenly as can be."""
    order, credit, total = [], [0] * len(weights), sum(weights)
    for _ in range(total):
        credit = [c + w for c, w in zip(credit, weights, strict=True)]
        chosen = credit.index(max(credit))
        credit[chosen] -= total
        order.append(chosen)
    return order
