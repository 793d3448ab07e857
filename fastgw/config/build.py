"""From documents to the model of a plan, or to everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fastgw.config.document import Document
from fastgw.config.error_pages import ErrorPages
from fastgw.config.listeners import DEFAULT_ADDRESS, Listeners
from fastgw.config.loops import find_loops
from fastgw.config.matches import Matches
from fastgw.config.models import Config
from fastgw.config.networks import networks
from fastgw.config.node import NodeLowering
from fastgw.config.parameters import Parameters
from fastgw.config.policies import Check, Policies, TryPlugins
from fastgw.config.problems import ConfigError, Problem, Where, in_order
from fastgw.config.routes import Routes
from fastgw.config.scopes import Layer, Layers, limits, timeouts
from fastgw.config.server_urls import Lookups, Resolver, system_resolver
from fastgw.config.source import open_document
from fastgw.config.taken import note_shadows, note_ties
from fastgw.config.targets import Targets
from fastgw.config.validate import validate
from fastgw.config.warnings import Warnings
from fastgw.plan.model import DEFAULT_MEMORY, Listener, PlanModel
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
    #: Keys of `access_log`.
    access_log: dict[str, Any] = field(default_factory=dict)

    def document(self) -> Document:
        """It all as a configuration of its own."""
        value: dict[str, Any] = {
            "version": 1,
            "defaults": {"timeouts": dict(self.timeouts), "limits": dict(self.limits)},
            "listen": {f"cli-{i}": self.listener(addr) for i, addr in enumerate(self.listen, 1)},
            "trusted_proxies": list(self.trusted_proxies),
        }
        if self.access_log:
            value["access_log"] = dict(self.access_log)
        if self.to:
            value["routes"] = {DEFAULT_ROUTE: {"match": "/*", "upstream": list(self.to)}}
        return Document(COMMAND_LINE, value)

    def listener(self, text: str) -> str | dict[str, Any]:
        """A --listen: with https:// before its address it gets the certificate of --tls-cert."""
        if not text.startswith("https://"):
            return text
        tls = {"cert": self.tls_cert, "key": self.tls_key or None}
        return {"addr": text.removeprefix("https://"), "tls": tls if self.tls_cert else {}}


@dataclass(frozen=True, slots=True)
class Built:
    """A configuration that was read, whole."""

    model: PlanModel
    document: Document
    config: Config
    #: The scopes around each route, outermost first, by its name.
    layers: dict[str, Layers]
    warnings: list[Problem]


def build(
    file: Document | None,
    command_line: CommandLine,
    resolver: Resolver = system_resolver,
    check: Check | None = None,
    *,
    strict: bool = False,
) -> PlanModel:
    """The model of a plan; ConfigError names everything that is wrong. `check` tries to
    build each policy."""
    return build_whole(file, command_line, resolver, check, strict=strict).model


def build_whole(
    file: Document | None,
    command_line: CommandLine,
    resolver: Resolver = system_resolver,
    check: Check | None = None,
    *,
    strict: bool = False,
    plugins: TryPlugins | None = None,
) -> Built:
    """Like `build`, with what the model was made from. `strict`: warnings are errors;
    `plugins` tries them, all together, if nothing else is wrong."""
    said = command_line.document()
    if file is not None and command_line.to:
        said.problem("FGW013", (), "either a file or --to, not both")
    told, _ = validate(said)
    main = said if file is None else file
    config, broken = (told, set()) if file is None else validate(file)
    found = None
    if config is not None and told is not None:
        builder = _Builder(main, said, config, told, broken, resolver, check)
        found = builder.built(command_line)
        if plugins is not None and not main.errors:
            builder.policies.try_plugins(plugins)
    documents = [main] if main is said else [main, said]
    errors = [p for d in documents for p in d.errors]
    warnings = in_order(p for d in documents for p in d.warnings)
    if errors or found is None or (strict and warnings):
        raise ConfigError([*errors, *(warnings if strict else ())], () if strict else warnings)
    model, layers = found
    assert config is not None
    return Built(model, main, config, layers, warnings)


def build_file(
    path: str, command_line: CommandLine = CommandLine(), resolver: Resolver = system_resolver
) -> PlanModel:
    """Like `build`, from a file's path."""
    return build(open_document(path), command_line, resolver)


class _Builder:
    """Checks across the parts of a configuration, and lowers them."""

    def __init__(
        self,
        document: Document,
        said: Document,
        config: Config,
        told: Config,
        broken: set[Where],
        resolver: Resolver,
        check: Check | None,
    ) -> None:
        self.document, self.said = document, said
        self.config, self.told, self.broken = config, told, broken
        self.defaults: Layers = (Layer(document, ("defaults",), config.defaults),)
        if said is not document:
            self.defaults += (Layer(said, ("defaults",), told.defaults),)
        self.targets = Targets(document, config, broken, self.defaults, Lookups(resolver))
        self.policies = Policies(document, config, broken, check)
        self.pages = ErrorPages(document)
        #: Routes that take all of a listener.
        self.redirects: list[PlanRoute] = []

    def built(self, command_line: CommandLine) -> tuple[PlanModel, dict[str, Layers]]:
        """Everything, with what is wrong noted in the documents."""
        self.targets.resolve()
        listeners = self.listeners()
        routes = self.routes(listener.name for listener in listeners)
        made = [routes.one(name, route) for name, route in self.config.routes.items()]
        if not made and not self.broken:
            self.document.problem("FGW207", (), "no routes")
        whole = [r for r in made if ("routes", r.name) not in self.broken]
        note_ties(self.document, whole)
        own = () if self.told.listen and self.said is not self.document else listeners
        note_shadows(self.document, whole, own)
        parameters = Parameters(self.document)
        for route in made:
            parameters.check(route)
        made += self.redirects
        find_loops(self.document, listeners, self.targets)
        Warnings(self.document, self.config, self.targets, self.policies).note(
            self.broken, routes.used
        )
        model = self.model(tuple(made), tuple(listeners), command_line.number)
        return model, routes.around

    def routes(self, listeners: Iterable[str]) -> Routes:
        """What lowers routes."""
        matches = Matches(self.document, self.config.groups, listeners, self.broken)
        parts = (matches, self.targets, self.policies, self.pages)
        return Routes(self.document, self.config, self.broken, self.defaults, parts)

    def model(
        self, routes: tuple[PlanRoute, ...], listeners: tuple[Listener, ...], number: int
    ) -> PlanModel:
        """The parts together."""
        found, memory = limits(self.config.defaults, self.told.defaults)
        return PlanModel(
            routes,
            listeners,
            found,
            timeouts(self.defaults),
            memory or DEFAULT_MEMORY,
            self.trusted(),
            number=number,
            error_pages=self.pages.of(self.defaults)[0],
            node=self.node(),
        )

    def node(self) -> dict[str, Any]:
        """What is said of the processes, and what they must not show."""
        made = NodeLowering(self.document, self.config, self.said, self.told).options()
        hidden = self.document.hidden
        return {**made, "hidden": dict(hidden)} if hidden else made

    def trusted(self) -> tuple[str, ...]:
        """Networks of proxies, the file's and the command line's."""
        networks(self.document, ("trusted_proxies",), self.config.trusted_proxies)
        if self.said is self.document:
            return tuple(self.config.trusted_proxies)
        networks(self.said, ("trusted_proxies",), self.told.trusted_proxies)
        return (*self.config.trusted_proxies, *self.told.trusted_proxies)

    def trusted_texts(self) -> list[str]:
        """Trusted proxies as they are written."""
        return [*self.config.trusted_proxies, *self.told.trusted_proxies]

    def listeners(self) -> list[Listener]:
        """The command line's listeners, else the file's, else the default."""
        if self.told.listen and self.said is not self.document:
            return Listeners(self.said).lowered(self.told.listen)
        lowering = Listeners(
            self.document, self.targets.lookups, trusted=bool(self.trusted_texts())
        )
        found, self.redirects = lowering.lowered(self.config.listen), lowering.routes
        if self.config.listen or ("listen",) in {w[:1] for w in self.broken}:
            return found
        return [Listener("http", DEFAULT_ADDRESS)]
