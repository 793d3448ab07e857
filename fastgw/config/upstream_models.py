"""Upstreams as they are written: servers that answer alike, and how they are used."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fastgw.config.edge import ProxyVersion
from fastgw.config.forms import Model, OneOrMore, Short
from fastgw.config.limit_models import RouteLimits, RouteTimeouts
from fastgw.config.policy_models import PolicyScope
from fastgw.config.tls import UpstreamTls
from fastgw.config.units import CountOrNone, Duration, DurationOrNone


class Scope(PolicyScope):
    """What each of defaults, upstreams, groups and routes may say; the inner one wins, key
    by key."""

    timeout: DurationOrNone | None = Field(
        default=None, description="Short for `timeouts: {request: ...}`."
    )
    timeouts: RouteTimeouts = Field(
        default=RouteTimeouts(), description="How long each wait may take."
    )
    limits: RouteLimits = Field(default=RouteLimits(), description="How much is accepted.")
    on_client_eof: Literal["cancel", "finish"] | None = Field(
        default=None,
        description="Whether a request goes on (`finish`) when its client has closed its"
        " sending side after it.",
    )

    @model_validator(mode="after")
    def check_timeout(self) -> Self:
        """One way to say it."""
        if self.timeout is not None and self.timeouts.request is not None:
            raise PydanticCustomError("FGW005", "'timeout' and 'timeouts.request' are the same")
        return self


class Server(Model):
    """One server of an upstream."""

    url: str = Field(
        description="`http://host[:port]` or `unix:/path`. Names are looked up beside the"
        " traffic, as long as their TTL says."
    )
    weight: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=1, description="Its share among the servers."
    )


class Pool(Model):
    """Idle connections, of one worker to one address."""

    idle: Annotated[int, Field(ge=0, le=65536)] = Field(
        default=4096, description="How many are kept, if the worker's descriptors allow."
    )
    idle_timeout: Duration = Field(
        default=4000, description="How long; less than the server keeps them."
    )
    requests: CountOrNone = Field(default=0, description="Requests on one connection.")


class Upstream(Scope):
    """Servers that answer alike."""

    servers: Annotated[
        list[Annotated[Server, Short("url", shows="its URL")]],
        Field(min_length=1),
        OneOrMore((str, dict)),
    ] = Field(description="Where requests are sent to.")
    balance: Literal["round_robin"] = Field(
        default="round_robin", description="How a server is picked: in turn, by weight."
    )
    host: str = Field(
        default="keep",
        description="The Host that servers get: the client's (`keep`), the server's own name"
        " (`upstream`), or a name.",
    )
    pool: Pool = Field(default=Pool(), description="Idle connections.")
    tls: UpstreamTls = Field(default=UpstreamTls(), description="TLS to servers of `https://`.")
    proxy_protocol: ProxyVersion | None = Field(
        default=None,
        description="The PROXY header that plain servers get on each connection: `v1` or `v2`."
        " Such a connection carries one request.",
    )


def upstream_form(value: Any) -> Any:
    """A URL or a list of servers becomes an upstream; a name stays."""
    if isinstance(value, list) or (isinstance(value, str) and is_server(value)):
        return {"servers": value}
    return value


def is_server(text: str) -> bool:
    """Whether a text is meant as a server's address, not as a name."""
    return ":" in text or "/" in text


#: An upstream where only an upstream can stand.
WrittenUpstream = Annotated[
    Upstream, Short("servers", (str, list), "a server's URL, or a list of servers", upstream_form)
]
