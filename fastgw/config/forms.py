"""What the models are made of: strict maps, names, lists of one, and short forms.

A short form becomes the long one before a model looks at it, so that each thing has one
shape afterwards; the JSON schema knows both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}\z")]

#: In a schema under construction: the list that a key of the long form takes.
LIST_OF = "x-list-of"
_SCHEMAS: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
}


class Model(BaseModel):
    """No unknown keys, no conversions: text is text, and a number a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Form:
    """A way to write something: `read` makes of it what the model takes, before it looks."""

    __slots__ = ()

    def read(self, value: Any) -> Any:
        """What is meant; what is of no form of this stays as it is, or is an error."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))


@dataclass(frozen=True, slots=True)
class Short(Form):
    """A short form: a value of one of the `kinds` stands for {key: it}, or for what `widen`
    makes of it. `shows` says how it looks, for the reference."""

    key: str
    kinds: tuple[type, ...] = (str,)
    shows: str = ""
    widen: Callable[[Any], Any] | None = None

    def read(self, value: Any) -> Any:
        """The long form."""
        if not isinstance(value, self.kinds) or (
            isinstance(value, bool) and bool not in self.kinds
        ):
            return value
        return {self.key: value} if self.widen is None else self.widen(value)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        long = handler(schema)
        #: A list is the long form's own list; schema.py puts it there.
        short = [_SCHEMAS.get(kind) or {LIST_OF: self.key} for kind in self.kinds]
        return {"anyOf": [*map(dict, short), long]}


@dataclass(frozen=True, slots=True)
class OneOrMore(Form):
    """One value stands for a list of it, or for what `split` makes of it."""

    kinds: tuple[type, ...] = (str,)
    split: Callable[[Any], list[Any]] | None = None

    def read(self, value: Any) -> Any:
        """A list."""
        if not isinstance(value, self.kinds):
            return value
        return [value] if self.split is None else self.split(value)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


#: One text or a list of them, at least one.
Texts = Annotated[list[str], Field(min_length=1), OneOrMore()]
