"""Generate docs/configuration.md from the configuration's models.

python -m fastgw.ext.generate.configuration_page [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from fastgw.config.defaults import limit_defaults, timeout_defaults
from fastgw.config.policy_base import PolicyModel
from fastgw.config.schema import json_schema
from fastgw.config.upstream_models import Scope
from fastgw.ext.generate import write

PAGE = Path(__file__).resolve().parents[2] / "docs/configuration.md"
HEAD = """# Configuration: every key

Generated from the models that check configurations (`./dev generate`); `fastgw schema` prints
the same as JSON Schema. [The language](configuration-language.md) says how keys work together,
[the tutorial](tutorial.md) starts from nothing, and each error has a page in
[errors](errors/README.md).

Keys without a default are needed. *not said* means that the scope around it decides, in the end
`defaults` and what stands in brackets.

"""
#: Heading of the section of each model, where its own name is not for users.
TITLES = {
    "AllTimeouts": "Timeouts of defaults",
    "RouteTimeouts": "Timeouts",
    "AllLimits": "Limits of defaults",
    "RouteLimits": "Limits",
    "HeaderEdits": "Header edits",
    "RouteMatch": "Match",
    "GroupMatch": "Match of a group",
    "RegexPath": "Path by regular expression",
    "ValueMatch": "Value match",
    "PolicyEntry": "Policy entry",
    "SplitShare": "Split share",
    "ErrorPage": "Error page",
}
#: Keys of every scope and of every policy.
SHARED = {f.alias or key for key, f in Scope.model_fields.items()} | set(PolicyModel.model_fields)
Schema = dict[str, Any]


def title(name: str) -> str:
    """The heading of a model's section."""
    return TITLES.get(name, name)


def link(name: str) -> str:
    """A link to a model's section."""
    return f"[{title(name).lower()}](#{title(name).lower().replace(' ', '-')})"


def kind(part: Schema) -> str:
    """What a schema takes, in words."""
    if "anyOf" in part:
        words = [kind(one) for one in part["anyOf"]]
        return " or ".join(dict.fromkeys(w for w in words if w))
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return "" if name == "Reference" else link(name)
    if "const" in part:
        return f"`{str(part['const']).lower()}`"
    if "enum" in part:
        return ", ".join(f"`{one}`" for one in part["enum"])
    if part.get("type") == "array":
        inner = kind(part["items"])
        return f"list of ({inner})" if " or " in inner else f"list of {inner}"
    if part.get("type") == "object":
        return mapping(part)
    return scalar(part)


def mapping(part: Schema) -> str:
    """A map whose keys are not fixed."""
    if "patternProperties" in part:
        (inner,) = part["patternProperties"].values()
        return f"map of names to {kind(inner)}"
    inner = part.get("additionalProperties")
    return f"map of texts to {kind(inner)}" if isinstance(inner, dict) else "map"


def scalar(part: Schema) -> str:
    """A text or number."""
    pattern = part.get("pattern", "")
    if pattern.endswith("(ms|s|m|h|d)$"):
        return "duration"
    if pattern.endswith("?)?B$"):
        return "size"
    if part.get("type") == "integer":
        least, most = part.get("minimum"), part.get("maximum")
        if least is not None and most is not None:
            return f"number {least} to {most}"
        return "number" if least is None else f"number from {least}"
    return {"string": "text", "boolean": "`true`, `false`", "number": "number"}.get(
        part.get("type", ""), "anything"
    )


def default(model: str, key: str, part: Schema, needed: bool) -> str:
    """The default column."""
    if needed:
        return "needed"
    if "default" in part:
        value = part["default"]
        return "empty" if value == "" else f"`{str(value).lower()}`"
    built_in = {}
    if "Timeouts" in model:
        built_in = timeout_defaults()
    if "Limits" in model:
        built_in = limit_defaults()
    return f"*not said* ({built_in[key]})" if key in built_in else ""


def cell(text: str) -> str:
    """Text in a table's cell."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def is_shared(item: tuple[str, Schema]) -> bool:
    """Whether a key belongs to many models alike: those come last."""
    return item[0] in SHARED


def section(name: str, heading: str, part: Schema) -> str:
    """A model's section: its sentence and its table."""
    about = part.get("description", "").split("\n\n")[0].replace("\n", " ")
    needed = part.get("required", ())
    rows = "".join(
        f"| `{key}` | {cell(kind(one))} | {default(name, key, one, key in needed)}"
        f" | {cell(one.get('description', ''))} |\n"
        for key, one in sorted(part.get("properties", {}).items(), key=is_shared)
    )
    head = "| key | takes | default | what it is |\n|---|---|---|---|\n"
    return f"## {heading}\n\n{about}\n\n{head}{rows}"


def named(part: Any) -> list[str]:
    """Models that a schema names, in order."""
    return [m for m in re.findall(r"#/\$defs/(\w+)", str(part)) if m != "Reference"]


def render() -> str:
    """The whole page: the file, then each model where it is first named."""
    schema = json_schema()
    definitions = schema["$defs"]
    parts = [section("Config", "The file", {**schema, "description": "A map of these keys."})]
    waiting, seen = named(schema["properties"]), set[str]()
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen.add(name)
            parts.append(section(name, title(name), definitions[name]))
            waiting += named(definitions[name])
    return HEAD + "\n".join(parts)


def main(argv: list[str]) -> int:
    """Write the page, or with --check say that it is stale."""
    return write({PAGE: render()}, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
