"""A plan as text: `fastgw show --plan`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastgw.plan.layout import (
    CLIENT_EOF,
    EMPTY_SLOT,
    MODES,
    PATH_ALLOW,
    SECTIONS,
    method_names,
)
from fastgw.plan.reader import PlanReader

_TIMEOUTS = (
    "request_head",
    "body_idle",
    "connect",
    "response_head",
    "idle",
    "request",
    "keepalive",
    "linger",
)
_LIMITS = ("head", "target", "fields", "requests", "body")


def describe(plan: bytes | bytearray | memoryview) -> list[str]:
    """Lines that tell everything a plan says, section by section."""
    reader = PlanReader(plan)
    return [
        *_summary(reader),
        *_settings(reader),
        *_listeners(reader),
        *_matcher(reader),
        *_routes(reader),
        *_objects(reader),
        *_stats(reader),
    ]


def _pairs(names: tuple[str, ...], values: tuple[Any, ...]) -> str:
    return " ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))


def _allow(bits: int) -> str:
    return ",".join(name for i, name in enumerate(PATH_ALLOW) if bits >> i & 1) or "-"


def _summary(reader: PlanReader) -> Iterator[str]:
    yield f"plan: generation {reader.number}, {len(reader.plan)} bytes"
    for name in SECTIONS:
        yield f"  {name}: {reader.count(name)} rows, {reader.size(name)} bytes"


def _settings(reader: PlanReader) -> Iterator[str]:
    for row in reader.rows("settings"):
        yield "settings:"
        yield "  limits: " + _pairs(_LIMITS, row[0:5])
        yield "  timeouts, ms: " + _pairs(_TIMEOUTS, row[5:13])
        yield f"  memory: {row[13]}"
        yield f"  allow_path: {_allow(row[15])}"
    for row in reader.rows("networks"):
        yield f"  trusted proxy: {reader.text(*row)}"


def _listeners(reader: PlanReader) -> Iterator[str]:
    yield "listeners:"
    for listener in reader.listeners():
        yield f"  {listener.name}: {listener.address} {json.dumps(dict(listener.options))}"


def _route_names(reader: PlanReader) -> list[str]:
    return [reader.text(*row[0:2]) for row in reader.rows("routes")]


def _matcher(reader: PlanReader) -> Iterator[str]:
    hosts = [reader.text(*row[0:2]) for row in reader.rows("hosts")]
    names = _route_names(reader)
    candidates = list(reader.rows("candidates"))
    used = sum(row != EMPTY_SLOT for _, row in reader.rows("path_slots"))
    yield f"matches ({used} of {reader.count('path_slots')} path slots):"
    for host, at, n, exact, exact_n, prefix, prefix_n in reader.rows("paths"):
        name, path = hosts[host], reader.text(at, n)
        where = ("*" + name if name.startswith(".") else name) + path
        for methods, route in candidates[exact : exact + exact_n]:
            yield f"  {where or '/'} {_methods(methods)} -> {names[route]}"
        for methods, route in candidates[prefix : prefix + prefix_n]:
            yield f"  {where}/* {_methods(methods)} -> {names[route]}"


def _methods(bits: int) -> str:
    return ",".join(method_names(bits)) or "*"


def _routes(reader: PlanReader) -> Iterator[str]:
    objects = [
        f"{reader.text(*row[0:2])} '{reader.text(*row[2:4])}'" for row in reader.rows("objects")
    ]
    targets = [row[0] for row in reader.rows("targets")]
    chains, steps = list(reader.rows("chains")), list(reader.rows("steps"))
    rewrites = [(row[0], reader.text(*row[1:3])) for row in reader.rows("rewrites")]
    for row in reader.rows("routes"):
        yield f"route {reader.text(*row[0:2])}:"
        yield f"  target: {objects[targets[row[2]]]}"
        first, count = chains[row[3]]
        for policy, mode, passes, timeout_ms in steps[first : first + count]:
            yield (
                f"  policy: {objects[policy]} {MODES[mode]} "
                f"on_failure={'pass' if passes else 'reject'} timeout_ms={timeout_ms}"
            )
        if row[4] >= 0:
            strip, prefix = rewrites[row[4]]
            yield f"  rewrite: strip {strip} bytes, prefix '{prefix}'"
        yield (
            f"  methods: {_methods(row[6])} allow_path: {_allow(row[5])} "
            f"on_client_eof: {CLIENT_EOF[row[7]]} body: {row[17]} stat: {row[8]}"
        )
        yield "  timeouts, ms: " + _pairs(_TIMEOUTS, row[9:17])


def _objects(reader: PlanReader) -> Iterator[str]:
    yield "objects:"
    for row in reader.rows("objects"):
        kind, name = reader.text(*row[0:2]), reader.text(*row[2:4])
        options = json.dumps(reader.options(*row[5:7]), sort_keys=True)
        yield f"  {kind} '{name}' {row[4].hex()[:12]}: {options}"


def _stats(reader: PlanReader) -> Iterator[str]:
    yield "counters:"
    for i, row in enumerate(reader.rows("stats")):
        yield f"  {i}: {reader.text(*row[0:2])} {reader.text(*row[2:4])}"
