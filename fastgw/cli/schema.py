"""`fastgw schema`: the JSON Schema of configurations."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of configurations, for editors.

    \b
    fastgw schema > fastgw.schema.json
    and as the first line of a YAML file:
    # yaml-language-server: $schema=fastgw.schema.json
    """
    from fastgw.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
