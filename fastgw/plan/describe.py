"""A plan as text: `fastgw show --plan`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastgw.plan.layout import (
    CHECK_REST,
    CLIENT_EOF,
    EMPTY_SLOT,
    HOST_MODES,
    MODES,
    NOTHING,
    PATH_ALLOW,
    REWRITE_MAP_BACK,
    REWRITE_TELL,
    SECTIONS,
    TEST_OPS,
    TESTS,
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
        yield f"  allow_path: {_allow(row[17])}"
    for row in reader.rows("networks"):
        yield f"  trusted proxy: {reader.text(*row)}"


def _listeners(reader: PlanReader) -> Iterator[str]:
    yield "listeners:"
    for listener in reader.listeners():
        yield f"  {listener.name}: {listener.address} {json.dumps(dict(listener.options))}"


def _matcher(reader: PlanReader) -> Iterator[str]:
    used = sum(row[1] != EMPTY_SLOT for row in reader.rows("path_slots"))
    yield f"matches ({used} of {reader.count('path_slots')} path slots):"
    hosts = [(reader.text(*row[0:2]), row[3]) for row in reader.rows("hosts")]
    sets = [row[0] for row in reader.rows("sets")]
    candidates = _Candidates(reader)
    for row in reader.rows("paths"):
        host, at, n, first, exact_n, prefix_n, regex_n, number = row[1:]
        name, of = hosts[host]
        name = "*" + name if name.startswith(".") else name
        where = name + reader.text(at, n)
        for i in range(first, first + exact_n):
            yield f"  {where or '/'} {candidates.line(i)}"
        for i in range(first + exact_n, first + exact_n + prefix_n):
            yield f"  {where}/* {candidates.line(i)}"
        first += exact_n + prefix_n
        for i in range(regex_n):
            pattern = reader.text(*candidates.regexes[sets[of] + number + i])
            yield f"  {name}~{pattern} {candidates.line(first + i)}"


class _Candidates:
    """Candidates as text, with the tests and parameters that they have."""

    def __init__(self, reader: PlanReader) -> None:
        self.reader = reader
        self.names = [reader.text(*row[0:2]) for row in reader.rows("routes")]
        self.rows = list(reader.rows("candidates"))
        self.extras = list(reader.rows("extras"))
        self.tests = list(reader.rows("tests"))
        self.captures = list(reader.rows("captures"))
        self.regexes = list(reader.rows("regexes"))
        self.listeners = [listener.name for listener in reader.listeners()]

    def line(self, i: int) -> str:
        """One candidate."""
        route, extra, methods, checks, _ = self.rows[i]
        text = _methods(methods)
        if extra != NOTHING:
            tests, tests_n, captures, captures_n, _ = self.extras[extra]
            for row in self.tests[tests : tests + tests_n]:
                text += f" {self._test(*row)}"
            named = [self.reader.text(*row[0:2]) for row in self.captures[captures:][:captures_n]]
            text += f" {{{','.join(named)}}}" if named else ""
        return f"{text}{' (below)' if checks & CHECK_REST else ''} -> {self.names[route]}"

    def _test(self, kind: int, op: int, _id: int, regex: int, *rest: int) -> str:
        """One test: header x=1, query a~[0-9]+, cookie b, client (2 ranges)."""
        name, value = self.reader.text(*rest[0:2]), self.reader.text(*rest[2:4])
        what = TESTS[kind]
        if what == "client":
            return f"client ({rest[5]} ranges)"
        if what == "server_name":
            return f"server_name ({rest[5]} names)"
        if what == "listener":
            names = [name for i, name in enumerate(self.listeners) if rest[6] >> i & 1]
            return f"listener {'|'.join(names)}"
        if TEST_OPS[op] == "regex":
            return f"{what} {name}~{self.reader.text(*self.regexes[regex])}"
        return f"{what} {name}={value}" if TEST_OPS[op] == "exact" else f"{what} {name}"


def _methods(bits: int) -> str:
    return ",".join(method_names(bits)) or "*"


def _routes(reader: PlanReader) -> Iterator[str]:
    objects = [
        f"{reader.text(*row[0:2])} '{reader.text(*row[2:4])}'" for row in reader.rows("objects")
    ]
    targets = [row[0] for row in reader.rows("targets")]
    chains, steps = list(reader.rows("chains")), list(reader.rows("steps"))
    rewrites = list(reader.rows("rewrites"))
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
            yield f"  rewrite: {_rewrite(reader, rewrites[row[4]])}"
        if row[8]:
            yield f"  host: {HOST_MODES[row[8]]}{reader.text(*row[11:13])}"
        if row[13] != NOTHING:
            yield f"  error pages: object {row[13]}"
        if row[15]:
            statuses = [status for (status,) in reader.rows("statuses")]
            yield f"  replaced of the upstream's: {statuses[row[14] : row[14] + row[15]]}"
        yield (
            f"  methods: {_methods(row[6])} allow_path: {_allow(row[5])} "
            f"on_client_eof: {CLIENT_EOF[row[7]]} body: {row[24]} stat: {row[10]}"
        )
        if row[9]:
            yield "  limits: " + _pairs(("head", "target", "fields"), row[25:28])
        yield "  timeouts, ms: " + _pairs(_TIMEOUTS, row[16:24])


def _rewrite(reader: PlanReader, row: tuple[Any, ...]) -> str:
    """How the path is made."""
    if row[4] != NOTHING:
        return f"object {row[4]}"
    told = ", told upstream" if row[5] & REWRITE_TELL else ""
    back = ", answers mapped back" if row[5] & REWRITE_MAP_BACK else ""
    return f"strip '{reader.text(*row[0:2])}', prefix '{reader.text(*row[2:4])}'{told}{back}"


def _objects(reader: PlanReader) -> Iterator[str]:
    yield "objects:"
    for row in reader.rows("objects"):
        kind, name = reader.text(*row[0:2]), reader.text(*row[2:4])
        options = json.dumps(reader.options(*row[5:7]), sort_keys=True, default=_shown)
        yield f"  {kind} '{name}' {row[4].hex()[:12]}: {options}"


def _shown(value: object) -> str:
    """What JSON has no form for: bodies, and hashes of other objects."""
    return value.hex()[:12] if isinstance(value, bytes) else str(value)


def _stats(reader: PlanReader) -> Iterator[str]:
    yield "counters:"
    for i, row in enumerate(reader.rows("stats")):
        yield f"  {i}: {reader.text(*row[0:2])} {reader.text(*row[2:4])}"
