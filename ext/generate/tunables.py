"""Generate the command line's table of timeouts and limits from the configuration's models.

    python -m fastgw.ext.generate.tunables [--check]

Writes `fastgw/cli/tunables.py`: the command line must not import the models, which cost a
fifth of a second.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import BaseModel

from fastgw.config.defaults import limit_defaults, timeout_defaults
from fastgw.config.limit_models import AllLimits, AllTimeouts
from fastgw.ext.generate import write

FILE = Path(__file__).resolve().parents[2] / "fastgw/cli/tunables.py"
HEAD = '''"""Timeouts and limits of the command line. Generated from the configuration's models; do
not edit (./dev generate)."""

from __future__ import annotations

#: Name in the configuration -> (default, what it is).
'''


def table(name: str, model: type[BaseModel], defaults: dict[str, str]) -> str:
    """One table, in the order of the model."""
    rows = "".join(
        f'    "{key}": (\n        "{defaults[key]}",\n        "{field.description}",\n    ),\n'
        for key, field in model.model_fields.items()
    )
    return f"{name} = {{\n{rows}}}\n"


def render() -> str:
    """The module."""
    timeouts = table("TIMEOUTS", AllTimeouts, timeout_defaults())
    return HEAD + timeouts + table("LIMITS", AllLimits, limit_defaults())


def main(argv: list[str]) -> int:
    """Write the module, or with --check say that it is stale."""
    return write({FILE: render()}, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
