"""Targets: what the upstreams of routes become, made once and shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastgw.config.document import Document
from fastgw.config.edge import PROXY_VERSIONS
from fastgw.config.models import Config, Forwarding, Split, SplitShare
from fastgw.config.problems import Where, did_you_mean
from fastgw.config.rewrites import host_rule
from fastgw.config.scopes import Layer, timeouts
from fastgw.config.server_urls import Address, Lookups, ServerUrl, server_url
from fastgw.config.upstream_models import Scope, Server, Upstream
from fastgw.config.wrong import noted
from fastgw.ext.policy.template import Template
from fastgw.plan.model import ObjectSpec, SplitPart, Timeouts
from fastgw.plan.model import Split as PlanSplit

#: Addresses that one exchange may try.
MAX_TRIES = 3
#: What an upstream may say about the routes that use it.
_OF_ROUTES = frozenset(Scope.model_fields)


@dataclass(frozen=True, slots=True)
class Forward:
    """Where a route's requests go. `layer`: the upstream as a scope of that route."""

    target: ObjectSpec | PlanSplit
    layer: Layer | None = None


class Targets:
    """Every target of a configuration; what is wrong is noted in the document."""

    def __init__(
        self,
        document: Document,
        config: Config,
        broken: set[Where],
        defaults: tuple[Layer, ...],
        lookups: Lookups,
    ) -> None:
        self.document, self.config, self.broken = document, config, broken
        self.defaults, self.lookups = defaults, lookups
        self.servers: dict[Where, list[ServerUrl | None]] = {}
        self.made: dict[str, Forward | None] = {}
        self.used: set[str] = set()

    # -- before any route ----------------------------------------------------------------

    def resolve(self) -> None:
        """Take URLs apart, look up every host at the same time, make what is named."""
        for where, upstream in self.written():
            self.servers[where] = [
                noted(self.document, (*where, "servers", i, "url"), server_url, server.url)
                for i, server in enumerate(upstream.servers)
            ]
        every = [server for servers in self.servers.values() for server in servers]
        self.lookups.all(s.host for s in every if s and s.named)
        for name, upstream in self.config.upstreams.items():
            self.made[name] = self.forward(("upstreams", name), name, upstream)

    def written(self) -> Iterator[tuple[Where, Upstream]]:
        """Every upstream that is written out, wherever."""
        for name, upstream in self.config.upstreams.items():
            yield ("upstreams", name), upstream
        scopes: tuple[tuple[str, dict[str, Any]], ...] = (
            ("groups", dict(self.config.groups)),
            ("routes", dict(self.config.routes)),
        )
        for key, named in scopes:
            for name, scope in named.items():
                if isinstance(scope.upstream, Upstream):
                    yield (key, name, "upstream"), scope.upstream
                for i, share in enumerate(scope.split.to if scope.split else ()):
                    if isinstance(share.upstream, Upstream):
                        yield (key, name, "split", "to", i, "upstream"), share.upstream

    def forward(self, where: Where, name: str, upstream: Upstream) -> Forward | None:
        """A target of kind `http`; None when something about it is wrong."""
        host = noted(self.document, (*where, "host"), host_rule, upstream.host)
        found: list[tuple[ServerUrl, list[Address]]] = []
        for i, server in enumerate(self.servers[where]):
            if server is not None:
                at = (*where, "servers", i, "url")
                self.lookups.warn(self.document, at, server)
                found.append((server, self.lookups.addresses(server)))
        if host is None or len(found) != len(upstream.servers):
            return None
        layer = Layer(self.document, where, upstream)
        merged = timeouts((*self.defaults, layer))
        tls = None
        if any(server.tls for server, _ in found):
            tls = self.tls((*where, "tls"), upstream)
            if tls is None:
                return None
        made = options(name, upstream, host, found, merged, tls)
        if upstream.proxy_protocol is not None:
            made["send_proxy"] = PROXY_VERSIONS[upstream.proxy_protocol]
            if tls is not None:
                at = (*where, "proxy_protocol")
                self.document.problem("FGW007", at, "not to https:// servers in this version")
        return Forward(ObjectSpec("http", name, made), layer)

    def tls(self, where: Where, upstream: Upstream) -> dict[str, Any] | None:
        """TLS options of https servers; None when something about them is wrong."""
        # OpenSSL looks at certificates: only configurations with TLS load it.
        from fastgw.tls.upstream import upstream_options

        def say(at: Where, code: str, message: str) -> None:
            self.document.problem(code, (*where, *at), message)

        if upstream.tls.insecure_skip_verify:
            at = (*where, "insecure_skip_verify")
            self.document.warn("FGW406", at, "whoever answers is believed to be the upstream")
        return upstream_options(upstream.tls, Path(self.document.file).parent, say)

    # -- of a scope ----------------------------------------------------------------------

    def of(self, where: Where, scope: Forwarding) -> Forward | None:
        """The target of a group or route that says one; None when it is wrong."""
        if scope.upstream is not None and scope.split is not None:
            self.document.problem(
                "FGW109", (*where, "split"), "'upstream' is said as well; they exclude", key=True
            )
        if scope.split is not None:
            return self.split(where, scope.split)
        assert scope.upstream is not None
        return self.upstream((*where, "upstream"), str(where[1]), scope.upstream)

    def upstream(self, where: Where, name: str, upstream: Upstream | str) -> Forward | None:
        """One of `upstreams`, or one that is written here; `name` is for the latter."""
        if isinstance(upstream, str):
            return self.named(where, upstream)
        own = self.own_name(where, name, upstream)
        if own not in self.made:
            self.made[own] = self.forward(where, own, upstream)
        return self.made[own]

    def own_name(self, where: Where, name: str, upstream: Upstream) -> str:
        """A lone URL is named after its address, so that routes share its connections;
        anything more belongs to the route and bears its name."""
        servers = self.servers[where]
        lone = servers[0] if len(servers) == 1 else None
        plain = Upstream(servers=[Server(url=s.url) for s in upstream.servers])
        if lone is not None and upstream == plain:
            return lone.url.removeprefix("http://")
        if name in self.made:
            self.document.problem(
                "FGW106", where, f"'{name}' is the name of another upstream as well"
            )
        return name

    def named(self, where: Where, name: str) -> Forward | None:
        """An entry of `upstreams`."""
        self.used.add(name)
        if name in self.config.upstreams:
            return self.made[name]
        if not ({("upstreams", name), ("upstreams",)} & self.broken):
            self.document.problem(
                "FGW101",
                where,
                f"no upstream '{name}' in 'upstreams'" + did_you_mean(name, self.config.upstreams),
            )
        return None

    def split(self, where: Where, written: Split) -> Forward | None:
        """Requests divided between several."""
        parts = [self.part(where, i, share) for i, share in enumerate(written.to)]
        if sum(share.weight for share in written.to) == 0:
            self.document.problem("FGW109", (*where, "split"), "every weight is 0")
        try:
            Template(written.key)
        except ValueError as e:
            self.document.problem("FGW109", (*where, "split", "key"), str(e))
        found = tuple(part for part in parts if part is not None)
        if len(found) != len(parts):
            return None
        return Forward(PlanSplit(str(where[1]), found, written.key))

    def part(self, where: Where, i: int, share: SplitShare) -> SplitPart | None:
        """One share. What an upstream says about its routes can't hold for a part of one."""
        at = (*where, "split", "to", i, "upstream")
        forward = self.upstream(at, f"{where[1]}.{i}", share.upstream)
        if forward is None or forward.layer is None:
            return None
        said = sorted(forward.layer.scope.model_fields_set & _OF_ROUTES)
        if said:
            self.document.problem(
                "FGW109",
                at,
                f"'{said[0]}' of an upstream that is part of a split; say it in the route",
            )
        assert isinstance(forward.target, ObjectSpec)
        return SplitPart(forward.target, share.weight)


def options(
    name: str,
    upstream: Upstream,
    host: str,
    servers: list[tuple[ServerUrl, list[Address]]],
    merged: Timeouts,
    tls: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The option map of a target of kind `http`. Later parts of an upstream (health) add their
    key here."""
    secure = {"tls": tls} if tls else {}
    return secure | {
        "name": name,
        "servers": [
            {
                "url": server.url,
                "host": server.host,
                "port": server.port,
                "unix": server.unix,
                "weight": written.weight,
                "addresses": addresses,
                **({"named": True} if server.named else {}),
                **({"tls": True, "literal": bool(server.literal)} if server.tls else {}),
            }
            for (server, addresses), written in zip(servers, upstream.servers, strict=True)
        ],
        "balance": upstream.balance,
        "host": host,
        "timeouts": {
            "connect": merged.connect,
            "response_head": merged.response_head,
            "idle": merged.idle,
        },
        "pool": {
            "idle": upstream.pool.idle,
            "idle_ms": upstream.pool.idle_timeout,
            "requests": upstream.pool.requests,
        },
        "max_tries": MAX_TRIES,
    }
