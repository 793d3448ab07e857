"""The matcher's rules, said as plainly as possible; slow, and used to check the fast one.

Written from docs/routing.md alone: nothing of fastgw.plan but the model and the methods'
bits is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import parse_qsl

from fastgw.plan import Condition, Match, Route
from fastgw.plan.layout import METHODS, method_bits

NO_ROUTE, NO_METHOD = -1, -2
#: The regexes that tests use, and how many whole segments all that they fit begins with.
FRONTS = {
    "/[a-z]+": 0,
    "/a/[a-z]+": 1,
    "/a/(a|b).*": 1,
    "/ab?": 0,
    "/.*": 0,
    "/a/b/?": 1,
    "/a/b|/b/.*": 0,
}
STATIC, PARAMETER, REGEX, PREFIX = 0, 1, 2, 3


@dataclass(frozen=True)
class Request:
    """What a match looks at."""

    host: str
    path: str
    method: str = "GET"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    client: str = "192.0.2.1"
    listener: str = "main"
    values: dict[str, str] = field(default_factory=dict, compare=False)


def host_rank(pattern: str, host: str) -> int | None:
    """How well a pattern fits: exact best, then the longest suffix, then the default."""
    if not pattern:
        return 0
    if pattern.startswith("*."):
        suffix = pattern[1:]
        return len(suffix) if host.endswith(suffix) and len(host) > len(suffix) else None
    return 1000 if pattern == host else None


def path_rank(match: Match, path: str) -> tuple[int, ...] | None:
    """What sorts the fits of one path, best first; None = does not fit."""
    if match.regex:
        return regex_rank(match.path, path)
    wanted = match.path.split("/")[1:]
    asked = path.split("/")[1:]
    rest = bool(wanted) and wanted[-1].endswith("...}")
    if rest:
        wanted.pop()
    below = match.prefix or rest
    if len(asked) < len(wanted) + rest or (len(asked) > len(wanted) and not below):
        return None
    if not path.startswith("/"):
        return (PREFIX,) if match.prefix and not wanted else None
    rank = []
    for pattern, segment in zip(wanted, asked, strict=False):
        if pattern.startswith("{"):
            if not segment:
                return None
            rank.append(PARAMETER)
        elif pattern == segment:
            rank.append(STATIC)
        else:
            return None
    return (*rank, PREFIX if below else STATIC)


def regex_rank(pattern: str, path: str) -> tuple[int, ...] | None:
    """A regex stands behind the whole segments that everything it fits begins with."""
    if not re.fullmatch(pattern, path):
        return None
    return (*[STATIC] * FRONTS[pattern], REGEX)


def condition_fits(condition: Condition, request: Request) -> bool:
    """Whether any value of a header, parameter or cookie passes."""
    values = []
    if condition.kind == "header":
        values = [v for n, v in request.headers if n.lower() == condition.name.lower()]
    elif condition.kind == "query":
        pairs = parse_qsl(request.query, keep_blank_values=True, encoding="latin-1")
        values = [v for n, v in pairs if n == condition.name]
    else:
        for name, line in request.headers:
            if name.lower() == "cookie":
                for pair in line.split(";"):
                    name, _, value = pair.strip(" ").partition("=")
                    values += [value] * (name == condition.name)
    if condition.test == "exact":
        return condition.value in values
    if condition.test == "regex":
        return any(re.fullmatch(condition.value, v) for v in values)
    return bool(values)


def others_fit(match: Match, request: Request) -> bool:
    """Whether everything fits besides host, path and method."""
    if match.clients and not any(
        ip_address(request.client) in ip_network(n) for n in match.clients
    ):
        return False
    if match.listeners and request.listener not in match.listeners:
        return False
    return all(condition_fits(c, request) for c in match.conditions)


def place(match: Match) -> tuple[object, ...]:
    """What two matches have in common that differ by matchers at most."""
    path = match.path if match.regex else re.sub(r"\{\w+\}", "{}", match.path)
    below = match.prefix or path.endswith("...}")
    return match.host, match.regex, below, re.sub(r"/\{\w+\.\.\.\}$", "", path)


def covers(other: Match, match: Match) -> bool:
    """Whether `other` fits whatever `match` fits, methods aside."""
    return (
        set(other.conditions) <= set(match.conditions)
        and (not other.clients or other.clients == match.clients)
        and (not other.listeners or other.listeners == match.listeners)
    )


def takes(match: Match, method: str, every: list[Match]) -> bool:
    """Whether a match takes a method; HEAD goes where GET goes, unless a route of the same
    path asks for it by name."""
    if not match.methods or method in match.methods:
        return True
    return (
        method == "HEAD"
        and "GET" in match.methods
        and not any(
            "HEAD" in other.methods and place(other) == place(match) and covers(other, match)
            for other in every
        )
    )


def count(match: Match) -> int:
    """How many matchers there are besides host and path."""
    return len(match.conditions) + sum(map(bool, (match.methods, match.clients, match.listeners)))


def reference(routes: list[Route], request: Request) -> tuple[int, int]:
    """The route and the methods that those before it would have taken."""
    every = [m for route in routes for m in route.matches]
    fits = []
    for i, route in enumerate(routes):
        for match in route.matches:
            by_host, by_path = host_rank(match.host, request.host), path_rank(match, request.path)
            if by_host is not None and by_path is not None and others_fit(match, request):
                by_text = (-len(match.path), match.path) if match.regex else (0, "")
                rank = (-by_host, by_path, -count(match), -route.priority, by_text)
                fits.append((rank, i, match))
    seen = 0
    for _, i, match in sorted(fits, key=lambda f: f[0]):
        if takes(match, request.method, every):
            return i, seen
        seen |= method_bits(frozenset(m for m in METHODS if takes(match, m, every)))
    return (NO_METHOD if fits else NO_ROUTE), seen


def rivals(routes: list[Route], request: Request) -> bool:
    """Whether two routes want a request, and nothing says which gets it."""
    every = [m for route in routes for m in route.matches]
    found: dict[object, int] = {}
    for i, route in enumerate(routes):
        for match in route.matches:
            by_host, by_path = host_rank(match.host, request.host), path_rank(match, request.path)
            if by_host is None or by_path is None or not others_fit(match, request):
                continue
            if takes(match, request.method, every):
                text = match.path if match.regex else ""
                key = (by_host, by_path, count(match), route.priority, text)
                if found.setdefault(key, i) != i:
                    return True
    return False
