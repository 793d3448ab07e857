"""build_plan: the bytes that `ext/route/plan.pxd` describes."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from operator import attrgetter
from struct import Struct
from zlib import crc32

from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.node import KIND
from fastgw.plan.layout import (
    ALIGN,
    CHAIN,
    CLIENT_EOF,
    HEADER,
    HOST_MODES,
    LAYOUT,
    LISTENER,
    MAGIC,
    MODES,
    NOTHING,
    OBJECT,
    PATH_ALLOW,
    REWRITE,
    REWRITE_MAP_BACK,
    REWRITE_TELL,
    ROUTE,
    SECTION,
    SECTIONS,
    SETTINGS,
    STAT,
    STATUS,
    STEP,
    TARGET,
    TEXT,
    method_bits,
)
from fastgw.plan.matcher_rows import MatcherRows
from fastgw.plan.model import (
    ErrorPage,
    Limits,
    Listener,
    ObjectSpec,
    PlanModel,
    Rewrite,
    Route,
    Split,
    Step,
    Timeouts,
)
from fastgw.plan.packing import pack
from fastgw.plan.ties import TieError, find_ties

_NO_REWRITE = Rewrite()
_TIMEOUTS = attrgetter(*Timeouts.__slots__)


def build_plan(model: PlanModel) -> bytes:
    """The plan of a model. The same model gives the same bytes. TieError when routes tie,
    PlanError for what a plan can't say."""
    if ties := find_ties(model.routes):
        raise TieError(ties)
    return _Writer(model).plan()


def pack_limits(limits: Limits) -> tuple[int, ...]:
    """In the order of the row."""
    return limits.head, limits.target, limits.fields, limits.requests, limits.body


def pack_timeouts(timeouts: Timeouts) -> tuple[int, ...]:
    """In the order of the row."""
    numbers: tuple[int, ...] = _TIMEOUTS(timeouts)
    return numbers


def allow_bits(names: Iterable[str]) -> int:
    """A bit per name of PATH_ALLOW."""
    return sum(1 << PATH_ALLOW.index(name) for name in names)


def seal(body: list[tuple[bytes, int]], number: int) -> bytes:
    """Header and table of sections before the sections (bytes, rows)."""
    at = HEADER.size + SECTION.size * len(SECTIONS)
    parts = [bytes(-at % ALIGN)]
    at += len(parts[0])
    table = b""
    for i, ((data, count), row) in enumerate(zip(body, SECTIONS.values(), strict=True)):
        table += SECTION.pack(at, count, row.size, i)
        parts += [data, bytes(-len(data) % ALIGN)]
        at += len(data) + len(parts[-1])
    header = HEADER.pack(MAGIC, LAYOUT, len(SECTIONS), at, number, 0, 0)
    return checksummed(b"".join((header, table, *parts)))


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
        #: Sections that are not lists of rows.
        self.packed: dict[str, bytes] = {}
        self._texts: dict[str, tuple[int, int]] = {}
        self._objects: dict[bytes, int] = {}
        # By identity, with the spec itself: one that is gone would leave its identity to the next.
        self._specs: dict[tuple[int, int], tuple[ObjectSpec, int]] = {}
        self._targets: dict[int, int] = {}
        self._hashes: list[bytes] = []
        self._chains: dict[tuple[bytes, ...], int] = {}
        self._chain_of: dict[int, int] = {}
        self._rewrites: dict[Rewrite, int] = {_NO_REWRITE: -1}
        self._pages: dict[tuple[ErrorPage, ...], int] = {(): NOTHING}
        self._statuses: dict[frozenset[int], tuple[int, int]] = {frozenset(): (0, 0)}
        self._splits: dict[int, ObjectSpec] = {}
        self._stats: dict[tuple[str, str], int] = {}

    def plan(self) -> bytes:
        """Lay everything out."""
        if self.model.node:
            self.object(ObjectSpec(KIND, "", self.model.node))
        for route in self.model.routes:
            self.rows["routes"].append(self.route(route))
        labels = self.matcher()
        self.listeners()
        self.rows["networks"] = [TEXT.pack(*self.text(t)) for t in self.model.trusted_proxies]
        self.rows["settings"] = [self.settings(labels)]
        body = []
        self.packed["strings"], self.packed["data"] = bytes(self.strings), bytes(self.data)
        for name, row in SECTIONS.items():
            packed = self.packed[name] if name in self.packed else b"".join(self.rows[name])
            body.append((packed, len(packed) // row.size))
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
            return seen[1]
        options = pack(spec.options)
        identity = pack([spec.kind, spec.name, timeout_ms])
        key = blake2b(identity + options, digest_size=16).digest()
        if key not in self._objects:
            self._hashes.append(key)
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
        self._specs[id(spec), timeout_ms] = spec, self._objects[key]
        return self._objects[key]

    def stat(self, kind: str, name: str) -> int:
        """The row of the counters of something."""
        if (kind, name) not in self._stats:
            self._stats[kind, name] = self.append("stats", STAT, *self.text(kind), *self.text(name))
        return self._stats[kind, name]

    def target(self, spec: ObjectSpec | Split) -> int:
        """The index of a target; its servers get counters."""
        if isinstance(spec, Split):
            spec = self.split(spec)
        index = self.object(spec)
        if index not in self._targets:
            self._targets[index] = self.append("targets", TARGET, index)
            for server in spec.options.get("servers", ()):
                self.stat("endpoint", f"{spec.name} {server['url']}")
        return self._targets[index]

    def split(self, split: Split) -> ObjectSpec:
        """A split as an object that names its parts by their content's hash; they are
        targets of their own before it."""
        seen = self._splits.get(id(split))
        if seen is None:
            parts = []
            for part in split.parts:
                self.target(part.target)
                parts.append(
                    {"object": self._hashes[self.object(part.target)], "weight": part.weight}
                )
            seen = ObjectSpec("split", split.name, {"key": split.key, "parts": parts})
            self._splits[id(split)] = seen
        return seen

    def chain(self, steps: tuple[Step, ...]) -> int:
        """The index of a chain; routes with equal steps share it."""
        if id(steps) not in self._chain_of:
            self._chain_of[id(steps)] = self.new_chain(steps)
        return self._chain_of[id(steps)]

    def new_chain(self, steps: tuple[Step, ...]) -> int:
        """The same, for steps that were not seen yet."""
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
        """The index of a rewrite, -1 for one that leaves the path as it is."""
        if rewrite not in self._rewrites:
            self._rewrites[rewrite] = self.new_rewrite(rewrite)
        return self._rewrites[rewrite]

    def new_rewrite(self, rewrite: Rewrite) -> int:
        """The same, for one that was not seen yet."""
        strip, prefix = rewrite.strip, rewrite.prefix
        ways = bool(strip or prefix) + bool(rewrite.path) + bool(rewrite.regex)
        if ways > 1:
            raise PlanError("a rewrite has a prefix, a path or a regex, not several of them")
        if ways == 0:
            return -1
        if strip.endswith("/") or prefix.endswith("/"):
            raise PlanError(f"a rewrite ends in a slash: '{strip}' -> '{prefix}'")
        made = NOTHING
        if rewrite.path:
            made = self.object(ObjectSpec("rewrite", "", {"path": rewrite.path}))
        elif rewrite.regex:
            options = {"regex": rewrite.regex, "substitution": rewrite.substitution}
            made = self.object(ObjectSpec("rewrite", "", options))
        flags = REWRITE_MAP_BACK * (made == NOTHING and rewrite.map_back)
        flags |= REWRITE_TELL * (bool(strip) and rewrite.forwarded_prefix)
        return self.append("rewrites", REWRITE, *self.text(strip), *self.text(prefix), made, flags)

    def pages(self, pages: tuple[ErrorPage, ...]) -> int:
        """The index of the object of some error pages."""
        if pages not in self._pages:
            options = [
                {
                    "body": page.body,
                    "statuses": sorted(page.statuses),
                    "reasons": sorted(page.reasons),
                    "content_type": page.content_type,
                    "status": page.status,
                }
                for page in pages
            ]
            self._pages[pages] = self.object(ObjectSpec("error_pages", "", {"pages": options}))
        return self._pages[pages]

    def statuses(self, statuses: frozenset[int]) -> tuple[int, int]:
        """The run of some statuses."""
        if statuses not in self._statuses:
            first = len(self.rows["statuses"])
            for status in sorted(statuses):
                self.append("statuses", STATUS, status)
            self._statuses[statuses] = first, len(statuses)
        return self._statuses[statuses]

    # -- sections ------------------------------------------------------------------------

    def route(self, route: Route) -> bytes:
        """A route's row. Its paths must all begin with what its rewrite takes off."""
        strip = route.rewrite.strip
        methods = 0
        for match in route.matches:
            if strip and match.path != strip and not match.path.startswith(strip + "/"):
                raise PlanError(f"route {route.name}: '{match.path}' is not below '{strip}'")
        if all(match.methods for match in route.matches):
            methods = method_bits(frozenset().union(*(m.methods for m in route.matches)))
        host = route.rewrite.host
        return ROUTE.pack(
            *self.text(route.name),
            self.target(route.target),
            self.chain(route.steps),
            self.rewrite(route.rewrite),
            allow_bits(route.allow),
            methods,
            CLIENT_EOF.index(route.on_client_eof),
            HOST_MODES.index("=" if host.startswith("=") else host),
            bool(route.head_limit or route.target_limit or route.fields_limit),
            self.stat("route", route.name),
            *self.text(host.removeprefix("=") if host.startswith("=") else ""),
            self.pages(route.error_pages),
            *self.statuses(route.replace_upstream),
            *pack_timeouts(route.timeouts),
            route.body_limit,
            route.head_limit,
            route.target_limit,
            route.fields_limit,
        )

    def matcher(self) -> int:
        """Hosts, paths, candidates and their slots; a bit per number of labels that some
        wildcard has."""
        # Compiled, so that the slots are hashed as the matcher hashes; readers need none.
        from fastgw.ext.route.slots import fill_hosts, fill_paths

        listeners = [listener.name for listener in self.model.listeners]
        made = MatcherRows(self.model.routes, listeners, self.text)
        self.rows.update(made.rows)
        strings = bytes(self.strings)
        self.packed["host_slots"] = fill_hosts(b"".join(made.rows["hosts"]), strings)
        self.packed["path_slots"] = fill_paths(
            b"".join(made.rows["paths"]), b"".join(made.rows["candidates"]), strings
        )
        return made.tables.wildcard_labels

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
                self.forced(listener),
            )
            self.data += options

    def forced(self, listener: Listener) -> int:
        """The route that takes every request of a listener."""
        if not listener.route:
            return NOTHING
        for i, route in enumerate(self.model.routes):
            if route.name == listener.route:
                return i
        raise PlanError(f"listener {listener.name}: there is no route '{listener.route}'")

    def settings(self, wildcard_labels: int) -> bytes:
        """What is said once."""
        allow = 0
        for route in self.model.routes:
            allow |= allow_bits(route.allow)
        return SETTINGS.pack(
            *pack_limits(self.model.limits),
            *pack_timeouts(self.model.timeouts),
            self.model.memory,
            self.pages(self.model.error_pages),
            any(listener.route for listener in self.model.listeners),
            wildcard_labels,
            allow,
            self.model.error_html,
        )
