"""Help in sections: what people tune first comes first."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from fastgw.cli.ending import Ending

#: Sections that people look for first, in this order; others follow as they come.
FIRST = ("What is shown", "What it serves", "Processes", "Logs and metrics", "Logs")


class Option(click.Option):
    """An option with a section of the help, and an environment variable that its flag
    overrides."""

    def __init__(self, *declarations: Any, section: str = "Options", **more: Any) -> None:
        self.section = section
        super().__init__(*declarations, **more)

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """What is to be corrected: the flag, or the variable that stands for it."""
        name = self.name or ""
        if ctx and ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT:
            return f"{self.envvar} (environment)"
        return super().get_error_hint(ctx)


class Command(click.Command):
    """A command whose help lists options by section."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                name = parameter.section if isinstance(parameter, Option) else "Options"
                sections.setdefault(name, []).append(row)
        sections["Options"] = sections.pop("Options", [])  # --help and its like: last
        first = {name: sections[name] for name in FIRST if name in sections}
        for name, rows in {**first, **sections}.items():
            if rows:
                with formatter.section(name):
                    formatter.write_dl(rows)


class Group(Ending):
    """The verbs in the order in which one meets them."""

    def __init__(self, *args: Any, sections: dict[str, tuple[str, ...]], **more: Any) -> None:
        self.sections = sections
        super().__init__(*args, **more)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs by section; those of no section come last."""
        placed = [verb for verbs in self.sections.values() for verb in verbs]
        return [v for v in placed if v in self.commands] + sorted(self.commands.keys() - placed)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs, section by section."""
        rest = [
            v for v in self.list_commands(ctx) if not any(v in s for s in self.sections.values())
        ]
        for name, verbs in {**self.sections, "Other": tuple(rest)}.items():
            found = [(v, self.commands[v]) for v in verbs if v in self.commands]
            if found:
                with formatter.section(name):
                    formatter.write_dl([(v, _summary(c)) for v, c in found])


def _summary(command: click.Command) -> str:
    """The first sentence of a command's help, whole."""
    first = (command.help or "").partition("\n\n")[0]
    return " ".join(first.split()).partition(". ")[0].partition(";")[0].rstrip(".")
