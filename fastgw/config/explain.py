"""What a configuration does with a request, and why: for `fastgw explain`.

The route comes from the gateway's own parser, path rule and matcher, run on the compiled
plan; what is told around it comes from the models that the plan was made from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastgw.config.compile import Compiled
from fastgw.config.effective import Value, effective
from fastgw.config.near import Asked, Miss, near_misses, won_by
from fastgw.config.rendering import forwarded_path
from fastgw.config.requests import Request
from fastgw.config.taken import shown
from fastgw.ext.route.trial import Trials
from fastgw.plan.layout import method_names
from fastgw.plan.model import Match, Route, Split

NO_ROUTE, NO_METHOD = "no_route", "method_not_allowed"


@dataclass(frozen=True, slots=True)
class Sent:
    """What an upstream would get. `share`: of a split, in percent."""

    upstream: str
    share: float
    servers: tuple[str, ...]
    target: str
    host: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is told. `reason` and `status` are of an answer without a route."""

    request: Request
    route: str | None
    place: str = ""
    status: int = 0
    reason: str = ""
    allow: tuple[str, ...] = ()
    host: str = ""
    path: str = ""
    match: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    policies: tuple[Value, ...] = ()
    sent: tuple[Sent, ...] = ()
    misses: tuple[Miss, ...] = ()


class Explainer:
    """Explains requests by one configuration."""

    def __init__(self, compiled: Compiled) -> None:
        self.built = compiled.built
        self.trials = Trials(compiled.plan)
        self.routes = {route.name: route for route in self.built.model.routes}
        self.listeners = [listener.name for listener in self.built.model.listeners]

    def explain(self, request: Request) -> Explanation:
        """What happens to a request."""
        said = self.trials.ask(request.head(), request.client, request.listener)
        if "refused" in said:
            return Explanation(request, None, status=said["status"], reason=said["refused"])
        asked = Asked(
            request,
            said["host"].decode("latin-1"),
            said["path"].decode("latin-1"),
            self.listeners[request.listener] if self.listeners else "",
        )
        about = Explanation(request, said["route"], host=asked.host, path=asked.path)
        if said["route"] is None:
            return self._unrouted(asked, about, said["methods"])
        return self._routed(asked, about, said)

    def _unrouted(self, asked: Asked, about: Explanation, methods: int) -> Explanation:
        misses = tuple(near_misses(asked, self.routes.values(), None, None))
        if methods:
            allow = tuple(method_names(methods))
            return replace(about, status=405, reason=NO_METHOD, allow=allow, misses=misses)
        return replace(about, status=404, reason=NO_ROUTE, misses=misses)

    def _routed(self, asked: Asked, about: Explanation, said: dict[str, Any]) -> Explanation:
        route = self.routes[said["route"]]
        won = won_by(asked, route)
        pairs = tuple((k, v.decode("latin-1")) for k, v in said["parameters"].items())
        policies: tuple[Value, ...] = ()
        if route.name in self.built.layers:
            values = effective(self.built, route.name)
            policies = tuple(v for v in values if v.key.startswith("policy"))
        return replace(
            about,
            place=self.built.document.place(("routes", route.name)),
            match=shown(won) if won else "",
            parameters=pairs,
            policies=policies,
            sent=tuple(self._sent(asked, route, won, dict(pairs))),
            misses=tuple(near_misses(asked, self.routes.values(), route.name, won)),
        )

    def _sent(
        self, asked: Asked, route: Route, won: Match | None, parameters: dict[str, str]
    ) -> list[Sent]:
        """To each upstream that the request may go to."""
        target = route.target
        if isinstance(target, Split):
            total = sum(part.weight for part in target.parts)
            specs = [(p.target, 100 * p.weight / total) for p in target.parts if p.weight]
        else:
            specs = [(target, 100.0)] if target.kind == "http" else []
        query = asked.request.target.partition("?")[1:]
        path = forwarded_path(route.rewrite, asked, parameters) + "".join(query)
        return [
            Sent(
                spec.name,
                share,
                tuple(server["url"] for server in spec.options["servers"]),
                self.built.document.redacted(path),
                self._host(route.rewrite.host or spec.options["host"], asked),
            )
            for spec, share in specs
        ]

    def _host(self, rule: str, asked: Asked) -> str:
        """The Host that a server gets, in words."""
        if rule == "keep":
            return asked.request.host
        return "the server's own" if rule == "upstream" else rule.removeprefix("=")
