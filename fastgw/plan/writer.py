"""build_plan: the bytes that `ext/route/plan.pxd` describes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from hashlib import blake2b
from struct import Struct
from zlib import crc32

from fastgw.ext.route.errors import PlanError
from fastgw.plan.layout import (
    CANDIDATE,
    CHAIN,
    CLIENT_EOF,
    HEADER,
    HOST,
    LAYOUT,
    LISTENER,
    MAGIC,
    MODES,
    OBJECT,
    PATH,
    PATH_ALLOW,
    REWRITE,
    ROUTE,
    SECTION,
    SECTIONS,
    SETTINGS,
    SLOT,
    STAT,
    STEP,
    TARGET,
    TEXT,
    method_bits,
)
from fastgw.plan.matching import Tables, order_candidates
from fastgw.plan.model import Limits, ObjectSpec, PlanModel, Rewrite, Route, Step, Timeouts
from fastgw.plan.packing import pack


def build_plan(model: PlanModel) -> bytes:
    """The plan of a model. The same model gives the same bytes."""
    return _Writer(model).plan()


def pack_limits(limits: Limits) -> tuple[int, ...]:
    """In the order of the row."""
    return limits.head, limits.target, limits.fields, limits.requests, limits.body


def pack_timeouts(timeouts: Timeouts) -> tuple[int, ...]:
    """In the order of the row."""
    numbers: tuple[int, ...] = astuple(timeouts)
    return numbers


def allow_bits(names: Iterable[str]) -> int:
    """A bit per name of PATH_ALLOW."""
    return sum(1 << PATH_ALLOW.index(name) for name in names)


def seal(body: list[tuple[bytes, int]], number: int) -> bytes:
    """Header and table of sections before the sections (bytes, rows)."""
    at = HEADER.size + SECTION.size * len(SECTIONS)
    table, sections = b"", b""
    for i, ((data, count), row) in enumerate(zip(body, SECTIONS.values(), strict=True)):
        table += SECTION.pack(at, count, row.size, i)
        padded = data + bytes(-len(data) % 8)
        sections += padded
        at += len(padded)
    return checksummed(
        HEADER.pack(MAGIC, LAYOUT, len(SECTIONS), at, number, 0, 0) + table + sections
    )


def checksummed(plan: bytes) -> bytes:
    """The plan with the checksum of its bytes in its header."""
    magic, layout, sections, size, number, _, reserved = HEADER.unpack_from(plan)
    rest = plan[HEADER.size :]
    blank = HEADER.pack(magic, layout, sections, size, number, 0, reserved)
    crc = crc32(rest, crc32(blank))
    return HEADER.pack(magic, layout, sections, size, number, crc, reserved) + rest


class _Writer:
    """Interns texts, objects and chains while routes are laid out."""

    def __init__(self, model: PlanModel) -> None:
        self.model = model
        self.strings = bytearray()
        self.data = bytearray()
        self.rows: dict[str, list[bytes]] = {name: [] for name in SECTIONS}
        self._texts: dict[str, tuple[int, int]] = {}
        self._objects: dict[bytes, int] = {}
        self._specs: dict[tuple[int, int], int] = {}
        self._targets: dict[int, int] = {}
        self._chains: dict[tuple[bytes, ...], int] = {}
        self._rewrites: dict[tuple[str, str], int] = {}
        self._stats: dict[tuple[str, str], int] = {}

    def plan(self) -> bytes:
        """Lay everything out."""
        for route in self.model.routes:
            self.rows["routes"].append(self.route(route))
        tables = Tables(self.model.routes)
        self.matcher(tables)
        self.listeners()
        self.rows["networks"] = [TEXT.pack(*self.text(t)) for t in self.model.trusted_proxies]
        self.rows["settings"] = [self.settings(tables)]
        body = []
        for name in SECTIONS:
            raw = {"strings": self.strings, "data": self.data}.get(name)
            rows = self.rows[name]
            body.append((bytes(raw), len(raw)) if raw is not None else (b"".join(rows), len(rows)))
        return seal(body, self.model.number)

    # -- interned things -----------------------------------------------------------------

    def text(self, text: str) -> tuple[int, int]:
        """Offset and length of a text in the strings section."""
        if text not in self._texts:
            encoded = text.encode()
            self._texts[text] = (len(self.strings), len(encoded))
            self.strings += encoded
        return self._texts[text]

    def append(self, section: str, row: Struct, *values: object) -> int:
        """Append a row; its index."""
        self.rows[section].append(row.pack(*values))
        return len(self.rows[section]) - 1

    def object(self, spec: ObjectSpec, timeout_ms: int = 0) -> int:
        """The index of an object; equal ones are one."""
        seen = self._specs.get((id(spec), timeout_ms))
        if seen is not None:
            return seen
        options = pack(spec.options)
        identity = pack([spec.kind, spec.name, timeout_ms])
        key = blake2b(identity + options, digest_size=16).digest()
        if key not in self._objects:
            self._objects[key] = self.append(
                "objects",
                OBJECT,
                *self.text(spec.kind),
                *self.text(spec.name),
                key,
                len(self.data),
                len(options),
            )
            self.data += options
        self._specs[id(spec), timeout_ms] = self._objects[key]
        return self._objects[key]

    def stat(self, kind: str, name: str) -> int:
        """The row of the counters of something."""
        if (kind, name) not in self._stats:
            self._stats[kind, name] = self.append("stats", STAT, *self.text(kind), *self.text(name))
        return self._stats[kind, name]

    def target(self, spec: ObjectSpec) -> int:
        """The index of a target; its servers get counters."""
        index = self.object(spec)
        if index not in self._targets:
            self._targets[index] = self.append("targets", TARGET, index)
            for server in spec.options.get("servers", ()):
                self.stat("endpoint", f"{spec.name} {server['url']}")
        return self._targets[index]

    def chain(self, steps: tuple[Step, ...]) -> int:
        """The index of a chain; routes with equal steps share it."""
        packed = tuple(
            STEP.pack(
                self.object(s.policy, s.timeout_ms),
                MODES.index(s.mode),
                s.on_failure == "pass",
                s.timeout_ms,
            )
            for s in steps
        )
        if packed not in self._chains:
            first = len(self.rows["steps"])
            self.rows["steps"] += packed
            self._chains[packed] = self.append("chains", CHAIN, first, len(packed))
        return self._chains[packed]

    def rewrite(self, rewrite: Rewrite) -> int:
        """The index of a rewrite, -1 for one that changes nothing."""
        strip, prefix = rewrite.strip, rewrite.prefix
        if not strip and not prefix:
            return -1
        if strip.endswith("/") or prefix.endswith("/"):
            raise PlanError(f"a rewrite ends in a slash: '{strip}' -> '{prefix}'")
        if (strip, prefix) not in self._rewrites:
            self._rewrites[strip, prefix] = self.append(
                "rewrites", REWRITE, len(strip.encode()), *self.text(prefix)
            )
        return self._rewrites[strip, prefix]

    # -- sections ------------------------------------------------------------------------

    def route(self, route: Route) -> bytes:
        """A route's row. Its paths must all begin with what its rewrite takes off."""
        strip = route.rewrite.strip
        for match in route.matches:
            if match.path != strip and not match.path.startswith(strip + "/"):
                raise PlanError(f"route {route.name}: '{match.path}' is not below '{strip}'")
        methods = 0
        if all(match.methods for match in route.matches):
            methods = method_bits(frozenset().union(*(m.methods for m in route.matches)))
        return ROUTE.pack(
            *self.text(route.name),
            self.target(route.target),
            self.chain(route.steps),
            self.rewrite(route.rewrite),
            allow_bits(route.allow),
            methods,
            CLIENT_EOF.index(route.on_client_eof),
            self.stat("route", route.name),
            *pack_timeouts(route.timeouts),
            route.body_limit,
        )

    def matcher(self, tables: Tables) -> None:
        """Hosts, paths, candidates and their slots."""
        for host in tables.hosts:
            self.append("hosts", HOST, *self.text(host.name), host.exact_depths, host.prefix_depths)
        for node in tables.nodes:
            runs: list[int] = []
            for found in (node.exact, node.prefix):
                runs += [len(self.rows["candidates"]), len(found)]
                for candidate in order_candidates(found):
                    self.append("candidates", CANDIDATE, *candidate)
            self.append("paths", PATH, node.host, *self.text(node.path), *runs)
        for slot in tables.host_slots():
            self.append("host_slots", SLOT, *slot)
        for slot in tables.path_slots():
            self.append("path_slots", SLOT, *slot)

    def listeners(self) -> None:
        """Names and addresses, for the master."""
        for listener in self.model.listeners:
            options = pack(listener.options)
            self.append(
                "listeners",
                LISTENER,
                *self.text(listener.name),
                *self.text(listener.address),
                len(self.data),
                len(options),
            )
            self.data += options

    def settings(self, tables: Tables) -> bytes:
        """What is said once."""
        allow = 0
        for route in self.model.routes:
            allow |= allow_bits(route.allow)
        return SETTINGS.pack(
            *pack_limits(self.model.limits),
            *pack_timeouts(self.model.timeouts),
            self.model.memory,
            tables.wildcard_labels,
            allow,
            self.model.error_html,
        )
