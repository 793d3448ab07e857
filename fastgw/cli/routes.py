"""`fastgw routes`: the routes of a configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from fastgw.cli.help import Command
from fastgw.cli.source import file_argument, needed_file, option

if TYPE_CHECKING:
    from fastgw.config.build import Built
    from fastgw.plan.model import Route


WHICH = "Which routes"


@click.command(cls=Command)
@file_argument
@option("--name", section=WHICH, metavar="TEXT", envvar=None, help="Names that hold this text.")
@option("--match", section=WHICH, metavar="TEXT", envvar=None, help="Host or path holds this text.")
@option("--upstream", section=WHICH, metavar="NAME", envvar=None, help="Routes to this upstream.")
@option(
    "--policy",
    section=WHICH,
    metavar="KIND",
    envvar=None,
    help="Routes with a policy of this kind, such as ip.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def routes(
    name: str | None,
    match: str | None,
    upstream: str | None,
    policy: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """List the routes of a configuration: what they take, where it goes, through what."""
    from fastgw.cli.reading import read
    from fastgw.cli.table import show_table
    from fastgw.config.problems import did_you_mean

    built = read(needed_file(options), offline=True)
    rows = [row_of(built, route) for route in built.model.routes if route.name in built.layers]
    found = [
        row
        for row in rows
        if (name is None or name in row["name"])
        and (match is None or any(match in m for m in row["match"]))
        and (upstream is None or upstream in row["upstreams"])
        and (policy is None or policy in row["policies"])
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        kinds = {kind for row in rows for kind in row["policies"]}
        hint = did_you_mean(upstream or "", built.config.upstreams) or did_you_mean(
            policy or "", kinds
        )
        click.echo(f"none of {len(rows)} routes fits{hint}", err=True)
        return
    show_table(
        ("route", "match", "methods", "upstream", "policies"),
        [
            (
                row["name"],
                " ".join(row["match"]),
                ",".join(row["methods"]) or "any",
                " ".join(row["upstreams"]) or "-",
                " ".join(row["policies"]) or "-",
            )
            for row in found
        ],
    )


def row_of(built: Built, route: Route) -> dict[str, Any]:
    """What is shown of a route."""
    from fastgw.config.taken import shown
    from fastgw.plan.model import Split

    target = route.target
    if isinstance(target, Split):
        upstreams = [part.target.name for part in target.parts]
    else:
        upstreams = [target.name] if target.kind == "http" else []
    methods = frozenset().union(*(m.methods for m in route.matches)) if route.matches else ()
    return {
        "name": route.name,
        "match": [built.document.redacted(shown(m)) for m in route.matches],
        "methods": sorted(methods),
        "upstreams": upstreams,
        "policies": [step.policy.kind for step in route.steps],
        "place": built.document.place(("routes", route.name)),
    }
