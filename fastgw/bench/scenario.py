"""Scenarios: data in `scenarios/*.toml`, one file a group, one table a scenario."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from fastgw.bench import many_routes
from fastgw.bench.drive import Answer
from fastgw.bench.many_routes import UNIFORM
from fastgw.bench.messages import (
    FIELDS,
    JSON_BODY,
    answer,
    event_head,
    frame,
    handshake,
    pattern,
    request,
)
from fastgw.bench.spec import LoadSpec, Request, Tls

FOLDER = Path(__file__).resolve().parent / "scenarios"
HOST = "api.example.com"
#: Sizes of the answers that the origin can give, of one piece and of a chunk.
SIZES = (1024, 65536, 1048576)
CHUNK = 4096
EVENT_EVERY_MS = 20
MESSAGE = pattern(64)
#: Prefix that origins know and clients do not, and what names it in an answer's head.
BEHIND = "/v1"
LOCATED = [
    ("Location", f"{BEHIND}/orders/4711"),
    ("Set-Cookie", f"basket=b4711; Path={BEHIND}/orders; HttpOnly"),
]
#: Routes of a scenario with many that requests are spread over.
ASKED_ROUTES = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """What a scenario's subject must stay under.

    With `peer`: subject / peer by `metric`, at most `at_most` (or subject <= peer + `plus`).
    Without: the subject's figure itself."""

    at_most: float = 1.0
    peer: str = ""
    metric: str = "cpu_us"
    plus: float | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load on several contenders. Fields are those of the files; names say the unit."""

    name: str
    group: str
    title: str
    contenders: tuple[str, ...] = ("fastgw", "haproxy", "nginx", "envoy")
    subject: str = "fastgw"
    gateway: str = "plain"  # of gateways.toml, and of the files in bench/peers/
    needs: tuple[str, ...] = ()  # what is missing when fastgw refuses the gateway
    kind: str = "load"  # load | idle
    connections: int = 64
    busy: int = 0  # idle: further connections that are served beside those that are held
    rate: float = 0.0
    rate_of: str = ""  # contender whose top rate `rate` is a share of
    depth: int = 1
    new_connection: bool = False
    request: str = "curl"
    method: str = "GET"
    send_bytes: int = 0
    answer: str = "json"  # json | bytes/N | chunks/N | events | echo | located | any
    status: int = 200
    routes: int = 0
    tls: dict[str, Any] = field(default_factory=dict)
    beside: str = ""  # slow-readers
    during: str = ""  # reload
    workers: int = 1
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)  # by contender
    quick: bool = False  # part of the quick set
    bars: tuple[Bar, ...] = ()

    @property
    def target(self) -> str:
        """Request target, one that the origin knows."""
        return "/api/items/4711" if self.answer == "json" else f"/{self.answer}"

    @property
    def expected(self) -> bytes | None:
        """The body that must come; None: it has no end, or may be any."""
        kind, _, size = self.answer.partition("/")
        if kind in ("events", "any"):
            return None
        return pattern(int(size)) if size else JSON_BODY

    def requests(self, gateway: str = "") -> list[Request]:
        """What is sent, in turn; `gateway`: that of a contender, if not the scenario's."""
        if gateway.startswith(UNIFORM):
            return many_routes.requests(int(gateway.removeprefix(UNIFORM)))
        if self.answer == "echo":
            return [Request(frame(MESSAGE), MESSAGE)]
        targets = [self.target]
        if self.routes:
            step = max(1, self.routes // ASKED_ROUTES)
            targets = [f"/r{i}/items" for i in range(0, self.routes, step)][:ASKED_ROUTES]
        return [
            Request(
                request(
                    target,
                    HOST,
                    method=self.method,
                    fields=FIELDS[self.request],
                    body=pattern(self.send_bytes),
                    close=self.new_connection,
                ),
                self.expected,
                status=self.status,
            )
            for target in targets
        ]

    def load(
        self,
        port: int,
        rate: float | None = None,
        connections: int | None = None,
        gateway: str = "",
    ) -> LoadSpec:
        """The load on a contender that listens on `port`; `gateway` as for `requests`."""
        requests = self.requests(gateway)
        return LoadSpec(
            "127.0.0.1",
            port,
            requests,
            order=list(range(len(requests))),
            connections=connections or self.connections,
            rate=self.rate if rate is None else rate,
            depth=self.depth,
            new_connection=self.new_connection,
            tls=Tls(HOST, verify=False, **self.tls) if self.uses_tls else None,
            upgrade=handshake("/echo", HOST) if self.answer == "echo" else b"",
            events=self.answer == "events",
        )

    def as_seen_by(self, label: str) -> Scenario:
        """The scenario with what is different in the load of this contender."""
        return replace(self, **self.variants.get(label, {}))

    @property
    def uses_tls(self) -> bool:
        """Whether clients speak TLS."""
        return bool(self.tls) or self.gateway.startswith("tls")


def origin_answers() -> list[Answer]:
    """Every answer that a scenario can ask the origin for."""
    made = [Answer("/", "bytes", answer(JSON_BODY))]
    for size in SIZES:
        made.append(Answer(f"/bytes/{size}", "bytes", answer(pattern(size))))
        made.append(Answer(f"/chunks/{size}", "bytes", answer(pattern(size), chunk=CHUNK)))
    made.append(Answer(f"{BEHIND}/located", "bytes", answer(JSON_BODY, fields=LOCATED)))
    made.append(Answer("/events", "events", event_head(), EVENT_EVERY_MS * 1_000_000))
    made.append(Answer("/echo", "echo"))
    return made


def _scenario(name: str, group: str, table: dict[str, Any]) -> Scenario:
    known = {f.name for f in fields(Scenario)}
    if unknown := set(table) - known:
        raise ValueError(f"{group}.toml: {name}: {sorted(unknown)[0]!r} is no key of a scenario")
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    given["bars"] = tuple(Bar(**bar) for bar in table.get("bars", ()))
    return Scenario(name=name, group=group, **given)


@cache
def scenarios() -> dict[str, Scenario]:
    """Every scenario by name, in the order of the files."""
    found = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for name, table in tomllib.loads(path.read_text()).items():
            found[name] = _scenario(name, path.stem.partition("-")[2], table)
    return found


def chosen(names: Sequence[str]) -> list[Scenario]:
    """Scenarios by their names or their groups' names, `quick` or `all`. ValueError names what
    there is when one is unknown."""
    known, found = scenarios(), {}
    for name in names:
        fits = [
            s
            for s in known.values()
            if name in (s.name, s.group, "all") or (name == "quick" and s.quick)
        ]
        if not fits:
            groups = dict.fromkeys(s.group for s in known.values())
            raise ValueError(
                f"no scenario {name!r}; groups: {', '.join(groups)}; scenarios: {', '.join(known)}"
            )
        found.update({s.name: s for s in fits})
    return list(found.values())
