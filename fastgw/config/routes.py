"""Routes: everything that the scopes around one say, brought together."""

from __future__ import annotations

from typing import Any

from fastgw.config.defaults import shown_value
from fastgw.config.document import Document
from fastgw.config.error_pages import ErrorPages
from fastgw.config.limit_models import AllLimits
from fastgw.config.matches import Matches
from fastgw.config.models import Config, Group, Route
from fastgw.config.policies import ANSWERING, Policies
from fastgw.config.problems import Where, did_you_mean
from fastgw.config.rewrites import host_rule, rewrite
from fastgw.config.scopes import (
    HEAD_LIMITS,
    Layer,
    Layers,
    body_limit,
    head_limits,
    limits,
    on_client_eof,
    timeouts,
)
from fastgw.config.targets import Forward, Targets
from fastgw.config.wrong import noted
from fastgw.plan.model import Limits, Match, ObjectSpec, Rewrite
from fastgw.plan.model import Route as PlanRoute

NO_TARGET = ObjectSpec("none", "none")


class Routes:
    """Lowers routes; what is wrong is noted in the document."""

    def __init__(
        self,
        document: Document,
        config: Config,
        broken: set[Where],
        defaults: Layers,
        parts: tuple[Matches, Targets, Policies, ErrorPages],
    ) -> None:
        self.document, self.config, self.broken, self.defaults = document, config, broken, defaults
        self.matches, self.targets, self.policies, self.pages = parts
        self.base = timeouts(defaults)
        self.base_body = body_limit(defaults, Limits().body)
        self.listener, _ = limits(*(layer.scope for layer in defaults))  # type: ignore[arg-type]
        #: Places that a problem was noted at, so that it is noted once.
        self.said: set[Where] = set()
        #: The scopes around each route, and the groups that some route names.
        self.around: dict[str, Layers] = {}
        self.used: set[str] = set()
        self.groups = {name: self.group(name, group) for name, group in config.groups.items()}

    def group(self, name: str, group: Group) -> tuple[Layer, Forward | None]:
        """A group as a scope, and where it sends requests."""
        where: Where = ("groups", name)
        says = group.upstream is not None or group.split is not None
        return Layer(self.document, where, group), self.targets.of(where, group) if says else None

    def one(self, name: str, route: Route) -> PlanRoute:
        """A route, with everything that the scopes around it say."""
        where: Where = ("routes", name)
        group, target = self.of_group(where, route)
        if route.upstream is not None or route.split is not None:
            target = self.targets.of(where, route)
        said = where in self.broken or target is not None or self.says_target(route)
        layers = self.layers(where, route, group, target)
        self.around[name] = layers
        allow = frozenset(self.inner(layers, "allow_path") or ())
        found = self.matches.of(name, route, allow)
        steps = self.policies.steps(layers)
        if not said and not any(s.policy.kind in ANSWERING and s.mode == "enforce" for s in steps):
            self.document.problem(
                "FGW105", where, "neither 'upstream' nor a policy that answers", key=True
            )
        pages, replaced = self.pages.of(layers)
        inner = layers[len(self.defaults) :]
        self.check_heads(inner)
        return PlanRoute(
            name,
            found,
            target.target if target else NO_TARGET,
            steps,
            self.rewrite(layers, found),
            allow,
            timeouts(inner, self.base),
            body_limit(inner, self.base_body),
            on_client_eof(layers),
            self.inner(layers, "priority") or 0,
            pages,
            replaced,
            **head_limits(inner),
        )

    # -- scopes --------------------------------------------------------------------------

    def of_group(self, where: Where, route: Route) -> tuple[Layer | None, Forward | None]:
        """The group that a route names."""
        if route.group is None:
            return None, None
        self.used.add(route.group)
        found = self.groups.get(route.group)
        if found is None:
            if not ({("groups", route.group), ("groups",)} & self.broken):
                self.document.problem(
                    "FGW107",
                    (*where, "group"),
                    f"no group '{route.group}' in 'groups'"
                    + did_you_mean(route.group, self.config.groups),
                )
            return None, None
        return found

    def says_target(self, route: Route) -> bool:
        """Whether a route or its group names a target at all, right or wrong."""
        group = self.config.groups.get(route.group or "")
        if route.group is not None and (group is None or ("groups", route.group) in self.broken):
            return True  # said already
        scopes = (route, group)
        return any(s is not None and (s.upstream or s.split) is not None for s in scopes)

    def layers(
        self, where: Where, route: Route, group: Layer | None, target: Forward | None
    ) -> Layers:
        """The scopes around a route, outermost first."""
        found = [*self.defaults]
        if target is not None and target.layer is not None:
            found.append(target.layer)
        if group is not None:
            found.append(group)
        found.append(Layer(self.document, where, route))
        return tuple(found)

    def check_heads(self, layers: Layers) -> None:
        """Note limits of heads that could never hold: heads are read by the listener's."""
        for layer in layers:
            for key in HEAD_LIMITS:
                most, value = getattr(self.listener, key), getattr(layer.scope.limits, key)
                where: Where = (*layer.where, "limits", key)
                if value is None or value <= most or where in self.said:
                    continue
                self.said.add(where)
                text = shown_value(AllLimits, key, most)
                self.document.problem(
                    "FGW005",
                    where,
                    f"is more than the {text} of 'defaults', by which heads are read before"
                    " their route is known",
                )

    def inner(self, layers: Layers, key: str) -> Any:
        """What the innermost scope says that says something."""
        for layer in reversed(layers):
            if key in layer.scope.model_fields_set:
                value = getattr(layer.scope, key)
                if value is not None:
                    return value
        return None

    # -- rewriting -----------------------------------------------------------------------

    def rewrite(self, layers: Layers, found: tuple[Match, ...]) -> Rewrite:
        """What the upstream gets as path and host."""
        host = ""
        for layer in layers[len(self.defaults) :]:
            if isinstance(layer.scope, (Group, Route)) and layer.scope.host is not None:
                host = (
                    noted(self.document, (*layer.where, "host"), host_rule, layer.scope.host) or ""
                )
        for layer in reversed(layers):
            if "rewrite" not in layer.scope.model_fields_set:
                continue
            written = getattr(layer.scope, "rewrite", None)
            if written is not None:
                return rewrite(self.document, (*layer.where, "rewrite"), written, host, found)
        return Rewrite(host=host) if host else _UNCHANGED


_UNCHANGED = Rewrite()
