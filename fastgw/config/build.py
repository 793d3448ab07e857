"""From documents to the model of a plan, or to everything that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastgw.config.document import Document, Marks, read_file
from fastgw.config.listeners import DEFAULT_ADDRESS, listeners
from fastgw.config.matches import Taken, matches, noted, rewrite
from fastgw.config.models import Config, Route, Server, Upstream, UpstreamTimeouts
from fastgw.config.policies import ANSWERING, Check, Policies, networks
from fastgw.config.problems import ConfigError, Where, did_you_mean
from fastgw.config.scopes import limits, timeouts
from fastgw.config.upstreams import (
    Lookups,
    Resolver,
    ServerUrl,
    host_rule,
    options,
    parsed_servers,
    system_resolver,
)
from fastgw.config.validate import validate
from fastgw.plan.model import DEFAULT_MEMORY, Listener, Match, ObjectSpec, PlanModel
from fastgw.plan.model import Route as PlanRoute

COMMAND_LINE = "command line"
#: The one route of a gateway without a file.
DEFAULT_ROUTE = "all"


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What the command line says about the configuration, as text."""

    to: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()
    timeouts: dict[str, str] = field(default_factory=dict)
    limits: dict[str, str | int] = field(default_factory=dict)
    trusted_proxies: tuple[str, ...] = ()
    number: int = 1
    tls_cert: str = ""
    tls_key: str = ""

    def document(self) -> Document:
        """It all as a configuration of its own."""
        value: dict[str, Any] = {
            "version": 1,
            "defaults": {"timeouts": dict(self.timeouts), "limits": dict(self.limits)},
            "listen": {f"cli-{i}": self.listener(addr) for i, addr in enumerate(self.listen, 1)},
            "trusted_proxies": list(self.trusted_proxies),
        }
        if self.to:
            value["routes"] = {DEFAULT_ROUTE: {"match": "/*", "upstream": list(self.to)}}
        return Document(COMMAND_LINE, value, Marks(0, 0))

    def listener(self, text: str) -> str | dict[str, Any]:
        """A --listen: with https:// before its address it gets the certificate of --tls-cert."""
        if not text.startswith("https://"):
            return text
        tls = {"cert": self.tls_cert, "key": self.tls_key or None}
        return {"addr": text.removeprefix("https://"), "tls": tls if self.tls_cert else {}}


def build(
    file: Document | None,
    command_line: CommandLine,
    resolver: Resolver = system_resolver,
    check: Check | None = None,
) -> PlanModel:
    """The model of a plan; ConfigError names everything that is wrong. `check` tries to
    build each policy."""
    said = command_line.document()
    if file is not None and command_line.to:
        said.problem("FGW013", (), "either a file or --to, not both")
    told, _ = validate(said)
    main = said if file is None else file
    config, broken = (told, set()) if file is None else validate(file)
    found = None
    if config is not None and told is not None:
        policies = Policies(main, config, broken, check)
        builder = _Builder(main, said, config, told, broken, policies, Lookups(resolver))
        found = builder.plan(command_line.number)
    problems = [*main.problems, *(said.problems if main is not said else [])]
    if problems or found is None:
        raise ConfigError(problems)
    return found


def build_file(
    path: str, command_line: CommandLine = CommandLine(), resolver: Resolver = system_resolver
) -> PlanModel:
    """Like `build`, from a file's path."""
    return build(read_file(path), command_line, resolver)


@dataclass(frozen=True, slots=True)
class _Target:
    """An upstream that routes share."""

    spec: ObjectSpec
    timeouts: UpstreamTimeouts


class _Builder:
    """Checks across the parts of a configuration, and lowers them."""

    def __init__(
        self,
        document: Document,
        said: Document,
        config: Config,
        told: Config,
        broken: set[Where],
        policies: Policies,
        lookups: Lookups,
    ) -> None:
        self.document, self.said = document, said
        self.config, self.told, self.broken = config, told, broken
        self.defaults = (config.defaults.timeouts, told.defaults.timeouts)
        self.limits, self.memory = limits(config.defaults.limits, told.defaults.limits)
        self.policies, self.lookups = policies, lookups
        self.servers: dict[Where, list[ServerUrl | None]] = {}
        self.targets: dict[str, _Target | None] = {}
        self.taken = Taken()

    def plan(self, number: int) -> PlanModel:
        """Everything, with what is wrong noted in the documents."""
        self.resolve()
        for name, upstream in self.config.upstreams.items():
            self.targets[name] = self.target(("upstreams", name), name, upstream)
        if not self.config.routes and not self.broken:
            self.document.problem("FGW207", (), "no routes")
        routes = tuple(self.route(name, route) for name, route in self.config.routes.items())
        trusted = [*self.config.trusted_proxies]
        networks(self.document, ("trusted_proxies",), trusted)
        if self.said is not self.document:
            networks(self.said, ("trusted_proxies",), self.told.trusted_proxies)
            trusted += self.told.trusted_proxies
        return PlanModel(
            routes,
            self.listeners(),
            self.limits,
            timeouts(*self.defaults),
            self.memory or DEFAULT_MEMORY,
            tuple(trusted),
            number=number,
        )

    def listeners(self) -> tuple[Listener, ...]:
        """The command line's listeners, else the file's, else the default."""
        if self.told.listen and self.said is not self.document:
            return listeners(self.said, self.told.listen)
        found = listeners(self.document, self.config.listen)
        if self.config.listen or ("listen",) in {w[:1] for w in self.broken}:
            return found
        return (Listener("http", DEFAULT_ADDRESS),)

    # -- upstreams -----------------------------------------------------------------------

    def written_upstreams(self) -> dict[Where, Upstream]:
        """Every upstream that is written out, wherever."""
        found: dict[Where, Upstream] = {
            ("upstreams", name): upstream for name, upstream in self.config.upstreams.items()
        }
        for name, route in self.config.routes.items():
            if isinstance(route.upstream, Upstream):
                found["routes", name, "upstream"] = route.upstream
        return found

    def resolve(self) -> None:
        """Take URLs apart, then look up every host at the same time."""
        for where, upstream in self.written_upstreams().items():
            self.servers[where] = parsed_servers(self.document, where, upstream)
        every = [server for servers in self.servers.values() for server in servers]
        self.lookups.all(s.host for s in every if s and not s.unix and not s.literal)

    def target(self, where: Where, name: str, upstream: Upstream) -> _Target | None:
        """A target of kind `http`; None when something about it is wrong."""
        host = noted(self.document, (*where, "host"), host_rule, upstream.host)
        found = []
        for i, server in enumerate(self.servers[where]):
            if server is not None:
                at = (*where, "servers", i, "url")
                addresses = noted(self.document, at, self.lookups.addresses, server)
                found.append((server, addresses or []))
        if host is None or len(found) != len(upstream.servers):
            return None
        merged = timeouts(*self.defaults, upstream.timeouts)
        tls = None
        if any(server.tls for server, _ in found):
            tls = self.upstream_tls((*where, "tls"), upstream)
            if tls is None:
                return None
        made = options(name, upstream, host, found, merged, tls)
        return _Target(ObjectSpec("http", name, made), upstream.timeouts)

    def upstream_tls(self, where: Where, upstream: Upstream) -> dict[str, Any] | None:
        """TLS options of https servers; None when something about them is wrong."""
        # OpenSSL looks at certificates: only configurations with TLS load it.
        from fastgw.tls.upstream import upstream_options

        def say(at: Where, code: str, message: str) -> None:
            self.document.problem(code, (*where, *at), message)

        return upstream_options(upstream.tls, Path(self.document.file).parent, say)

    def upstream(self, where: Where, name: str, route: Route) -> _Target | None:
        """The target of a route: one of `upstreams`, or its own."""
        if isinstance(route.upstream, str):
            return self.named(where, route.upstream)
        assert route.upstream is not None
        own = self.own_name(where, name, route.upstream)
        if own not in self.targets:
            self.targets[own] = self.target(where, own, route.upstream)
        return self.targets[own]

    def own_name(self, where: Where, name: str, upstream: Upstream) -> str:
        """A lone URL is named after its address, so that routes share its connections;
        anything more belongs to the route and bears its name."""
        servers = self.servers[where]
        lone = servers[0] if len(servers) == 1 else None
        plain = Upstream(servers=[Server(url=s.url) for s in upstream.servers])
        if lone is not None and upstream == plain:
            return lone.url.removeprefix("http://")
        if name in self.config.upstreams:
            self.document.problem("FGW106", where, f"'{name}' is in 'upstreams' as well")
        return name

    def named(self, where: Where, name: str) -> _Target | None:
        """An entry of `upstreams`."""
        if name not in self.targets and not ({("upstreams", name), ("upstreams",)} & self.broken):
            self.document.problem(
                "FGW101",
                where,
                f"no upstream '{name}' in 'upstreams'" + did_you_mean(name, self.config.upstreams),
            )
        return self.targets.get(name) if name in self.config.upstreams else None

    # -- routes --------------------------------------------------------------------------

    def route(self, name: str, route: Route) -> PlanRoute:
        """A route, with everything that scopes around it say."""
        where: Where = ("routes", name)
        allow = frozenset(route.allow_path)
        found = matches(self.document, (*where, "match"), route.match, allow)
        self.take(where, name, found)
        steps = self.policies.steps(name, route)
        target = None
        if route.upstream is not None:
            target = self.upstream((*where, "upstream"), name, route)
        elif not any(step.policy.kind in ANSWERING and step.mode == "enforce" for step in steps):
            self.document.problem(
                "FGW105", where, "neither 'upstream' nor a policy that answers", key=True
            )
        between = (target.timeouts,) if target else ()
        body = route.limits.body
        return PlanRoute(
            name,
            found,
            target.spec if target else ObjectSpec("none", "none"),
            steps,
            rewrite(self.document, (*where, "rewrite"), route.rewrite, found),
            allow,
            timeouts(*self.defaults, *between, route.timeouts),
            self.limits.body if body is None else body,
            route.on_client_eof or self.config.defaults.on_client_eof or "cancel",
        )

    def take(self, where: Where, name: str, found: tuple[Match, ...]) -> None:
        """Note what the route takes that another takes already."""
        for match in found:
            other = self.taken.add(name, match)
            if other is not None:
                text = (match.host or "*") + match.path + ("/*" if match.prefix else "")
                place = self.document.place(("routes", other))
                self.document.problem(
                    "FGW201",
                    (*where, "match"),
                    f"'{text}' is taken by route '{other}' ({place}) already",
                )
