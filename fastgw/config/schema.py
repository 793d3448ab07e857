"""The JSON Schema of a configuration, for editors and other programs; from the models.

The schema accepts what the reader accepts, as far as a schema can tell: short forms, units,
and references wherever something else than free text is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel

from fastgw.config.defaults import shown_value
from fastgw.config.forms import LIST_OF
from fastgw.config.models import Config

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
#: A value that holds a reference: what it will be is known only where it is read.
REFERENCE: Final = {"type": "string", "pattern": r"\$\{(env|file):"}

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema of a configuration file."""
    made = Config.model_json_schema(by_alias=True)
    definitions = {name: _clean(part) for name, part in made.pop("$defs").items()}
    models = {model.__name__: model for model in _models(Config)}
    for name, part in definitions.items():
        _show_defaults(part, models[name])
        _each_property(part, _with_reference)
    top: Schema = {
        "$schema": DIALECT,
        "title": "fastgw configuration",
        **_clean({k: v for k, v in made.items() if k != "title"}),
    }
    top["$defs"] = {**definitions, "Reference": dict(REFERENCE)}
    filled: Schema = _with_lists(top, definitions)
    return filled


def _models(at: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of; some come more than once."""
    if isinstance(at, type) and issubclass(at, BaseModel):
        yield at
        for field in at.model_fields.values():
            yield from _models(field.annotation)
    for part in get_args(at):
        yield from _models(part)


def _show_defaults(part: Schema, model: type[BaseModel]) -> None:
    """Quantities as one would write them: the models hold milliseconds and bytes."""
    for name, field in model.model_fields.items():
        one = part["properties"].get(field.alias or name, {})
        if isinstance(one.get("default"), int) and not isinstance(one["default"], bool):
            said = shown_value(model, name, one["default"])
            one["default"] = int(said) if said.isdigit() else said


def _clean(part: Any) -> Any:
    """Without what describes Python: titles, nulls that stand for "not said", `\\z`."""
    if isinstance(part, list):
        return [_clean(one) for one in part]
    if not isinstance(part, dict):
        return part
    made: Schema = {}
    for key, value in part.items():
        if key == "properties":
            made[key] = {name: _clean(one) for name, one in value.items()}
        elif key == "patternProperties":
            made[key] = {name.replace(r"\z", "$"): _clean(one) for name, one in value.items()}
            made["additionalProperties"] = False
        elif key == "pattern":
            made[key] = value.replace(r"\z", "$")
        elif key in ("anyOf", "oneOf"):
            made.update(_alternatives(value))
        elif not (key in ("title", "exclude") or (key == "default" and _is_empty(value))):
            made[key] = _clean(value)
    return made


def _with_lists(part: Any, definitions: Schema) -> Any:
    """Short forms that are a list: the list that the long form's key takes."""
    if isinstance(part, list):
        return [_with_lists(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    if "anyOf" in part:
        long = next((one["$ref"] for one in part["anyOf"] if "$ref" in one), "").split("/")[-1]
        part = {**part, "anyOf": [_list_of(one, long, definitions) for one in part["anyOf"]]}
    return {key: _with_lists(value, definitions) for key, value in part.items()}


def _list_of(one: Schema, long: str, definitions: Schema) -> Schema:
    if LIST_OF not in one:
        return one
    taken: Schema = definitions[long]["properties"][one[LIST_OF]]
    many = next(a for a in taken.get("anyOf", [taken]) if a.get("type") == "array")
    return {k: v for k, v in many.items() if k != "description"}


def _is_empty(value: Any) -> bool:
    return value is None or isinstance(value, (dict, list))


def _alternatives(parts: list[Any]) -> Schema:
    """Flat, without null; a single one is no alternative."""
    flat: list[Any] = []
    for one in parts:
        if one == {"type": "null"}:
            continue
        cleaned = _clean(one)
        inner = cleaned.get("anyOf") if set(cleaned) == {"anyOf"} else None
        flat += inner or [cleaned]
    unique = [one for i, one in enumerate(flat) if one not in flat[:i]]
    return dict(unique[0]) if len(unique) == 1 else {"anyOf": unique}


def _each_property(part: Schema, change: Callable[[Schema], Schema]) -> None:
    for name, one in part.get("properties", {}).items():
        part["properties"][name] = change(one)


def _with_reference(part: Schema) -> Schema:
    """A property that is more than free text may be a reference as well."""
    if not _is_narrow(part):
        return part
    reference = {"$ref": "#/$defs/Reference"}
    if "anyOf" in part:
        return {**part, "anyOf": [*part["anyOf"], reference]}
    about: Schema = {k: v for k, v in part.items() if k in ("description", "default")}
    rest = {k: v for k, v in part.items() if k not in about}
    return {"anyOf": [rest, reference], **about}


def _is_narrow(part: Schema) -> bool:
    """Whether a schema refuses some text that a reference could be."""
    if "anyOf" in part:
        return all(_is_narrow(one) for one in part["anyOf"])
    if {"pattern", "enum", "const"} & set(part):
        return True
    return part.get("type") in ("integer", "boolean", "number")
