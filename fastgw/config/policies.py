"""Policies of a route: what the scopes say together, in the order of stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from mimetypes import guess_type
from typing import Any

from fastgw.config.contents import content
from fastgw.config.document import Document
from fastgw.config.edge import Websocket, websocket_options
from fastgw.config.models import Config
from fastgw.config.networks import networks
from fastgw.config.policy_base import PolicyModel
from fastgw.config.policy_models import (
    Headers,
    Health,
    Ip,
    Plugin,
    PolicyEntry,
    PolicyKinds,
    PolicyScope,
    Redirect,
    Respond,
)
from fastgw.config.problems import Where, did_you_mean
from fastgw.config.scopes import Layer, Layers
from fastgw.config.stages import STAGE_OF, rank
from fastgw.config.wrong import Wrong, noted
from fastgw.plan.model import ObjectSpec, Step

#: Of a fixed answer: each worker holds it.
MAX_BODY_BYTES = 1024 * 1024
#: Builds a policy of (kind, name, options) for a check; ValueError says what is wrong.
Check = Callable[[str, str, dict[str, Any]], object]
#: Says what is wrong with each of some plugins; see plugins.py.
TryPlugins = Callable[[Sequence[ObjectSpec]], list[str]]

#: Kinds that answer instead of an upstream.
ANSWERING = frozenset({"respond", "redirect", "health", "plugin"})
#: Keys of a scope that say policies.
_KEYS = frozenset({*PolicyKinds.model_fields, "health", "policies", "policies_more"})


@dataclass(frozen=True, slots=True)
class Placed:
    """A policy where it was written. `order`: scope, key of the scope, entry of the list."""

    key: str
    name: str
    where: Where
    model: PolicyModel
    order: tuple[int, int, int]

    @property
    def stage(self) -> str:
        """Its kind's stage, or the one that a plugin asks for."""
        said = self.model.stage if isinstance(self.model, Plugin) else None
        return said or STAGE_OF[self.key]


class Policies:
    """The policies of a configuration; makes each object once."""

    def __init__(
        self, document: Document, config: Config, broken: set[Where], check: Check | None = None
    ) -> None:
        self.document = document
        self.check = check
        self.config = config
        self.broken = broken
        self.used: set[str] = set()
        self._specs: dict[tuple[str, str], ObjectSpec] = {}
        self._placed: dict[Where, list[Placed]] = {}
        self._chains: dict[tuple[Where, ...], tuple[Step, ...]] = {}
        self._plugins: list[tuple[Where, ObjectSpec]] = []
        for name, entry in config.policies.items():
            self._check_kinds(("policies", name), entry)

    def steps(self, layers: Layers) -> tuple[Step, ...]:
        """The chain of a route with these scopes around it, outermost first."""
        speaking = tuple(la for la in layers if la.scope.model_fields_set & _KEYS)
        at = tuple(layer.where for layer in speaking)
        chain = self._chains.get(at)
        if chain is None:
            chain = self._chains[at] = tuple(map(self._step, self.ordered(speaking)))
        return chain

    def ordered(self, layers: Layers) -> list[Placed]:
        """What is in force, in the order in which requests pass."""
        return sorted(self.placed(layers), key=lambda p: (rank(p.stage), p.order))

    def placed(self, layers: Layers) -> list[Placed]:
        """What is in force: inner keys replace outer ones, an inner `policies` all outer
        lists, `policies+` adds to them."""
        keys: dict[str, Placed] = {}
        entries: list[Placed] = []
        for depth, layer in enumerate(layers):
            mine = self._scope(layer, depth)
            keys |= {placed.key: placed for placed in mine if placed.order[2] < 0}
            if layer.scope.policies is not None:
                entries = []
            entries += [placed for placed in mine if placed.order[2] >= 0]
        return [*keys.values(), *entries]

    # -- scopes --------------------------------------------------------------------------

    def _scope(self, layer: Layer, depth: int) -> list[Placed]:
        """What a scope says itself, keys and lists."""
        scope, where = layer.scope, layer.where
        if layer.document is not self.document:
            return []  # the command line says no policies
        if where in self._placed:
            return [replace(p, order=(depth, *p.order[1:])) for p in self._placed[where]]
        self._check_networks(where, scope)
        keys = self._keys(where)
        found = [
            Placed(key, _name(where), (*where, key), model, (depth, keys.get(key, 0), -1))
            for key, model in scope.given().items()
        ]
        lists = (("policies", scope.policies or []), ("policies+", scope.policies_more or []))
        for key, entries in lists:
            for i, entry in enumerate(entries):
                found += self._entry((*where, key, i), entry, (depth, keys.get(key, 0), i))
        self._placed[where] = found
        return found

    def _keys(self, where: Where) -> dict[str, int]:
        """The place of each key of a scope in the file."""
        at: Any = self.document.value
        for part in where:
            at = at.get(part, {}) if isinstance(at, dict) else {}
        return {key: i for i, key in enumerate(at)} if isinstance(at, dict) else {}

    def _entry(
        self, where: Where, entry: str | PolicyEntry, order: tuple[int, int, int]
    ) -> Iterator[Placed]:
        """One entry of a list: a policy, or the name of one."""
        if isinstance(entry, str) and entry in self.config.policies:
            self.used.add(entry)
            where, entry = ("policies", entry), self.config.policies[entry]
        if isinstance(entry, PolicyEntry):
            for key, model in entry.given().items():
                yield Placed(key, _name(where), (*where, key), model, order)
        else:
            if ("policies", entry) not in self.broken and ("policies",) not in self.broken:
                self.document.problem(
                    "FGW102",
                    where,
                    f"no policy '{entry}' in 'policies'"
                    + did_you_mean(entry, self.config.policies),
                )

    # -- networks ------------------------------------------------------------------------

    def _check_networks(self, where: Where, scope: PolicyScope) -> None:
        self._check_kinds(where, scope)
        for key, entries in (
            ("policies", scope.policies or []),
            ("policies+", scope.policies_more or []),
        ):
            for i, entry in enumerate(entries):
                if isinstance(entry, PolicyEntry):
                    self._check_kinds((*where, key, i), entry)

    def _check_kinds(self, where: Where, kinds: PolicyScope | PolicyEntry) -> None:
        if kinds.ip is not None:
            networks(self.document, (*where, "ip", "allow"), kinds.ip.allow)
            networks(self.document, (*where, "ip", "deny"), kinds.ip.deny)

    # -- steps ---------------------------------------------------------------------------

    def _step(self, placed: Placed) -> Step:
        kind = placed.key
        spec = self._specs.get((kind, placed.name))
        if spec is None:
            spec = ObjectSpec(kind, placed.name, self._options(placed))
            self._specs[kind, placed.name] = spec
            self._try(placed.where, spec)
        model = placed.model
        return Step(spec, model.mode, model.on_failure, model.timeout or 0)

    def _options(self, placed: Placed) -> dict[str, Any]:
        """The option map that the policy's builder gets."""
        made = options(placed.model)
        if isinstance(placed.model, Respond) and placed.model.file is not None:
            file, where = placed.model.file, (*placed.where, "file")
            found = noted(
                self.document, where, content, self.document, file, MAX_BODY_BYTES, "FGW503"
            )
            made["body"] = found or b""
            if placed.model.template:
                made["body"] = noted(self.document, where, _text, made["body"]) or ""
            if not any(name.lower() == "content-type" for name in made["headers"]):
                kind = guess_type(file)[0] or "application/octet-stream"
                made["headers"] = {**made["headers"], "Content-Type": kind}
        return made

    def _try(self, where: Where, spec: ObjectSpec) -> None:
        """Note what keeps a worker from building the policy; plugins wait for `try_plugins`."""
        if spec.kind == "plugin":
            self._plugins.append((where, spec))
        if self.check is None or spec.kind in ("plugin", "ip"):
            return  # networks were checked one by one
        try:
            self.check(spec.kind, spec.name, dict(spec.options))
        except ValueError as e:
            self.document.problem("FGW506", *self._placed_better(where, str(e)))

    def try_plugins(self, wrong_with: TryPlugins) -> None:
        """Note what keeps a worker from making the plugins that routes use."""
        if not self._plugins:
            return
        said = wrong_with([spec for _, spec in self._plugins])
        for (where, _), text in zip(self._plugins, said, strict=True):
            if text:
                self.document.problem("FGW504", (*where, "class"), text)

    def _placed_better(self, where: Where, said: str) -> tuple[Where, str]:
        """The place that a message itself begins with: `request.set.X-A: ...`."""
        path, colon, rest = said.partition(": ")
        inner = (*where, *path.split("."))
        if colon and self.document.written(inner) == inner:
            return inner, rest
        return where, said


def _text(content: bytes) -> str:
    """A file's content as text."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Wrong("FGW503", "is not text in UTF-8, which a template is") from None


def _name(where: Where) -> str:
    """A policy's name: where it was written."""
    return ".".join(map(str, where))


def options(model: PolicyModel) -> dict[str, Any]:
    """The option map that a policy's builder gets."""
    if isinstance(model, Headers):
        return model.model_dump(mode="json", include={"request", "response"})
    if isinstance(model, Respond):
        said = model.model_dump(mode="json", include={"status", "body", "headers"})
        return said | ({"template": True} if model.template else {})
    if isinstance(model, Redirect):
        return model.model_dump(mode="json", include={"to", "status"})
    if isinstance(model, Health):
        return {"probe": model.probe}
    if isinstance(model, Ip):
        return model.model_dump(mode="json", include={"allow", "deny"})
    if isinstance(model, Websocket):
        return websocket_options(model)
    assert isinstance(model, Plugin)
    return {"class": model.class_, "options": model.options}
