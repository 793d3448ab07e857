"""What is in force for a route, each value with the scope that said it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastgw.config.build import COMMAND_LINE, Built
from fastgw.config.defaults import shown_value, timeout_defaults
from fastgw.config.limit_models import AllLimits, AllTimeouts, RouteLimits, RouteTimeouts
from fastgw.config.policies import Policies
from fastgw.config.policy_base import PolicyModel
from fastgw.config.problems import path_text
from fastgw.config.scopes import Layers, said_timeouts
from fastgw.config.taken import shown
from fastgw.plan.model import ObjectSpec, Route, Split

BUILT_IN = "built in"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a route, as text, and where it comes from."""

    key: str
    text: str
    origin: str


def effective(built: Built, name: str) -> list[Value]:
    """Every value of a route that somebody may have said; KeyError for an unknown route."""
    route = next(r for r in built.model.routes if r.name == name) if name in built.layers else None
    if route is None:
        raise KeyError(name)
    layers = built.layers[name]
    return [
        Value(v.key, built.document.redacted(v.text), v.origin)
        for part in (_matches, _target, _paths, _policies, _timeouts, _rest)
        for v in part(built, route, layers)
    ]


def origin(layers: Layers, keys: tuple[str, ...]) -> str:
    """The innermost scope that says a key, and its place."""
    for layer in reversed(layers):
        model: Any = layer.scope
        for key in keys:
            model = getattr(model, key, None)
        if model is None or not _is_said(layer.scope, keys):
            continue
        if layer.document.file == COMMAND_LINE:
            return COMMAND_LINE
        place = layer.document.place((*layer.where, *keys))
        return f"{path_text(layer.where)} ({place})"
    return BUILT_IN


def _is_said(scope: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if key not in scope.model_fields_set:
            return False
        scope = getattr(scope, key)
    return True


# -- the parts -----------------------------------------------------------------------------


def _matches(built: Built, route: Route, layers: Layers) -> Iterator[Value]:
    for match in route.matches:
        text = " ".join([shown(match), *sorted(match.methods)])
        for one in match.conditions:
            text += f" {one.kind} {one.name} {one.test} {one.value}".rstrip()
        for key, names in (
            ("client", match.clients),
            ("listener", match.listeners),
            ("sni", match.server_names),
        ):
            text += f" {key} {','.join(sorted(names))}" if names else ""
        yield Value("match", text, origin(layers, ("match",)))
    yield Value("priority", str(route.priority), origin(layers, ("priority",)))


def _target(built: Built, route: Route, layers: Layers) -> Iterator[Value]:
    target = route.target
    if isinstance(target, Split):
        whence = origin(layers, ("split",))
        total = sum(part.weight for part in target.parts)
        for part in target.parts:
            share = f"{100 * part.weight / total:g} %"
            yield Value("split", f"{part.target.name}: {share}", whence)
        yield Value("split.key", target.key, whence)
    elif target.kind == "http":
        yield Value("upstream", target.name, origin(layers, ("upstream",)))
        yield from _servers(target, layers)


def _servers(target: ObjectSpec, layers: Layers) -> Iterator[Value]:
    whence = origin(layers, ("servers",))
    for server in target.options["servers"]:
        weight = f" weight {server['weight']}" if server["weight"] != 1 else ""
        yield Value("servers", server["url"] + weight, whence)
    yield Value("balance", target.options["balance"], origin(layers, ("balance",)))
    yield Value("host", str(target.options["host"]).removeprefix("="), origin(layers, ("host",)))


def _paths(built: Built, route: Route, layers: Layers) -> Iterator[Value]:
    change = route.rewrite
    whence = origin(layers, ("rewrite",))
    for key, text in (
        ("rewrite.strip_prefix", change.strip),
        ("rewrite.prefix", change.prefix),
        ("rewrite.path", change.path),
        ("rewrite.regex", f"{change.regex} -> {change.substitution}" if change.regex else ""),
    ):
        if text:
            yield Value(key, text, whence)
    if route.allow:
        yield Value("allow_path", ", ".join(sorted(route.allow)), origin(layers, ("allow_path",)))


def _policies(built: Built, route: Route, layers: Layers) -> Iterator[Value]:
    """In the order in which requests pass."""
    policies = Policies(built.document, built.config, set())
    for placed in policies.ordered(layers):
        model: PolicyModel = placed.model
        marks = [f"mode {model.mode}"] if model.mode != "enforce" else []
        marks += ["on_failure pass"] if model.on_failure == "pass" else []
        where = f"{path_text(placed.where)} ({built.document.place(placed.where)})"
        yield Value(f"policy ({placed.stage})", " ".join([placed.key, *marks]), where)


def _timeouts(built: Built, route: Route, layers: Layers) -> Iterator[Value]:
    defaults = timeout_defaults()
    for key in RouteTimeouts.model_fields:
        value, whence = defaults[key], BUILT_IN
        for layer in layers:
            said = said_timeouts(layer.scope)
            if key in said:
                value = shown_value(AllTimeouts, key, said[key])
                short = key == "request" and layer.scope.timeout is not None
                whence = origin((layer,), ("timeout",) if short else ("timeouts", key))
        yield Value(f"timeouts.{key}", value, whence)


def _rest(built: Built, route: Route, layers: Layers) -> Iterator[Value]:
    for key in RouteLimits.model_fields:
        value = getattr(route, f"{key}_limit") or getattr(built.model.limits, key)
        value = route.body_limit if key == "body" else value
        text = shown_value(AllLimits, key, value)
        yield Value(f"limits.{key}", text, origin(layers, ("limits", key)))
    yield Value("on_client_eof", route.on_client_eof, origin(layers, ("on_client_eof",)))
    for page in route.error_pages:
        fits = ",".join([*map(str, sorted(page.statuses)), *sorted(page.reasons)]) or "every one"
        yield Value("errors.pages", f"{fits}: {page.content_type}", origin(layers, ("errors",)))
