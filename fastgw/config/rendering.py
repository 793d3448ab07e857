"""The path that an upstream gets, worked out in Python for `fastgw explain`."""

from __future__ import annotations

import re
from urllib.parse import quote

from fastgw.config.near import Asked
from fastgw.ext.policy.template import Template
from fastgw.ext.route.regex import Pattern
from fastgw.plan.model import Rewrite

#: Bytes that stand for themselves in a path (RFC 3986 section 3.3), and escapes.
_SAFE = "-._~!$&'()*+,;=:@/%"
_GROUP = re.compile(r"\\([0-9])")


def forwarded_path(rewrite: Rewrite, asked: Asked, parameters: dict[str, str]) -> str:
    """The path after a rewrite; what only a worker knows stays a variable."""
    if asked.path == "*":
        return asked.path
    if rewrite.path:
        return _filled(rewrite.path, asked, parameters)
    if rewrite.regex:
        return _substituted(rewrite, asked.path)
    if rewrite.strip or rewrite.prefix:
        rest = asked.path.removeprefix(rewrite.strip)
        return rewrite.prefix + rest or "/"
    return asked.path


def _filled(template: str, asked: Asked, parameters: dict[str, str]) -> str:
    known = {
        "path": asked.path,
        "host": asked.host,
        "method": asked.request.method,
        "scheme": asked.request.scheme,
        "client.ip": asked.request.client,
    }
    parts = []
    for kind, text in Template(template).pieces:
        if kind == "text":
            parts.append(text)
        elif text.startswith("path."):
            parts.append(parameters.get(text.removeprefix("path."), ""))
        elif text in known:
            parts.append(quote(known[text], safe=_SAFE))
        elif text.partition(".")[0] in ("header", "query", "cookie"):
            kind, _, name = text.partition(".")
            values = asked.request.values(kind, name)
            parts.append(quote(values[0] if values else "", safe="-._~"))
        else:
            parts.append(f"{{{text}}}")
    return "".join(parts)


def _substituted(rewrite: Rewrite, path: str) -> str:
    raw = path.encode()
    found = Pattern(rewrite.regex).search(raw)
    if found is None or found[0] is None:
        return path
    groups = [(part or b"").decode() for part in found]
    made = _GROUP.sub(lambda m: groups[int(m[1])], rewrite.substitution)
    return path.replace(groups[0], made, 1) if groups[0] else made + path
