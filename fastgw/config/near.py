"""Near misses: routes that a request did not get, and why each lost.

This is told of a request whose route the matcher itself has found; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from ipaddress import ip_address, ip_network

from fastgw.config.requests import Request
from fastgw.config.taken import shown
from fastgw.ext.route.regex import Pattern
from fastgw.plan.model import Condition, Match, Route
from fastgw.plan.patterns import matcher_count, parse_path

#: More is not looked at by anybody.
MOST = 5
#: How alike two paths are that somebody may have mixed up.
_ALIKE = 0.72


@dataclass(frozen=True, slots=True)
class Miss:
    """A route that lost. `fits`: it would have taken the request if the other had not."""

    route: str
    match: str
    why: str
    fits: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the gateway compares it."""

    request: Request
    host: str
    path: str
    listener: str


def near_misses(
    asked: Asked, routes: Iterable[Route], winner: str | None, won: Match | None
) -> list[Miss]:
    """The routes that came nearest, those that fit first; one row a route."""
    found: list[tuple[float, Miss]] = []
    for route in routes:
        rows = [] if route.name == winner else [_row(asked, route, m, won) for m in route.matches]
        best = max((row for row in rows if row), key=lambda r: r[0], default=None)
        if best is not None:
            found.append(best)
    return [miss for _, miss in sorted(found, key=lambda f: (-f[0], f[1].route))[:MOST]]


def won_by(asked: Asked, route: Route) -> Match | None:
    """The match of a route that took the request: of those that fit, the most exact."""
    fitting = [m for m in route.matches if not list(failures(asked, m))]
    return max(fitting, key=lambda m: (_host_rank(m), _inverted(m), matcher_count(m)), default=None)


def _inverted(match: Match) -> tuple[int, ...]:
    return tuple(-n for n in parse_path(match).shape()[0])


def _row(asked: Asked, route: Route, match: Match, won: Match | None) -> tuple[float, Miss] | None:
    """A score and a row, or None for what is not near."""
    wrong = list(failures(asked, match))
    if not wrong:
        why = f"fits as well, but {beaten(match, won)}"
        return 10.0, Miss(route.name, shown(match), why, True)
    if len(wrong) > 1:
        return None
    kind, why = wrong[0]
    score = {"method": 8.0, "condition": 7.0, "host": 4.0}.get(kind, 0.0)
    if kind == "path":
        alike = SequenceMatcher(None, match.path, asked.path).ratio()
        if alike < _ALIKE and not _begins_alike(match.path, asked.path):
            return None
        score = 3.0 + alike
    return score, Miss(route.name, shown(match), why, False)


def _begins_alike(pattern: str, path: str) -> bool:
    first = pattern.split("/")[1:2]
    return bool(first and first[0]) and first == path.split("/")[1:2]


@lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    """An expression, compiled once."""
    return Pattern(text)


# -- what does not fit ---------------------------------------------------------------------


def failures(asked: Asked, match: Match) -> Iterator[tuple[str, str]]:
    """Everything about a match that the request does not fit: kind, and in words."""
    if not host_fits(match.host, asked.host):
        yield "host", f"host is '{asked.host}', not '{match.host}'"
    if not path_fits(match, asked.path):
        yield "path", _path_words(match, asked.path)
    method = asked.request.method
    if match.methods and not _takes(match.methods, method):
        only = ", ".join(sorted(match.methods))
        yield "method", f"method is {method}, not {only}"
    for condition in match.conditions:
        if not condition_fits(condition, asked.request):
            yield "condition", _condition_words(condition, asked.request)
    if match.clients and not client_fits(match.clients, asked.request.client):
        yield "condition", f"client {asked.request.client} is not in {', '.join(match.clients)}"
    if match.listeners and asked.listener not in match.listeners:
        names = ", ".join(sorted(match.listeners))
        yield "condition", f"it came by listener '{asked.listener}', not {names}"
    if match.server_names and not server_name_fits(match.server_names, asked.request.server_name):
        name = asked.request.server_name
        said = f"the TLS server name is '{name}'" if name else "there is no TLS server name"
        yield "condition", f"{said}, not {', '.join(sorted(match.server_names))}"


def _takes(methods: frozenset[str], method: str) -> bool:
    return method in methods or (method == "HEAD" and "GET" in methods)


def host_fits(pattern: str, host: str) -> bool:
    """Exact, below a wildcard, or any."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return not pattern or pattern == host


def path_fits(match: Match, path: str) -> bool:
    """Exact, below a prefix, with parameters, or the whole expression."""
    if match.regex:
        return pattern(match.path).fullmatch(path.encode()) is not None
    wanted, there = match.path.split("/")[1:], path.split("/")[1:]
    for i, segment in enumerate(wanted):
        if segment.startswith("{") and segment.endswith("...}"):
            return i < len(there)
        if i >= len(there):
            return False
        if segment.startswith("{") and segment.endswith("}"):
            if not there[i]:
                return False
        elif segment != there[i]:
            return False
    return match.prefix or len(wanted) == len(there)


def condition_fits(condition: Condition, request: Request) -> bool:
    """Any of the values fits."""
    values = request.values(condition.kind, condition.name)
    if condition.test == "present":
        return bool(values)
    if condition.test == "exact":
        return condition.value in values
    compiled = pattern(condition.value)
    encoded = (value.encode("utf-8", "surrogateescape") for value in values)
    return any(compiled.fullmatch(value) is not None for value in encoded)


def client_fits(networks: tuple[str, ...], client: str) -> bool:
    """The address is in one of the networks."""
    if client == "unix":
        return False
    address = ip_address(client)
    return any(address in ip_network(n) for n in networks)


def server_name_fits(names: frozenset[str], name: str) -> bool:
    """One of them, exact or below a wildcard."""
    return any(name == one or (one[:1] == "*" and host_fits(one, name)) for one in names)


def _path_words(match: Match, path: str) -> str:
    if match.regex:
        return f"path '{path}' does not fit '{match.path}'"
    if not match.prefix and path == match.path + "/":
        return f"path is '{path}', with a slash at its end"
    if not match.prefix and "{" not in match.path and path.startswith(match.path + "/"):
        return f"path '{match.path}' is exact, the request goes on after it ('/*' takes that)"
    if path + "/" == match.path:
        return f"path is '{path}', without the slash at the end"
    if path.lower() == match.path.lower():
        return f"path is '{path}': upper and lower case count"
    return f"path is '{path}', not '{match.path}{'/*' if match.prefix else ''}'"


def _condition_words(condition: Condition, request: Request) -> str:
    values = request.values(condition.kind, condition.name)
    kind = {"query": "query parameter"}.get(condition.kind, condition.kind)
    if not values:
        return f"{kind} '{condition.name}' is not there"
    wanted = "is there" if condition.test == "present" else f"'{condition.value}'"
    value = values[0].encode("ascii", "backslashreplace").decode()
    return f"{kind} '{condition.name}' is '{value}', not {wanted}"


# -- what goes first -----------------------------------------------------------------------


def _host_rank(match: Match) -> int:
    """Exact, then the wildcard with the longest suffix, then any."""
    if not match.host:
        return 0
    return len(match.host) if match.host.startswith("*.") else 1000


def beaten(match: Match, won: Match | None) -> str:
    """Why a match that fits did not win."""
    if won is None:
        return "another route takes all of this listener"
    if _host_rank(match) != _host_rank(won):
        return f"its host '{match.host or '*'}' is less exact than '{won.host}'"
    if parse_path(match).shape()[0] != parse_path(won).shape()[0] or match.regex:
        return f"its path is less exact than '{shown(won)}'"
    mine, its = matcher_count(match), matcher_count(won)
    if mine != its:
        return f"it has {mine} matchers, the other {its}"
    return "its priority is lower"
