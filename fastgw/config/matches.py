"""`match`: the requests of a route, every alternative written out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from fastgw.config.document import Document
from fastgw.config.match_models import GroupMatch, PathItem, ValueMatch
from fastgw.config.models import Group, Route
from fastgw.config.networks import networks
from fastgw.config.patterns import host_pattern, path_pattern
from fastgw.config.problems import Where, did_you_mean
from fastgw.config.regexes import regex
from fastgw.config.wrong import Wrong, noted
from fastgw.fields import TOKEN
from fastgw.plan.layout import METHODS
from fastgw.plan.model import Condition, Match

#: Methods that a route may name.
ROUTABLE = tuple(m for m in METHODS if m not in ("OTHER", "CONNECT"))
#: Combinations of host and path that one route may ask for.
MAX_MATCHES = 1000

Kind = Literal["header", "query", "cookie"]
_KINDS: dict[str, Kind] = {"headers": "header", "query": "query", "cookies": "cookie"}


class _Path(NamedTuple):
    path: str
    prefix: bool
    regex: bool


class Matches:
    """Lowers the `match` of routes; what is wrong is noted in the document."""

    def __init__(
        self,
        document: Document,
        groups: Mapping[str, Group],
        listeners: Iterable[str],
        broken: set[Where],
    ) -> None:
        self.document, self.groups = document, groups
        self.listeners, self.broken = set(listeners), broken

    def of(self, name: str, route: Route, allow: frozenset[str]) -> tuple[Match, ...]:
        """Every combination of host and path of a route. `allow`: what it opens in paths."""
        where: Where = ("routes", name, "match")
        match, said = route.match, self.said(name, route)
        before = len(self.document.problems)
        if not said and match.path is None and ("routes", name) not in self.broken:
            self.document.problem("FGW004", where, "'match' is empty (everything is '/*')")
        hosts = [""]
        if "host" in said:
            hosts = self.each(*said.pop("host"), host_pattern)
        paths = [_Path("", True, False)]
        if match.path is not None:
            paths = list(self.paths((*where, "path"), match.path, allow))
        if len(hosts) * len(paths) > MAX_MATCHES:
            self.document.problem(
                "FGW208", where, f"more than {MAX_MATCHES} combinations of host and path"
            )
            return ()
        conditions = self.conditions(said) if said else {}
        if len(self.document.problems) > before:
            return ()  # without what is wrong it would ask for more than is meant
        return tuple(
            Match(path, prefix, host, regex=by_regex, **conditions)
            for host in hosts
            for path, prefix, by_regex in paths
        )

    def said(self, name: str, route: Route) -> dict[str, tuple[Where, Any]]:
        """What is asked for besides the path, by the route or else by its group."""
        found: dict[str, tuple[Where, Any]] = {}
        group = self.groups.get(route.group) if route.group else None
        scopes: list[tuple[Where, GroupMatch]] = [(("routes", name, "match"), route.match)]
        if group is not None:
            scopes.insert(0, (("groups", str(route.group), "match"), group.match))
        for where, scope in scopes:
            for field in scope.model_fields_set:
                value = getattr(scope, field)
                if value is not None and field != "path":
                    found[field] = ((*where, field), value)
        return found

    def paths(self, where: Where, items: list[PathItem], allow: frozenset[str]) -> Iterator[_Path]:
        """The paths, without those that are none."""
        for i, item in enumerate(items):
            at: Where = (*where, i) if isinstance(item, str) else (*where, i, "regex")
            found = noted(self.document, at, path_item, item, allow)
            if found is not None:
                yield found

    def each(self, where: Where, texts: list[Any], check: Any, *more: Any) -> list[Any]:
        """What a check makes of each text, without those that it refuses."""
        made = (
            noted(self.document, (*where, i), check, text, *more) for i, text in enumerate(texts)
        )
        return [one for one in made if one is not None]

    # -- conditions ----------------------------------------------------------------------

    def conditions(self, said: dict[str, tuple[Where, Any]]) -> dict[str, Any]:
        """The fields of a Match for everything but host and path."""
        found: dict[str, Any] = {}
        values: list[Condition] = []
        for key, (where, value) in said.items():
            if key == "method":
                found["methods"] = frozenset(self.each(where, value, method))
            elif key == "client":
                networks(self.document, where, value)
                found["clients"] = tuple(value)
            elif key == "listener":
                found["listeners"] = frozenset(self.each(where, value, self.listener))
            elif key == "sni":
                found["server_names"] = frozenset(self.each(where, value, server_name))
            else:
                values += self.values(where, _KINDS[key], value)
        if values:
            order = list(_KINDS.values())
            values.sort(key=lambda c: (order.index(c.kind), c.name))
            found["conditions"] = tuple(values)
        return found

    def values(
        self, where: Where, kind: Kind, written: Mapping[str, ValueMatch]
    ) -> Iterator[Condition]:
        """Headers, query parameters or cookies."""
        for name, value in written.items():
            if not name or (kind != "query" and not TOKEN.fullmatch(name)):
                self.document.problem(
                    "FGW208", (*where, name), f"'{name}' is no name of a {kind}", key=True
                )
                continue
            found = noted(self.document, (*where, name, "regex"), condition, kind, name, value)
            if found is not None:
                yield found

    def listener(self, name: str) -> str:
        """A listener's name."""
        if name not in self.listeners:
            raise Wrong(
                "FGW108", f"no listener '{name}' in 'listen'" + did_you_mean(name, self.listeners)
            )
        return name


def path_item(item: PathItem, allow: frozenset[str]) -> _Path:
    """A path, or a regular expression."""
    if isinstance(item, str):
        return _Path(*path_pattern(item, allow), False)
    return _Path(regex(item.regex), False, True)


def condition(kind: Kind, name: str, value: ValueMatch) -> Condition:
    """One condition; several values become one expression."""
    if value.regex is not None:
        return Condition(kind, name, "regex", regex(value.regex))
    if value.exact is None:
        return Condition(kind, name)
    if len(value.exact) == 1:
        return Condition(kind, name, "exact", value.exact[0])
    return Condition(kind, name, "regex", "|".join(map(re.escape, value.exact)))


def method(name: str) -> str:
    """A method that routes know."""
    if name in ROUTABLE:
        return name
    upper = name.upper()
    hint = f" (methods are upper case: '{upper}')" if upper in ROUTABLE else ""
    raise Wrong(
        "FGW205",
        f"no method that routes know: '{name}'{hint or did_you_mean(upper, ROUTABLE)}",
    )


def server_name(text: str) -> str:
    """A name that clients ask for in TLS: a host's, no address."""
    host = host_pattern(text)
    if not host or host.startswith("["):
        raise Wrong("FGW202", f"'{text}' is no name that a client can ask for in TLS")
    return host
