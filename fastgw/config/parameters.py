"""`{path.NAME}` in what a route says: every path of the route must have the parameter."""

from __future__ import annotations

import re
from typing import Any

from fastgw.config.document import Document
from fastgw.config.problems import Where, did_you_mean
from fastgw.plan.model import Route
from fastgw.plan.patterns import parameters

_NAMED = re.compile(r"(?<!\{)\{path\.([^}]*)\}")


class Parameters:
    """Looks for names of parameters that a route's paths don't have."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._named: dict[int, frozenset[str]] = {}

    def check(self, route: Route) -> None:
        """Note the names that the route's own rewrite and policies ask for in vain."""
        wanted = self.named(route.rewrite.path)
        for step in route.steps:
            if step.policy.kind == "respond" and not step.policy.options.get("template"):
                wanted |= self.of_options(step.policy.options.get("headers"))
            elif step.policy.kind != "plugin":
                wanted |= self.of_options(step.policy.options)
        if not wanted:
            return
        for match in route.matches:
            known = parameters(match)
            for name in sorted(wanted - known):
                self.document.problem(
                    "FGW210",
                    self.where(route, name),
                    f"'{{path.{name}}}': the path '{match.path}' has no such parameter"
                    + did_you_mean(name, known),
                )

    def of_options(self, options: Any) -> frozenset[str]:
        """The names in the options of a policy; many routes may share them."""
        found = self._named.get(id(options))
        if found is None:
            found = self._named[id(options)] = self.named(options)
        return found

    def named(self, value: Any) -> frozenset[str]:
        """The names in a value, however deep."""
        if isinstance(value, str):
            return frozenset(_NAMED.findall(value)) if "{path." in value else frozenset()
        if isinstance(value, dict):
            value = [*value.values()]
        if isinstance(value, (list, tuple)):
            return frozenset().union(*map(self.named, value)) if value else frozenset()
        return frozenset()

    def where(self, route: Route, name: str) -> Where:
        """Where the name is written, as far as that can be told."""
        if f"{{path.{name}}}" in route.rewrite.path:
            return ("routes", route.name, "rewrite", "path")
        return ("routes", route.name)
