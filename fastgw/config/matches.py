"""`match` and `rewrite`: checked, and brought into the form that requests have.

A request's path is compared after the path rule has normalised it, so a path that could
never come out of the rule is an error here, not a route that is silently never taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv6Address
from typing import TypeVar

from fastgw.config.document import Document
from fastgw.config.models import RewritePath, RouteMatch
from fastgw.config.problems import Where, did_you_mean
from fastgw.plan.layout import MAX_SEGMENTS, METHODS, PATH_ALLOW
from fastgw.plan.model import Match, Rewrite

#: Methods that a route may name.
ROUTABLE = tuple(m for m in METHODS if m not in ("OTHER", "CONNECT"))

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
#: Bytes that a path may hold as they are (RFC 3986 section 3.3), and the percent sign.
_NOT_PATH = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
#: Escapes that the path rule refuses unless a route opens them.
_OPENED_BY = {"2F": "encoded_slash", "5C": "encoded_backslash", "00": "nul"}
#: Other things that it refuses, once escapes are normalised.
_ODDITIES = {
    "double_encoding": re.compile(r"%25(?:2[EF]|5C|25)", re.IGNORECASE),
    "dot_params": re.compile(r"/\.\.?(?:;|%3B)"),
}

T = TypeVar("T")


class Wrong(Exception):
    """What is wrong, with its code; turned into a problem by whoever knows where it stands."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(message)


def noted(document: Document, where: Where, check: Callable[..., T], *args: object) -> T | None:
    """What a check returns, or None after noting what it found wrong."""
    try:
        return check(*args)
    except Wrong as e:
        document.problem(e.code, where, e.message)
        return None


def matches(
    document: Document, where: Where, match: RouteMatch, allow: frozenset[str]
) -> tuple[Match, ...]:
    """Every combination of host and path; what is wrong is noted in the document."""
    methods = _methods(document, (*where, "method"), match.method or [])
    if match.short is not None:
        found = noted(document, where, short_form, match.short, allow)
        return () if found is None else (found,)
    if match.host is None and match.path is None and not match.method:
        document.problem("FGW004", where, "'match' is empty (everything is '/*')")
    hosts = [
        noted(document, (*where, "host", i), host_pattern, text)
        for i, text in enumerate(match.host or ["*"])
    ]
    paths = [
        noted(document, (*where, "path", i), path_pattern, text, allow)
        for i, text in enumerate(match.path or ["/*"])
    ]
    return tuple(
        Match(path[0], path[1], host, methods)
        for host in hosts
        if host is not None
        for path in paths
        if path is not None
    )


def short_form(text: str, allow: frozenset[str] = frozenset()) -> Match:
    """`host/path`, `/path`, `*/path`: exact, or a prefix with `/*` at the end."""
    host, slash, path = text.partition("/")
    if not slash:
        raise Wrong("FGW203", f"'{text}' has no path (every path of a host is '{text}/*')")
    path, prefix = path_pattern(slash + path, allow)
    return Match(path, prefix, host_pattern(host or "*"))


def _methods(document: Document, where: Where, names: list[str]) -> frozenset[str]:
    for i, name in enumerate(names):
        if name not in ROUTABLE:
            known = (
                did_you_mean(name.upper(), ROUTABLE)
                if name.upper() not in ROUTABLE
                else (f" (methods are upper case: '{name.upper()}')")
            )
            document.problem("FGW205", (*where, i), f"no method that routes know: '{name}'{known}")
    return frozenset(name for name in names if name in ROUTABLE)


# -- hosts ---------------------------------------------------------------------------------


def host_pattern(text: str) -> str:
    """A host as requests have it: lower case, no port; "" for every host."""
    if text == "*":
        return ""
    host = text.lower().removesuffix(".")
    if host.startswith("["):
        return _literal(text, host)
    if ":" in host:
        raise Wrong("FGW202", f"'{text}' has a port; hosts are compared without")
    if not host.isascii():
        raise Wrong("FGW202", f"'{text}' is not ASCII{_ascii_form(host)}")
    labels = host.removeprefix("*.").split(".")
    if len(host) > 253 or len(labels) > MAX_SEGMENTS:
        raise Wrong("FGW202", f"'{text}' is too long")
    for label in labels:
        if "*" in label:
            raise Wrong("FGW202", f"'{text}': a wildcard is '*.' before a name")
        if "{" in label:
            raise Wrong("FGW007", "parameters in hosts are not in this version")
        if not _LABEL.match(label):
            raise Wrong("FGW202", f"'{text}' is not a host name")
    return host


def _literal(text: str, host: str) -> str:
    try:
        IPv6Address(host.removeprefix("[").removesuffix("]"))
    except AddressValueError:
        raise Wrong("FGW202", f"'{text}' is not an IPv6 address in brackets") from None
    if not host.endswith("]"):
        raise Wrong("FGW202", f"'{text}' has a port; hosts are compared without")
    return host


def _ascii_form(host: str) -> str:
    try:
        return f" (write '{host.encode('idna').decode()}')"
    except UnicodeError:
        return ""


# -- paths ---------------------------------------------------------------------------------


def path_pattern(text: str, allow: frozenset[str] = frozenset()) -> tuple[str, bool]:
    """A path as the path rule leaves it, and whether it is a prefix."""
    if not text.startswith("/"):
        raise Wrong("FGW203", f"'{text}' does not begin with a slash")
    prefix = text.endswith("/*")
    path = text[:-2] if prefix else text
    if "{" in path:
        raise Wrong("FGW007", "parameters in paths are not in this version")
    if "*" in path:
        meant = f" (did you mean '{path.rstrip('*')}/*'?)" if path.endswith("*") else ""
        raise Wrong("FGW203", f"'{text}': a star is only possible as '/*' at the end{meant}")
    path = _normalised(text, path, allow)
    if path.count("/") > MAX_SEGMENTS:
        raise Wrong("FGW203", f"a path of more than {MAX_SEGMENTS} segments")
    return path, prefix


def _normalised(text: str, path: str, allow: frozenset[str]) -> str:
    odd = _NOT_PATH.search(path)
    if odd and odd[0] in "?#":
        raise Wrong("FGW203", f"'{text}' holds more than a path: '{odd[0]}'")
    if odd:
        encoded = "".join(f"%{b:02X}" for b in odd[0].encode())
        raise Wrong("FGW203", f"'{text}' holds '{odd[0]}' (write '{encoded}')")
    path = _ESCAPE.sub(lambda m: _escape(text, m, allow), path)
    if any(segment in (".", "..") for segment in path.split("/")):
        raise Wrong("FGW203", f"'{text}' has dot segments")
    for name, pattern in _ODDITIES.items():
        found = pattern.search(path)
        if found and name not in allow:
            raise _refused(text, found[0].strip("/"), name)
    return path


def _refused(text: str, what: str, name: str) -> Wrong:
    """The path rule would not let such a path come this far."""
    return Wrong(
        "FGW204", f"'{text}' can never match: {what} is refused (unless 'allow_path: [{name}]')"
    )


def _escape(text: str, found: re.Match[str], allow: frozenset[str]) -> str:
    """An escape as the path rule leaves it: unreserved bytes are written as they are."""
    if found[1] is None:
        raise Wrong("FGW203", f"'{text}' has a '%' without two hexadecimal digits")
    digits = found[1].upper()
    name = _OPENED_BY.get(digits)
    if name and name not in allow:
        raise _refused(text, f"%{digits}", name)
    byte = chr(int(digits, 16))
    return byte if _UNRESERVED.match(byte) else f"%{digits}"


# -- rewriting -----------------------------------------------------------------------------


def rewrite(
    document: Document, where: Where, written: RewritePath | None, found: tuple[Match, ...]
) -> Rewrite:
    """What is taken off and put before; every path of the route must begin with the first."""
    if written is None:
        return Rewrite()
    strip = noted(document, (*where, "strip_prefix"), _front, written.strip_prefix or "")
    prefix = noted(document, (*where, "prefix"), _front, written.prefix or "")
    if strip is None or prefix is None:
        return Rewrite()
    if not strip and not prefix:
        document.problem("FGW206", where, "changes nothing")
    for match in found:
        if match.path != strip and not match.path.startswith(strip + "/"):
            path = (match.path + "/*" if match.prefix else match.path) or "/*"
            document.problem(
                "FGW206",
                (*where, "strip_prefix"),
                f"the route's path '{path}' does not begin with '{strip}'",
            )
    return Rewrite(strip, prefix)


def _front(text: str) -> str:
    """The front of a path, without a slash at its end."""
    if not text or text == "/":
        return ""
    if not text.startswith("/"):
        raise Wrong("FGW206", f"'{text}' does not begin with a slash")
    if text.endswith(("/", "/*")):
        raise Wrong(
            "FGW206", f"'{text}' must not end in a slash or star (write '{text.rstrip('/*')}')"
        )
    try:
        return path_pattern(text, frozenset(PATH_ALLOW))[0]
    except Wrong as e:
        raise Wrong("FGW206", e.message) from None


# -- duplicates ----------------------------------------------------------------------------


class Taken:
    """Which route takes what, to find two that want the same."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[str, str, bool], list[tuple[frozenset[str], str]]] = {}

    def add(self, name: str, match: Match) -> str | None:
        """Note a match; the name of the route that takes some of it already, or None."""
        place = (match.host, match.path, match.prefix)
        there = self._by_place.setdefault(place, [])
        for methods, other in there:
            if methods & match.methods or not (methods or match.methods):
                return other
        there.append((match.methods, name))
        return None
