"""Texts without what references stand for: no message and no verb shows a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

#: Values of this length are looked for anywhere, in any case.
_ANYWHERE = 6
#: Shorter ones as words of their own; what is shorter still only where it is quoted.
_AS_WORD = 3
#: Where messages take a value apart: lines, groups of a substitution, variables of a template.
_PARTS = re.compile(r"[\r\n]+|\\.|\{[^}]*\}?")


class Redaction:
    """Puts each reference back in the place of its value."""

    def __init__(self, hidden: Mapping[str, str]) -> None:
        """`hidden`: what was brought -> how it is written."""
        self.hidden = dict(hidden)
        self._written: dict[str, str] = {}
        for value, written in self.hidden.items():
            for form in _forms(value):
                self._written.setdefault(form.lower(), written)
        longest_first = sorted(self._written, key=len, reverse=True)
        pattern = "|".join(map(_looked_for, longest_first))
        self._pattern = re.compile(pattern, re.I) if pattern else None

    def __call__(self, text: str) -> str:
        """The text without values."""
        if self._pattern is None:
            return text
        return self._pattern.sub(self._reference, text)

    def _reference(self, found: re.Match[str]) -> str:
        written = self._written.get(found[0].lower())
        # Some letters change their length with their case; whatever it was, it is not shown.
        return "${...}" if written is None else written


def _looked_for(form: str) -> str:
    """The expression that finds one form of a value."""
    literal = re.escape(form)
    if len(form) >= _ANYWHERE:
        return literal
    if len(form) >= _AS_WORD:
        return rf"(?<![\w]){literal}(?![\w])"
    return rf"(?<='){literal}(?=')"


def _forms(value: str) -> Iterator[str]:
    """The ways in which a value may stand in a text: as it is, escaped, as a host name, and
    the longer of its parts."""
    yield value
    yield repr(value)[1:-1]
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    yield from _as_host(value)
    for part in _PARTS.split(value):
        if len(part.strip()) >= _ANYWHERE:
            yield part.strip()


def _as_host(value: str) -> Iterator[str]:
    """What a host name that is not ASCII would be written as."""
    if value.isascii():
        return
    host = value.partition("/")[0].lower()
    try:
        yield host.encode("idna").decode()
    except UnicodeError:
        return
