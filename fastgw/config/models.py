"""What may be written in a configuration: one source for checks, the JSON schema, the
reference in docs/configuration.md and the command line's help."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from fastgw.config.forms import Model, Name, OneOrMore, Short, Texts
from fastgw.config.limit_models import AllLimits, AllTimeouts
from fastgw.config.match_models import GroupMatch, WrittenMatch
from fastgw.config.policy_models import PolicyEntry
from fastgw.config.upstream_models import Scope, Upstream, WrittenUpstream, is_server, upstream_form

PathAllow = Literal[
    "encoded_slash",
    "encoded_backslash",
    "backslash",
    "nul",
    "invalid_escape",
    "double_encoding",
    "dot_params",
]


class Listen(Model):
    """An address that clients connect to."""

    addr: str = Field(
        description="`ip:port`, `[v6]:port`, `:port` for every address, or `unix:/path`."
    )


UpstreamOrName = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[Upstream, Tag("<upstream>")],
    Discriminator(lambda v: "<name>" if isinstance(v, str) else "<upstream>"),
    Short(
        "servers",
        (str, list),
        "a name of `upstreams`, a server's URL, or a list of servers",
        upstream_form,
    ),
]


class Rewrite(Model):
    """What the upstream gets as path."""

    strip_prefix: str | None = Field(
        None, description="Taken off the front, up to a segment's border."
    )
    prefix: str | None = Field(None, description="Put before the rest.")


class Forwarding(Scope):
    """What a group and a route may both say."""

    upstream: UpstreamOrName | None = Field(None, description="Where requests go.")
    rewrite: Rewrite | None = Field(None, description="What the upstream gets as path.")
    allow_path: Annotated[list[PathAllow], OneOrMore()] | None = Field(
        None,
        description="What the path rule refuses elsewhere and this route takes on itself.",
    )


class Group(Forwarding):
    """What the routes that name it have in common."""

    match: GroupMatch = Field(
        GroupMatch(), description="Conditions of its routes that don't say otherwise."
    )


class Route(Forwarding):
    """Which requests, and what becomes of them."""

    match: WrittenMatch = Field(description="Which requests.")
    group: str | None = Field(None, description="The entry of `groups` that it belongs to.")


class Defaults(Scope):
    """What holds for every route that does not say otherwise."""

    timeouts: AllTimeouts = Field(AllTimeouts(), description="How long each wait may take.")
    limits: AllLimits = Field(AllLimits(), description="How much is accepted.")


class Config(Model):
    """A configuration file."""

    version: Literal[1] = Field(description="The version of this language: 1.")
    include: Texts | None = Field(
        None,
        description="Further files, or patterns of them (`conf.d/*.yaml`), relative to this one."
        " They hold listen, upstreams, groups, policies and routes.",
    )
    listen: dict[Name, Annotated[Listen, Short("addr", shows="the address")]] = Field(
        {}, description="Addresses that clients connect to, by name. Nothing said: 127.0.0.1:8080."
    )
    trusted_proxies: Annotated[list[str], OneOrMore()] = Field(
        [], description="Networks whose X-Forwarded-* fields are believed."
    )
    defaults: Defaults = Field(
        Defaults(), description="What holds for every route that does not say otherwise."
    )
    upstreams: dict[Name, WrittenUpstream] = Field(
        {}, description="Servers that answer alike, by name."
    )
    groups: dict[Name, Group] = Field(
        {}, description="What several routes have in common, by name."
    )
    policies: dict[Name, PolicyEntry] = Field(
        {}, description="Policies that `policies` lists name; `{kind: options}` each."
    )
    routes: dict[Name, Route] = Field(
        {}, description="Which requests go where. The order of the file plays no part."
    )


__all__ = ["Config", "Defaults", "Group", "Listen", "Route", "Upstream", "is_server"]
