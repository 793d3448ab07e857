"""Hosts and paths of routes: checked, and brought into the form that requests have.

A request's path is compared after the path rule has normalised it, so a path that could
never come out of the rule is an error here, not a route that is silently never taken.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from fastgw.config.wrong import Wrong
from fastgw.plan.layout import MAX_SEGMENTS

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
#: Bytes that a path may hold as they are (RFC 3986 section 3.3), and the percent sign.
_NOT_PATH = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/%]")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
#: A path that the path rule leaves alone: nothing to look at more closely.
_PLAIN = re.compile(r"(?:/(?!\.)[A-Za-z0-9\-._~!$&'()+,;=:@]*)*\Z")
_PARAMETER = re.compile(r"\{([a-z_][a-z0-9_]{0,31})(\.\.\.)?\}\Z", re.IGNORECASE)
#: Escapes that the path rule refuses unless a route opens them.
_OPENED_BY = {"2F": "encoded_slash", "5C": "encoded_backslash", "00": "nul"}
#: Other things that it refuses, once escapes are normalised.
_ODDITIES = {
    "double_encoding": re.compile(r"%25(?:2[EF]|5C|25)", re.IGNORECASE),
    "dot_params": re.compile(r"/\.\.?(?:;|%3B)"),
}


# -- hosts ---------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
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


class Path(NamedTuple):
    """A path as the path rule leaves it; `prefix`: it takes what is below as well."""

    path: str
    prefix: bool


def path_pattern(text: str, allow: frozenset[str] = frozenset()) -> Path:
    """A path as the path rule leaves it, with parameters; Wrong says what is not possible."""
    if not text.startswith("/"):
        raise Wrong("FGW203", f"'{text}' does not begin with a slash")
    prefix = text.endswith("/*")
    path = text[:-2] if prefix else text
    if "{" in path or "}" in path:
        path = _with_parameters(text, path, prefix, allow)
    elif not _PLAIN.match(path):
        path = literal_path(text, path, allow)
    if path.count("/") > MAX_SEGMENTS:
        raise Wrong("FGW203", f"a path of more than {MAX_SEGMENTS} segments")
    return Path(path, prefix)


def parameters(path: str) -> tuple[str, ...]:
    """The names of the parameters of a path."""
    found = (_PARAMETER.match(segment) for segment in path.split("/") if "{" in segment)
    return tuple(m[1] for m in found if m)


def _with_parameters(text: str, path: str, prefix: bool, allow: frozenset[str]) -> str:
    """Segment by segment: a parameter, or literal text."""
    segments, names = path[1:].split("/"), set[str]()
    for i, segment in enumerate(segments):
        if "{" not in segment and "}" not in segment:
            continue
        found = _PARAMETER.match(segment)
        if found is None:
            raise Wrong(
                "FGW203",
                f"'{text}': '{segment}' is no parameter: a whole segment {{name}}, of letters,"
                " digits and '_'",
            )
        if found[2] and (prefix or i < len(segments) - 1):
            raise Wrong("FGW203", f"'{text}': '{segment}' takes the rest, so it must be the end")
        if found[1] in names:
            raise Wrong("FGW203", f"'{text}' has the parameter '{found[1]}' twice")
        names.add(found[1])
    literal = [f"/{s}" if "{" not in s else s for s in segments]
    normal = [literal_path(text, s, allow) if s[0] == "/" else f"/{s}" for s in literal]
    return "".join(normal)


def literal_path(text: str, path: str, allow: frozenset[str]) -> str:
    """Text of a path as the path rule leaves it; `text` is what it is part of."""
    if "*" in path:
        meant = f" (did you mean '{path.rstrip('*')}/*'?)" if path.endswith("*") else ""
        raise Wrong("FGW203", f"'{text}': a star is only possible as '/*' at the end{meant}")
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
