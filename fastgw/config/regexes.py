"""Regular expressions: RE2's syntax, so that none of them can take long on a request."""

from __future__ import annotations

import re

from fastgw.config.wrong import Wrong
from fastgw.ext.route.regex import Pattern

_AROUND = re.compile(r"\(\?<?[=!]")


def regex(text: str) -> str:
    """The expression, if RE2 can read it; Wrong says why not."""
    try:
        Pattern(text)
    except ValueError as e:
        if _AROUND.search(text):
            raise Wrong("FGW209", f"'{text}': RE2 has no look-ahead and look-behind") from None
        raise Wrong("FGW209", str(e)) from None
    return text


def regex_names(text: str) -> frozenset[str]:
    """The names of the groups of an expression."""
    return frozenset(Pattern(text).names)
