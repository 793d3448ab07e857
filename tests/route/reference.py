"""The matcher's rules, said as plainly as possible; slow, and used to check the fast one."""

from __future__ import annotations

from fastgw.plan import Match, Route
from fastgw.plan.layout import METHODS, method_bits

NO_ROUTE, NO_METHOD = -1, -2


def host_rank(pattern: str, host: str) -> int | None:
    """How well a pattern fits: exact best, then the longest suffix, then the default."""
    if not pattern:
        return 0
    if pattern.startswith("*."):
        suffix = pattern[1:]
        return len(suffix) if host.endswith(suffix) and len(host) > len(suffix) else None
    return 1000 if pattern == host else None


def path_rank(match: Match, path: str) -> tuple[int, bool] | None:
    """Longer is better, exact better than a prefix of the same length."""
    if not match.prefix:
        return (len(match.path), True) if path == match.path else None
    if path == match.path or path.startswith(match.path + "/") or match.path == "":
        return (len(match.path), False)
    return None


def takes(match: Match, method: str, others: list[Match]) -> bool:
    """Whether a match takes a method; HEAD goes where GET goes, unless asked for by name."""
    if not match.methods or method in match.methods:
        return True
    return (
        method == "HEAD"
        and "GET" in match.methods
        and not any("HEAD" in other.methods for other in others)
    )


def allowed(match: Match, others: list[Match]) -> int:
    """The methods that a match takes, as bits."""
    return method_bits(frozenset(m for m in METHODS if takes(match, m, others)))


def same_place(a: Match, b: Match) -> bool:
    """Whether two matches differ by methods at most."""
    return (a.host, a.path, a.prefix) == (b.host, b.path, b.prefix)


def reference(routes: list[Route], host: str, path: str, method: str) -> tuple[int, int]:
    """The route and the methods of those that fit host and path."""
    every = [m for route in routes for m in route.matches]
    fits = []
    for i, route in enumerate(routes):
        for match in route.matches:
            by_host, by_path = host_rank(match.host, host), path_rank(match, path)
            if by_host is not None and by_path is not None:
                rank = (by_host, *by_path, bool(match.methods), -i)
                fits.append((rank, i, match))
    seen = 0
    for _, i, match in sorted(fits, key=lambda f: f[0], reverse=True):
        others = [m for m in every if same_place(m, match)]
        if takes(match, method, others):
            return i, seen
        seen |= allowed(match, others)
    return (NO_METHOD if fits else NO_ROUTE), seen
