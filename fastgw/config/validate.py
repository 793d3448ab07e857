"""From a document's plain values to models, and every error said in the file's own terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fastgw.config.document import Document
from fastgw.config.models import Config
from fastgw.config.problems import Where, did_you_mean

#: Keys of the language that this version lacks, wherever they may stand.
NOT_IN_THIS_VERSION: Final = frozenset(
    {
        "acme",
        "admin",
        "after",
        "allow",
        "api_key",
        "async",
        "auth",
        "basic_auth",
        "before",
        "cache",
        "circuit_breaker",
        "compress",
        "concurrency",
        "consumers",
        "cors",
        "discover",
        "ext_authz",
        "function",
        "graphql",
        "grpc",
        "health",
        "hmac",
        "jwt",
        "lambda",
        "log",
        "mcp",
        "metrics",
        "mirror",
        "oauth2",
        "oidc",
        "outlier",
        "queue",
        "quota",
        "rate_limit",
        "retry",
        "secrets",
        "slow_start",
        "state",
        "tls",
        "tracing",
        "transform",
        "validate",
    }
)
_TLS: Final = frozenset({"tls", "acme"})

#: What pydantic says, said shorter.
_TYPES: Final = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a map",
    "model_type": "must be a map",
    "int_from_float": "must be a whole number",
}

_BOUNDS: Final = {
    "greater_than_equal": ("ge", "must be {} or more"),
    "less_than_equal": ("le", "must be {} at the most"),
}


def validate(document: Document) -> tuple[Config | None, set[Where]]:
    """The configuration without what is wrong, and the parts that had something wrong.

    What can't be used is noted in the document and taken out, key by key, so that the rest
    can be checked as well; None when nothing is left. What is wrong only because something
    was taken out is not noted: its part is left out."""
    values: Any = document.value
    broken: set[Where] = set()
    if not isinstance(values, dict):
        if not document.problems:
            document.problem("FGW005", (), "a configuration is a map that begins with 'version: 1'")
        return None, broken
    while True:
        try:
            return Config.model_validate(values), broken
        except ValidationError as e:
            out: set[Where] = set()
            for error in e.errors():
                where = _written(error["loc"])
                part = _part(where, values)
                follows = part in broken
                if not follows:
                    _note(document, error)
                out.add(part if follows or error["type"] == "missing" else where)
            broken |= {_part(where, values) for where in out}
            broken |= {(meant,) for where in out if len(where) == 1 for meant in _meant(where)}
        if () in broken:
            return None, broken
        values = _without(values, out)


def _meant(where: Where) -> list[str]:
    """The key of the whole that a misspelt one stands for: what it says is missing there."""
    return get_close_matches(str(where[0]), Config.model_fields, 1)


def _written(loc: tuple[int | str, ...]) -> Where:
    """A location without the marks that say which form of a thing was read."""
    return tuple(p for p in loc if not (isinstance(p, str) and p[:1] in "<["))


def _part(where: Where, values: dict[str, Any]) -> Where:
    """What a place belongs to: a named thing, or a key of the whole."""
    if not where or where[0] not in values or where[0] == "version":
        return ()
    inner = values[str(where[0])]
    named = where[0] in ("listen", "upstreams", "groups", "policies", "routes")
    if named and len(where) > 1 and isinstance(inner, dict) and where[1] in inner:
        return where[:2]
    return where[:1]


def _without(value: Any, places: set[Where]) -> Any:
    """A copy without what stands at the places; of a list nothing can be left out, so all of
    it goes, and a short form goes whole."""
    inner: dict[Any, set[Where]] = {}
    for place in places:
        inner.setdefault(place[0], set()).add(place[1:])
    left: dict[str, Any] = {}
    for key, held in value.items():
        below = inner.get(key)
        if below is None:
            left[key] = held
        elif () not in below and isinstance(held, dict) and all(p[0] in held for p in below):
            left[key] = _without(held, below)
    return left


# -- messages ------------------------------------------------------------------------------


def _note(document: Document, error: ErrorDetails) -> None:
    """One of pydantic's errors, as a problem."""
    where, kind = _written(error["loc"]), error["type"]
    name = str(where[-1]) if where else ""
    if kind == "extra_forbidden":
        document.problem(*_unknown(where, name), key=True)
    elif kind == "missing":
        document.problem("FGW004", where[:-1], f"'{name}' is missing", key=len(where) > 1)
    elif "[key]" in error["loc"]:
        document.problem(*_bad_key(where, error), key=True)
    elif kind.startswith("FGW"):
        document.problem(kind, where, error["msg"])
    else:
        document.problem("FGW005", where, _message(error))


def _unknown(where: Where, name: str) -> tuple[str, Where, str]:
    """An unknown key: of another version, or misspelt."""
    if name in _TLS:
        return "FGW301", where, f"'{name}' is not in this version"
    if name in NOT_IN_THIS_VERSION:
        return "FGW007", where, f"'{name}' is not in this version"
    return "FGW003", where, "unknown key" + did_you_mean(name, keys_at(where[:-1]))


def _bad_key(where: Where, error: ErrorDetails) -> tuple[str, Where, str]:
    if error["type"].startswith("FGW"):
        return error["type"], where, error["msg"]
    name = str(where[-1])
    made = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:63]
    hint = f" (did you mean '{made}'?)" if made else ""
    return "FGW010", where, "invalid name: [a-z0-9][a-z0-9._-]{0,62}" + hint


def _message(error: ErrorDetails) -> str:
    """What is wrong with a value."""
    given = error["input"]
    kind = error["type"]
    if kind in _TYPES:
        hint = _quoting(given) if kind == "string_type" else ""
        return f"{_TYPES[kind]}, not {_kind(given)}{hint}"
    if kind == "literal_error":
        allowed = str(error["ctx"]["expected"]).replace("True", "true")
        words = [word.strip("' ") for word in allowed.replace(" or ", ",").split(",")]
        return f"must be {allowed}, not {_kind(given)}" + did_you_mean(str(given), words)
    if kind in _BOUNDS:
        bound = error["ctx"][_BOUNDS[kind][0]]
        unit = ", in bytes" if isinstance(given, str) else ""
        return _BOUNDS[kind][1].format(bound) + unit
    if kind in ("too_short", "string_too_short"):
        least = error["ctx"]["min_length"]
        return "must not be empty" if least == 1 else f"must hold {least} at the least"
    message = error["msg"]
    return message[:1].lower() + message[1:].replace("Input should", "should")


def _quoting(given: Any) -> str:
    """What was meant as text and reads as something else."""
    if isinstance(given, dict) and len(given) == 1 and None in given.values():
        return f' (quote it: "{{{next(iter(given))}}}")'
    return ", quote it" if isinstance(given, (int, float)) else ""


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}'" if isinstance(value, str) else str(value)


# -- what could have stood there -----------------------------------------------------------


def keys_at(where: Where) -> list[str]:
    """The keys of the map at `where`."""
    for model in _models(Config, where):
        return [f.alias or name for name, f in model.model_fields.items()]
    return []


def _models(annotation: Any, where: Where) -> Iterator[type[BaseModel]]:
    """The models that may stand at `where` below a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not where:
            yield annotation
        for name, field in annotation.model_fields.items():
            if where and where[0] == (field.alias or name):
                yield from _models(field.annotation, where[1:])
        return
    inner = get_args(annotation)
    if get_origin(annotation) in (dict, list):
        if where:
            yield from _models(inner[-1], where[1:])
        return
    for part in inner:
        yield from _models(part, where)
