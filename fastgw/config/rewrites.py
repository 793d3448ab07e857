"""`rewrite` and `host`: what the upstream gets as path and host."""

from __future__ import annotations

import re

from fastgw.config.document import Document
from fastgw.config.models import Rewrite
from fastgw.config.patterns import literal_path, parameters
from fastgw.config.problems import Where
from fastgw.config.wrong import Wrong, noted
from fastgw.ext.policy.path_rewriter import PathRewriter
from fastgw.plan.layout import PATH_ALLOW
from fastgw.plan.model import Match
from fastgw.plan.model import Rewrite as PlanRewrite

_AUTHORITY = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?\Z", re.IGNORECASE)
_EVERYTHING = frozenset(PATH_ALLOW)


def host_rule(text: str) -> str:
    """`keep`, `upstream`, or '=' and the name that is sent."""
    if text in ("keep", "upstream"):
        return text
    if not _AUTHORITY.match(text):
        raise Wrong("FGW202", f"'{text}' is not keep, upstream or a host name")
    return "=" + text


def rewrite(
    document: Document, where: Where, written: Rewrite, host: str, found: tuple[Match, ...]
) -> PlanRewrite:
    """The rewrite of a route with these matches; what is wrong is noted in the document."""
    front = written.strip_prefix is not None or written.prefix is not None
    ways = [front, written.path is not None, written.regex is not None]
    if sum(ways) > 1:
        document.problem(
            "FGW206", where, "says several of strip_prefix and prefix, path, regex; they exclude"
        )
        return PlanRewrite(host=host)
    more = {
        "host": host,
        "map_back": written.location == "map",
        "forwarded_prefix": written.forwarded_prefix,
    }
    if written.path is not None:
        check(document, (*where, "path"), {"path": written.path})
        return PlanRewrite(path=written.path, **more)  # type: ignore[arg-type]
    if written.regex is not None:
        regex = written.regex
        made = {"regex": regex.pattern, "substitution": regex.to}
        check(document, (*where, "regex"), made)
        return PlanRewrite(regex=regex.pattern, substitution=regex.to, **more)  # type: ignore[arg-type]
    strip, prefix = fronts(document, where, written, found)
    return PlanRewrite(strip, prefix, **more)  # type: ignore[arg-type]


def check(document: Document, where: Where, options: dict[str, str]) -> None:
    """Note what keeps a worker from building the rewriter."""
    try:
        PathRewriter("", options)
    except ValueError as e:
        document.problem("FGW206", where, str(e).removeprefix("path: "))


def fronts(
    document: Document, where: Where, written: Rewrite, found: tuple[Match, ...]
) -> tuple[str, str]:
    """What is taken off and put before; every path of the route must begin with the first."""
    strip = noted(document, (*where, "strip_prefix"), front_of, written.strip_prefix or "")
    prefix = noted(document, (*where, "prefix"), front_of, written.prefix or "")
    if strip is None or prefix is None:
        return "", ""
    if not strip and not prefix:
        document.problem("FGW206", where, "changes nothing")
    for match in found if strip else ():
        path = (match.path + "/*" if match.prefix else match.path) or "/*"
        if match.regex:
            said = "a route with a path by regex can't strip a prefix; use 'rewrite: {regex: ...}'"
        elif match.path != strip and not match.path.startswith(strip + "/"):
            said = f"the route's path '{path}' does not begin with '{strip}'"
        else:
            continue
        document.problem("FGW206", (*where, "strip_prefix"), said)
    return strip, prefix


def front_of(text: str) -> str:
    """The front of a path, without a slash at its end."""
    if not text or text == "/":
        return ""
    if not text.startswith("/"):
        raise Wrong("FGW206", f"'{text}' does not begin with a slash")
    if text.endswith(("/", "/*")):
        raise Wrong(
            "FGW206", f"'{text}' must not end in a slash or star (write '{text.rstrip('/*')}')"
        )
    if parameters(text) or "{" in text:
        raise Wrong("FGW206", f"'{text}' can't hold parameters; use 'rewrite: {{path: ...}}'")
    try:
        return literal_path(text, text, _EVERYTHING)
    except Wrong as e:
        raise Wrong("FGW206", e.message) from None
