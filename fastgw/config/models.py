"""What may be written in a configuration: one source for checks and the JSON schema.

Short forms become long ones before a model looks at them (`upstream: http://a:80` is
`upstream: {servers: [{url: http://a:80}]}`), so that each thing has one shape afterwards.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

from fastgw.config.policy_models import Model, PolicyEntry, PolicyScope, listed
from fastgw.config.tls import ListenTls, UpstreamTls
from fastgw.config.units import (
    CountOrNone,
    Duration,
    DurationOrNone,
    Size,
    SizeOrNone,
)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}\z")]
PathAllow = Literal[
    "encoded_slash",
    "encoded_backslash",
    "backslash",
    "nul",
    "invalid_escape",
    "double_encoding",
    "dot_params",
]


def wrapped(key: str, *kinds: type) -> BeforeValidator:
    """A short form of one of the `kinds` is {key: it}."""
    return BeforeValidator(lambda v: {key: v} if isinstance(v, kinds) else v)


Texts = Annotated[list[str], BeforeValidator(listed), Field(min_length=1)]


# -- timeouts and limits -------------------------------------------------------------------


class UpstreamTimeouts(Model):
    """Of attempts; docs/server-behaviour.md says what starts and stops each."""

    connect: Duration | None = None
    response_head: DurationOrNone | None = None
    idle: DurationOrNone | None = None


class RouteTimeouts(UpstreamTimeouts):
    """Of exchanges, once the route is known."""

    body_idle: DurationOrNone | None = None
    request: DurationOrNone | None = None
    linger: Duration | None = None


class AllTimeouts(RouteTimeouts):
    """With those of connections, which have no route."""

    request_head: Duration | None = None
    keepalive: Duration | None = None


class RouteLimits(Model):
    """Of exchanges, once the route is known."""

    body: SizeOrNone | None = None


class AllLimits(RouteLimits):
    """With those of heads, connections and workers."""

    head: Annotated[Size, Field(ge=1024, le=256 * 1024)] | None = None
    target: Annotated[Size, Field(ge=256, le=64 * 1024)] | None = None
    fields: Annotated[int, Field(ge=8, le=1000)] | None = None
    requests: CountOrNone | None = None
    memory: Annotated[Size, Field(ge=16 * 1024 * 1024)] | None = None


# -- listeners, upstreams, routes ----------------------------------------------------------


class Listen(Model):
    """An address that clients connect to."""

    addr: str
    tls: ListenTls | None = None


class Server(Model):
    """One server of an upstream."""

    url: str
    weight: Annotated[int, Field(ge=1, le=65535)] = 1


class Pool(Model):
    """Idle connections, of one worker to one address."""

    idle: Annotated[int, Field(ge=0, le=65536)] = 256
    idle_timeout: Duration = 4000
    requests: CountOrNone = 0


class Upstream(Model):
    """Servers that answer alike."""

    servers: Annotated[
        list[Annotated[Server, wrapped("url", str)]], BeforeValidator(listed), Field(min_length=1)
    ]
    balance: Literal["round_robin"] = "round_robin"
    host: str = "keep"
    timeouts: UpstreamTimeouts = UpstreamTimeouts()
    pool: Pool = Pool()
    tls: UpstreamTls = UpstreamTls()


def upstream_form(value: Any) -> Any:
    """A URL or a list of servers becomes an upstream; a name stays."""
    if isinstance(value, list) or (isinstance(value, str) and is_server(value)):
        return {"servers": value}
    return value


def is_server(text: str) -> bool:
    """Whether a text is meant as a server's address, not as a name."""
    return ":" in text or "/" in text


UpstreamOrName = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[Upstream, Tag("<upstream>")],
    Discriminator(lambda v: "<name>" if isinstance(v, str) else "<upstream>"),
    BeforeValidator(upstream_form),
]


class RouteMatch(Model):
    """Which requests: `host/path` in short, else lists of which one must fit each."""

    short: str | None = None
    host: Texts | None = None
    path: Texts | None = None
    method: Texts | None = None


class RewritePath(Model):
    """What the upstream gets as path."""

    strip_prefix: str | None = None
    prefix: str | None = None


class Route(PolicyScope):
    """Where matching requests go, through which policies."""

    match: Annotated[RouteMatch, wrapped("short", str)]
    upstream: UpstreamOrName | None = None
    rewrite: RewritePath | None = None
    allow_path: Annotated[list[PathAllow], BeforeValidator(listed)] = Field(default_factory=list)
    timeouts: RouteTimeouts = RouteTimeouts()
    limits: RouteLimits = RouteLimits()
    on_client_eof: Literal["cancel", "finish"] | None = None


class Defaults(PolicyScope):
    """What holds for every route that does not say otherwise."""

    timeouts: AllTimeouts = AllTimeouts()
    limits: AllLimits = AllLimits()
    on_client_eof: Literal["cancel", "finish"] | None = None


class Config(Model):
    """A configuration file."""

    version: Literal[1]
    listen: dict[Name, Annotated[Listen, wrapped("addr", str)]] = Field(default_factory=dict)
    trusted_proxies: Annotated[list[str], BeforeValidator(listed)] = Field(default_factory=list)
    defaults: Defaults = Defaults()
    upstreams: dict[Name, Annotated[Upstream, BeforeValidator(upstream_form)]] = Field(
        default_factory=dict
    )
    policies: dict[Name, PolicyEntry] = Field(default_factory=dict)
    routes: dict[Name, Route] = Field(default_factory=dict)
