"""What may be written in a configuration: one source for checks, the JSON schema, the
reference in docs/configuration.md and the command line's help."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from fastgw.config.edge import AddressLimits, Passes, WrittenProxyProtocol
from fastgw.config.forms import Model, Name, OneOrMore, Short, Texts
from fastgw.config.limit_models import AllLimits, AllTimeouts
from fastgw.config.match_models import GroupMatch, WrittenMatch
from fastgw.config.node_models import Dns, WrittenAccessLog
from fastgw.config.policy_base import PolicyModel
from fastgw.config.policy_models import HeaderName, Health, PolicyEntry
from fastgw.config.tls import ListenTls
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

ErrorStatus = Annotated[int, Field(ge=400, le=599)]


class Listen(Model):
    """An address that clients connect to."""

    addr: str = Field(
        description="`ip:port`, `[v6]:port`, `:port` for every address, or `unix:/path`."
    )
    tls: ListenTls | None = Field(
        default=None, description="Certificates and rules; without it the listener is plain."
    )
    proxy_protocol: WrittenProxyProtocol | None = Field(
        default=None,
        description="A PROXY header comes first on each connection; taken from"
        " `trusted_proxies` alone, others are closed.",
    )
    client_address: HeaderName | None = Field(
        default=None,
        description="The header by which trusted proxies name the client: `X-Forwarded-For`,"
        " `Forwarded`, or one with a single address (`CF-Connecting-IP`). Nothing said: the"
        " first, or the second where the first is missing.",
    )
    per_address: AddressLimits | None = Field(
        default=None, description="Limits of connections for each client address."
    )
    passthrough: Passes | None = Field(
        default=None,
        description="Names (SNI, `*.example.com`, `*`) whose connections go to a server as they"
        " are, TLS and all. Others are the listener's own if it has `tls`, else closed.",
    )
    redirect: Annotated[str, Field(pattern=r"^https(:[0-9]{1,5})?\z")] | None = Field(
        default=None,
        description="`https`, or `https:PORT`: every request is redirected there, to the same"
        " host and path.",
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


class Substitution(Model):
    """A regular expression and what goes in place of what it finds first."""

    pattern: str = Field(min_length=1, description="RE2's syntax; looked for in the path.")
    to: str = Field(description=r"`\1` to `\9` are its groups, `\0` is all of it.")


class Rewrite(Model):
    """What the upstream gets as path: `strip_prefix` and `prefix`, or `path`, or `regex`."""

    strip_prefix: str | None = Field(
        default=None, description="Taken off the front, up to a segment's border."
    )
    prefix: str | None = Field(default=None, description="Put before the rest.")
    path: str | None = Field(
        default=None, description="The whole path; may hold variables: `/v2/{path.id}`."
    )
    regex: Substitution | None = Field(default=None, description="A replacement within the path.")
    location: Literal["map", "keep"] = Field(
        default="map",
        description="Whether Location, Content-Location, Refresh and the cookies' Path and"
        " Domain are turned back into what the client knows.",
    )
    forwarded_prefix: bool = Field(
        default=True, description="Whether X-Forwarded-Prefix says what was taken off."
    )


class SplitShare(Model):
    """A share of requests."""

    upstream: UpstreamOrName = Field(description="Where they go.")
    weight: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=1, description="Its share, of the sum of all; 0 for none just now."
    )


class Split(Model):
    """Requests divided between upstreams by the hash of a key."""

    to: Annotated[list[SplitShare], Field(min_length=2, max_length=64)] = Field(
        description="The shares."
    )
    key: str = Field(
        default="{client.ip}",
        description="Equal keys go the same way; may hold variables: `{cookie.session}`.",
    )


class ErrorPage(Model):
    """An answer in place of the gateway's own error document."""

    status: Annotated[list[ErrorStatus], Field(min_length=1), OneOrMore((int,))] | None = Field(
        default=None, description="Of these statuses. None said: of each."
    )
    reason: Texts | None = Field(
        default=None, description="For these reasons (docs/reasons.md). None said: for each."
    )
    body: str | None = Field(default=None, description="The content; may hold variables.")
    file: str | None = Field(
        default=None, description="A file that holds it, relative to the configuration's."
    )
    type: str = Field(default="text/html; charset=utf-8", description="Its Content-Type.")
    answer: ErrorStatus | None = Field(default=None, description="Another status for the answer.")

    @model_validator(mode="after")
    def check(self) -> ErrorPage:
        """One content."""
        if (self.body is None) == (self.file is None):
            raise PydanticCustomError("FGW507", "needs one of body and file")
        return self


class Errors(Model):
    """What clients see of errors."""

    pages: list[ErrorPage] = Field(default=[], description="The first that fits is used.")
    replace_upstream: Annotated[list[ErrorStatus], OneOrMore((int,))] = Field(
        default=[], description="Statuses of the upstream's own answers that get a page, too."
    )


class Forwarding(Scope):
    """What a group and a route may both say."""

    upstream: UpstreamOrName | None = Field(default=None, description="Where requests go.")
    split: Annotated[Split, Short("to", (list,), "the list of shares")] | None = Field(
        default=None, description="Several upstreams, each with a share."
    )
    host: str | None = Field(
        default=None, description="The Host that servers get: `keep`, `upstream`, or a name."
    )
    rewrite: Rewrite | None = Field(default=None, description="What the upstream gets as path.")
    allow_path: Annotated[list[PathAllow], OneOrMore()] | None = Field(
        default=None,
        description="What the path rule refuses elsewhere and this route takes on itself.",
    )
    errors: Errors | None = Field(default=None, description="What clients see of errors.")
    priority: Annotated[int, Field(ge=-1000, le=1000)] | None = Field(
        default=None,
        description="Decides between routes that ask for the same; the higher wins.",
    )


class Group(Forwarding):
    """What the routes that name it have in common."""

    match: GroupMatch = Field(
        default=GroupMatch(), description="Conditions of its routes that don't say otherwise."
    )


class Route(Forwarding):
    """Which requests, and what becomes of them."""

    match: WrittenMatch = Field(description="Which requests.")
    group: str | None = Field(default=None, description="The entry of `groups` that it belongs to.")
    health: Annotated[Health, Short("probe", shows="`ready` or `live`")] | None = Field(
        default=None, description="Answered by the gateway itself: is it ready, or alive?"
    )

    def given(self) -> dict[str, PolicyModel]:
        """The policies that are written here, by key; this one is a route's alone."""
        more = {} if self.health is None else {"health": self.health}
        return {**super().given(), **more}


class Defaults(Scope):
    """What holds for every route that does not say otherwise."""

    timeouts: AllTimeouts = Field(default=AllTimeouts(), description="How long each wait may take.")
    limits: AllLimits = Field(default=AllLimits(), description="How much is accepted.")
    errors: Errors | None = Field(default=None, description="What clients see of errors.")


class Config(Model):
    """A configuration file."""

    version: Literal[1] = Field(description="The version of this language: 1.")
    schema_: str | None = Field(
        default=None, alias="$schema", description="For editors: where `fastgw schema` was put."
    )
    include: Texts | None = Field(
        default=None,
        description="Further files, or patterns of them (`conf.d/*.yaml`), relative to this one."
        " They hold listen, upstreams, groups, policies and routes.",
    )
    listen: dict[Name, Annotated[Listen, Short("addr", shows="the address")]] = Field(
        default={},
        description="Addresses that clients connect to, by name. Nothing said: 127.0.0.1:8080.",
    )
    trusted_proxies: Annotated[list[str], OneOrMore()] = Field(
        default=[], description="Networks whose X-Forwarded-* fields are believed."
    )
    access_log: WrittenAccessLog | None = Field(
        default=None, description="A line for each request, and where it goes."
    )
    dns: Dns | None = Field(default=None, description="How host names of servers are looked up.")
    defaults: Defaults = Field(
        default=Defaults(), description="What holds for every route that does not say otherwise."
    )
    upstreams: dict[Name, WrittenUpstream] = Field(
        default={}, description="Servers that answer alike, by name."
    )
    groups: dict[Name, Group] = Field(
        default={}, description="What several routes have in common, by name."
    )
    policies: dict[Name, PolicyEntry] = Field(
        default={}, description="Policies that `policies` lists name; `{kind: options}` each."
    )
    routes: dict[Name, Route] = Field(
        default={}, description="Which requests go where. The order of the file plays no part."
    )


__all__ = ["Config", "Defaults", "Group", "Listen", "Route", "Upstream", "is_server"]
