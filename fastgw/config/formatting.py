"""One form of a configuration file, for `fastgw fmt`: comments and order stay."""

from __future__ import annotations

from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fastgw.config.problems import ConfigError
from fastgw.config.reader import read_text
from fastgw.config.references import References

WIDTH = 100


class Verbatim(References):
    """References that stay as they are written."""

    def resolved(self, text: str) -> str:
        """The text itself."""
        return text


class CannotFormat(Exception):
    """The formatted text would mean something else, or can't be made."""


def formatted(file: str, text: str) -> str:
    """The text in its one form: indented by two, lists by two below their key, one blank
    line at the most. ConfigError: it can't be read; CannotFormat: it is better left alone."""
    before = read_text(file, text, Verbatim())
    if before.errors:
        raise ConfigError(before.errors)
    if before.value is None:
        return text  # comments at the most, which have no form
    try:
        made = _round_trip(text)
    except YAMLError as e:
        raise CannotFormat(str(e)) from None
    after = read_text(file, made, Verbatim())
    if after.errors or after.value != before.value:
        raise CannotFormat("the result would mean something else")
    return made


def _round_trip(text: str) -> str:
    yaml = YAML()  # round-trip, YAML 1.2
    yaml.width = WIDTH
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    held: Any = yaml.load(text)
    out = StringIO()
    yaml.dump(held, out)
    return _spaced(out.getvalue())


def _spaced(text: str) -> str:
    """No space at the ends of lines, never two blank lines, one newline at the end."""
    lines: list[str] = []
    for line in text.splitlines():
        line = line.rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).rstrip("\n") + "\n"
