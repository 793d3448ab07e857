"""The lines of the cost table (costs.toml): gateways that have one feature each.

Lines are in groups. All of a group are compared with the least gateway under the group's load,
which a line may change where its feature is in the load itself (TLS, bodies, WebSocket).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from textwrap import indent
from typing import Any

FILE = Path(__file__).resolve().parent / "costs.toml"
#: The gateway that forwards and does nothing else.
LEAST = "nothing"
_CONFIG = """version: 1
listen:
  main:
    addr: "127.0.0.1:@LISTEN@"
{listener}
upstreams:
  origin:
    servers: ["http://127.0.0.1:@ORIGIN@"]
{upstream}
routes:
@ROUTES@
{beside}
  all:
    match: {match}
{target}
{route}
{more}
"""
_CERTIFICATE = 'tls: {cert: "@DIR@/cert.pem", key: "@DIR@/key.pem"}'
_TARGET = "upstream: origin"


@dataclass(frozen=True, slots=True)
class CostLine:
    """One feature. Texts are YAML, put into the least configuration where their names say."""

    name: str
    title: str
    options: tuple[str, ...] = ()  # of the command line
    listener: str = ""
    tls: bool = False  # towards clients
    upstream: str = ""
    match: str = "/*"
    target: str = _TARGET  # of the route, in place of the upstream
    route: str = ""
    routes: int = 0  # further ones, that no request takes
    beside: str = ""  # a further route
    more: str = ""  # beside `routes`
    load: dict[str, Any] = field(default_factory=dict)  # keys of a scenario

    def config(self) -> str:
        """The configuration, with the places that `gateway.command` fills."""
        listener = f"{_CERTIFICATE}\n{self.listener}" if self.tls else self.listener
        return _CONFIG.format(
            listener=indent(listener, "    "),
            upstream=indent(self.upstream, "    "),
            beside=indent(self.beside, "  "),
            match=self.match,
            target=indent(self.target, "    "),
            route=indent(self.route, "    "),
            more=self.more,
        )


@dataclass(frozen=True, slots=True)
class CostGroup:
    """Lines that are measured together."""

    name: str
    title: str
    load: dict[str, Any]
    lines: tuple[CostLine, ...]


def _line(name: str, table: dict[str, Any]) -> CostLine:
    known = {f.name for f in fields(CostLine)}
    if unknown := set(table) - known:
        raise ValueError(f"costs.toml: {name}: {sorted(unknown)[0]!r} is no key of a line")
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    return CostLine(name=name, **given)


@cache
def groups() -> dict[str, CostGroup]:
    """The whole table, in the order of the file."""
    return {
        name: CostGroup(
            name,
            table["title"],
            table.get("load", {}),
            tuple(_line(k, v) for k, v in table["lines"].items()),
        )
        for name, table in tomllib.loads(FILE.read_text()).items()
    }


def line(name: str) -> CostLine:
    """A line by its name; KeyError when there is none."""
    if name == LEAST:
        return CostLine(LEAST, "forwarding alone")
    return {one.name: one for group in groups().values() for one in group.lines}[name]
