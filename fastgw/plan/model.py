"""What a plan is built from: the configuration after every default and reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["enforce", "shadow", "off"]
KiB, MiB = 1024, 1024 * 1024
DEFAULT_MEMORY = 256 * MiB


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Milliseconds; 0 = no limit. What starts and stops each: ext/route/plan.pxd."""

    request_head: int = 10_000
    body_idle: int = 30_000
    connect: int = 2_000
    response_head: int = 30_000
    idle: int = 60_000
    request: int = 30_000
    keepalive: int = 75_000
    linger: int = 2_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the listeners: sizes in bytes; `requests` and `body` may be 0 = no limit."""

    head: int = 32 * KiB
    target: int = 8 * KiB
    fields: int = 100
    requests: int = 10_000
    body: int = 10 * MiB


@dataclass(frozen=True, slots=True)
class Listener:
    """An address that clients connect to: 127.0.0.1:80, :80, [::1]:80, unix:/path."""

    name: str
    address: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """A policy or target to be made by the builder of its kind. Name and kind are its
    identity; equal kind, name, options and timeout are one object, kept over reloads."""

    kind: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A policy in a route's chain."""

    policy: ObjectSpec
    mode: Mode = "enforce"
    on_failure: Literal["reject", "pass"] = "reject"
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """Requests that a route takes. `host`: exact, `*.suffix` or "" for every host; `path`
    "/orders" with `prefix` also takes what is below it, "" with `prefix` takes everything;
    no methods = every method, GET takes HEAD too."""

    path: str = ""
    prefix: bool = True
    host: str = ""
    methods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """`strip` is taken off the path's front, `prefix` put there instead; every path of the
    route begins with `strip`. Neither ends in a slash."""

    strip: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """Where matching requests go, through which policies."""

    name: str
    matches: tuple[Match, ...]
    target: ObjectSpec
    steps: tuple[Step, ...] = ()
    rewrite: Rewrite = Rewrite()
    allow: frozenset[str] = frozenset()
    timeouts: Timeouts = Timeouts()
    body_limit: int = 10 * MiB
    on_client_eof: Literal["cancel", "finish"] = "cancel"


@dataclass(frozen=True, slots=True)
class PlanModel:
    """A whole generation."""

    routes: tuple[Route, ...]
    listeners: tuple[Listener, ...] = ()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    memory: int = DEFAULT_MEMORY
    trusted_proxies: tuple[str, ...] = ()
    error_html: bool = True
    number: int = 1
