"""What may be written about clients and tunnels: PROXY headers, limits by address,
passthrough, WebSocket."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fastgw.config.forms import Model, OneOrMore, Short
from fastgw.config.policy_base import PolicyModel
from fastgw.config.units import CountOrNone, Duration, DurationOrNone, SizeOrNone

#: The PROXY header that a server gets; in the plan its number.
ProxyVersion = Literal["v1", "v2"]
PROXY_VERSIONS = {"v1": 1, "v2": 2}


class ProxyProtocol(Model):
    """A PROXY header (v1 or v2) comes first on each connection."""

    timeout: Duration = Field(default=5000, description="Accepted until the header is whole.")


class AddressLimits(Model):
    """Limits for each client address; those of `trusted_proxies` have none."""

    connections: CountOrNone = Field(default=0, description="Open connections at once.")
    per_second: CountOrNone = Field(default=0, description="New connections a second.")
    ipv6_prefix: Annotated[int, Field(ge=1, le=128)] = Field(
        default=64, description="Bits of an IPv6 address that count as one client."
    )
    addresses: Annotated[int, Field(ge=16, le=16_777_216)] = Field(
        default=65536,
        description="Addresses that are counted at once, rounded up to a power of two; when"
        " there are more, those that find no place are let through.",
    )


class Passthrough(Model):
    """Servers that get the connections of a name as they came, TLS and all."""

    servers: Annotated[list[str], Field(min_length=1), OneOrMore()] = Field(
        description="`tcp://host:port` or `unix:/path`; one after the other."
    )
    proxy_protocol: ProxyVersion | None = Field(
        default=None, description="The PROXY header that servers get first: `v1` or `v2`."
    )
    connect: Duration = Field(default=2000, description="Connecting to one of them.")
    idle: DurationOrNone = Field(default=3_600_000, description="No byte moves, either way.")


def proxy_form(value: Any) -> Any:
    """`true` asks for one with the usual time."""
    return {} if value else value


WrittenProxyProtocol = Annotated[
    ProxyProtocol, Short("proxy_protocol", (bool,), "`true`", proxy_form)
]

#: Names of a listener (SNI), and where their connections go.
Passes = dict[
    Annotated[str, Field(pattern=r"^(\*|(\*\.)?[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?)\z")],
    Annotated[Passthrough, Short("servers", (str, list), "a server, or a list of them")],
]


class Websocket(PolicyModel):
    """WebSocket (RFC 6455) is let through, with these limits."""

    origins: Annotated[list[str], Field(min_length=1), OneOrMore()] | None = Field(
        default=None,
        description="Pages that may open one: `https://example.com`, `https://*.example.com`,"
        " `same` (the host that was asked for), `*`. Nothing said: any.",
    )
    idle: DurationOrNone = Field(default=3_600_000, description="No byte moves, either way.")
    lifetime: DurationOrNone = Field(default=0, description="From its opening.")
    bytes: SizeOrNone = Field(default=0, description="Of both directions together.")
    ping: DurationOrNone = Field(
        default=0,
        description="The client was not heard for so long: it gets a ping; two of them"
        " unanswered end the tunnel.",
    )
    drain: Duration = Field(
        default=300_000, description="What a tunnel has left when its worker is to end."
    )
    close: Duration = Field(
        default=2000, description="From the close frames until the connections are closed."
    )


def websocket_form(value: Any) -> Any:
    """`true` lets it through with the usual limits, `false` does not, whatever is around."""
    return {} if value else {"mode": "off"}


WrittenWebsocket = Annotated[
    Websocket, Short("websocket", (bool,), "`true` or `false`", websocket_form)
]


def websocket_options(model: Websocket) -> dict[str, Any]:
    """The option map of the policy."""
    made = model.model_dump(mode="json", exclude=set(PolicyModel.model_fields))
    return {key: value for key, value in made.items() if value is not None}


def address_limits(model: AddressLimits) -> dict[str, int]:
    """The option map of a listener's limits by address."""
    return {
        "connections": model.connections,
        "per_second": model.per_second,
        "ipv6_prefix": model.ipv6_prefix,
        "rows": 1 << (model.addresses - 1).bit_length(),
    }
