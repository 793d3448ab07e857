"""What a configuration does with a request, and why: for `fastgw explain`.

The route comes from the gateway's own parser, path rule and matcher, run on the compiled
plan; what is told around it comes from the models that the plan was made from, or, of a
gateway that runs, from the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from fastgw.config.build import Built
from fastgw.config.compile import Compiled
from fastgw.config.effective import Value, effective
from fastgw.config.explanation import Explanation, Sent
from fastgw.config.near import Asked, near_misses, won_by
from fastgw.config.redaction import Redaction
from fastgw.config.rendering import forwarded_path
from fastgw.config.requests import BadRequest, Request, server_name_of
from fastgw.config.stages import STAGE_OF
from fastgw.config.taken import shown
from fastgw.ext.route.trial import Trials
from fastgw.plan.layout import method_bits, method_names
from fastgw.plan.model import Listener, Match, Route, Split
from fastgw.plan.reader import PlanReader
from fastgw.plan.route_reader import RouteReader

#: What a plan may be: bytes, or a map of its segment.
Buffer = bytes | bytearray | memoryview
NO_ROUTE, NO_METHOD = "no_route", "method_not_allowed"


class Words(Protocol):
    """What is told of a route besides what its plan says."""

    def place(self, route: Route) -> str:
        """Where it is written."""

    def policies(self, route: Route) -> tuple[Value, ...]:
        """Its policies in order, and who said each."""

    def redacted(self, text: str) -> str:
        """A text without secrets."""


class FileWords:
    """Words of a configuration that was read."""

    def __init__(self, built: Built) -> None:
        self.built = built

    def place(self, route: Route) -> str:
        """File, line and column: of the route, or of the listener that it was made for."""
        routes = self.built.config.routes
        where = ("routes", route.name) if route.name in routes else route.name.split(".", 1)
        return self.built.document.place(tuple(where))

    def policies(self, route: Route) -> tuple[Value, ...]:
        """As `fastgw show --effective` has them; those of a listener's own route as they are."""
        if route.name not in self.built.layers:
            return chain_of(route)
        values = effective(self.built, route.name)
        return tuple(v for v in values if v.key.startswith("policy"))

    def redacted(self, text: str) -> str:
        """Without what references stand for."""
        return self.built.document.redacted(text)


class PlanWords:
    """Words of a plan, of which nobody knows what file it was made from."""

    def __init__(self, hidden: Mapping[str, str]) -> None:
        """`hidden`: what references brought -> how they are written."""
        self.redaction = Redaction(hidden)

    def place(self, route: Route) -> str:
        """Not known."""
        return ""

    def policies(self, route: Route) -> tuple[Value, ...]:
        """The chain."""
        return chain_of(route)

    def redacted(self, text: str) -> str:
        """Without what references stand for: the plan says what that is."""
        return self.redaction(text)


def chain_of(route: Route) -> tuple[Value, ...]:
    """The policies of a compiled route; the name of each is where it was written."""
    found = []
    for step in route.steps:
        marks = [f"mode {step.mode}"] if step.mode != "enforce" else []
        marks += ["on_failure pass"] if step.on_failure == "pass" else []
        stage = STAGE_OF.get(step.policy.kind, "") if step.policy.kind != "plugin" else ""
        text = " ".join([step.policy.kind, *marks])
        found.append(Value(f"policy ({stage or 'its own stage'})", text, step.policy.name))
    return tuple(found)


class Explainer:
    """Explains requests by one plan, and by the routes that it was made from."""

    def __init__(
        self, plan: Buffer, routes: Iterable[Route], listeners: Iterable[Listener], words: Words
    ) -> None:
        self.trials = Trials(plan)
        self.routes = {route.name: route for route in routes}
        self.listeners = tuple(listeners)
        self.words = words

    def arrived(
        self, request: Request, listener: str | None = None, server_name: str | None = None
    ) -> Request:
        """The request, come in by a listener: that of this name, else the first one that
        speaks the URL's scheme. By TLS it asks for `server_name`, else for the URL's host.
        BadRequest for a listener that there is not."""
        names = [one.name for one in self.listeners]
        if listener is not None and listener not in names:
            raise BadRequest(f"no listener '{listener}'; there are {', '.join(names)}")
        secure = [bool(one.options.get("tls")) for one in self.listeners]
        wanted = request.scheme == "https"
        at = names.index(listener) if listener else secure.index(wanted) if wanted in secure else 0
        name = server_name or ""
        if server_name is None and secure[at : at + 1] == [True]:
            name = server_name_of(request.host)
        return replace(request, listener=at, server_name=name)

    def explain(self, request: Request) -> Explanation:
        """What happens to a request."""
        said = self.trials.ask(
            request.head(), request.client, request.listener, request.server_name
        )
        if "refused" in said:
            return Explanation(request, None, status=said["status"], reason=said["refused"])
        asked = Asked(
            request,
            said["host"].decode("latin-1"),
            said["path"].decode("latin-1"),
            self.listeners[request.listener].name if self.listeners else "",
        )
        about = Explanation(request, said["route"], host=asked.host, path=asked.path)
        if said["route"] is None:
            return self._redacted(self._unrouted(asked, about, said["methods"]))
        return self._redacted(self._routed(asked, about, said))

    def _unrouted(self, asked: Asked, about: Explanation, methods: int) -> Explanation:
        misses = tuple(near_misses(asked, self.routes.values(), None, None))
        if methods:
            # As refuse_method of ext/exchange/replies.pyx: OPTIONS is answered there and then.
            allow = tuple(method_names(methods | method_bits(frozenset({"OPTIONS"}))))
            asks = asked.request.method == "OPTIONS"
            status, reason = (204, "") if asks else (405, NO_METHOD)
            return replace(about, status=status, reason=reason, allow=allow, misses=misses)
        return replace(about, status=404, reason=NO_ROUTE, misses=misses)

    def _routed(self, asked: Asked, about: Explanation, said: dict[str, Any]) -> Explanation:
        route = self.routes[said["route"]]
        won = won_by(asked, route)
        pairs = tuple((k, v.decode("latin-1")) for k, v in said["parameters"].items())
        return replace(
            about,
            place=self.words.place(route),
            match=shown(won) if won else "",
            parameters=pairs,
            policies=self.words.policies(route),
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
                path,
                self._host(route.rewrite.host or spec.options["host"], asked),
            )
            for spec, share in specs
        ]

    def _redacted(self, found: Explanation) -> Explanation:
        """Without secrets, wherever the configuration is quoted."""
        clean = self.words.redacted
        return replace(
            found,
            match=clean(found.match),
            policies=tuple(replace(p, text=clean(p.text)) for p in found.policies),
            sent=tuple(
                replace(
                    s,
                    servers=tuple(map(clean, s.servers)),
                    target=clean(s.target),
                    host=clean(s.host),
                )
                for s in found.sent
            ),
            misses=tuple(replace(m, match=clean(m.match), why=clean(m.why)) for m in found.misses),
        )

    def _host(self, rule: str, asked: Asked) -> str:
        """The Host that a server gets, in words."""
        if rule == "keep":
            return asked.request.host
        return "the server's own" if rule == "upstream" else rule.removeprefix("=")


def of_file(compiled: Compiled) -> Explainer:
    """Explains by a configuration that was read."""
    model = compiled.built.model
    return Explainer(compiled.plan, model.routes, model.listeners, FileWords(compiled.built))


def of_plan(plan: Buffer) -> Explainer:
    """Explains by a plan alone: that of a gateway that runs."""
    reader = PlanReader(plan)
    words = PlanWords(reader.node().get("hidden", {}))
    return Explainer(plan, RouteReader(reader).routes(), reader.listeners(), words)
