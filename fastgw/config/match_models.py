"""Which requests a route takes, as it is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from fastgw.config.forms import Model, OneOrMore, Short, Texts

Method = Annotated[str, Field(examples=["GET", "POST"])]


class RegexPath(Model):
    """Paths by regular expression."""

    regex: str = Field(
        min_length=1,
        description="Must match the whole path; RE2's syntax. `(?P<name>...)` is a parameter.",
    )


#: A path: exact, `/*` at its end for what is below it as well, `{name}` for one segment,
#: `{name...}` for the rest; or {regex: ...}.
PathItem = str | RegexPath
PathPattern = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[RegexPath, Tag("<regex>")],
    Discriminator(lambda v: "<text>" if isinstance(v, str) else "<regex>"),
]


class ValueMatch(Model):
    """What a header, query parameter or cookie must be."""

    exact: Texts | None = Field(default=None, description="One of these values.")
    regex: str | None = Field(default=None, description="Must match the whole value; RE2's syntax.")
    present: Literal[True] | None = Field(
        default=None, description="It is there, whatever it holds."
    )

    @model_validator(mode="after")
    def check(self) -> ValueMatch:
        """Exactly one."""
        if sum(v is not None for v in (self.exact, self.regex, self.present)) != 1:
            raise PydanticCustomError("FGW208", "is a text, or one of exact, regex and present")
        return self


Values = dict[str, Annotated[ValueMatch, Short("exact", (str, list), "a text, or a list of texts")]]


def split_short(text: str) -> dict[str, Any]:
    """`host/path` -> host and path; `/path` leaves the host to the group."""
    if "://" in text:
        raise PydanticCustomError(
            "FGW203",
            "'{text}' is a URL; a match is host and path (did you mean '{meant}'?)",
            {"text": text, "meant": text.partition("://")[2]},
        )
    host, slash, path = text.partition("/")
    if not slash:
        raise PydanticCustomError(
            "FGW203",
            "'{text}' has no path (every path of a host is '{text}/*')",
            {"text": text},
        )
    found: dict[str, Any] = {"path": slash + path}
    return {**found, "host": host} if host else found


class GroupMatch(Model):
    """What every route of a group asks for, unless it says otherwise itself."""

    host: Texts | None = Field(
        default=None, description="Names, `*.example.com` for every name below one, `*` for any."
    )
    method: Annotated[list[Method], Field(min_length=1), OneOrMore()] | None = Field(
        default=None, description="Methods; GET takes HEAD as well. None said: every method."
    )
    headers: Values | None = Field(default=None, description="Name to value; each must fit.")
    query: Values | None = Field(default=None, description="Parameters of the query, likewise.")
    cookies: Values | None = Field(default=None, description="Cookies, likewise.")
    client: Texts | None = Field(default=None, description="Networks that the client is in one of.")
    listener: Texts | None = Field(default=None, description="Names of `listen` that it came by.")
    sni: Texts | None = Field(default=None, description="Names that the client asked for in TLS.")


class RouteMatch(GroupMatch):
    """Which requests a route takes: all of these must fit, and one of each list."""

    path: Annotated[list[PathPattern], Field(min_length=1), OneOrMore((str, dict))] | None = Field(
        default=None,
        description="Paths: `/a` exact, `/a/*` with what is below, `{name}` one segment,"
        " `{name...}` the rest, or `{regex: ...}`. None said: every path.",
    )


WrittenMatch = Annotated[RouteMatch, Short("path", (str,), "`host/path` or `/path`", split_short)]
