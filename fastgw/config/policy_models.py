"""Policies as they are written: a key of a scope, or an entry of its `policies` list."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fastgw.config.units import Duration
from fastgw.fields import RESERVED

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLUGIN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*\Z")
Stage = Literal["ingress", "identity", "access", "limit", "cache", "shape", "balance"]


class Model(BaseModel):
    """No unknown keys, no conversions: text is text, and a number a number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PolicyModel(Model):
    """What every policy takes besides its own options."""

    mode: Literal["enforce", "shadow", "off"] = "enforce"
    on_failure: Literal["reject", "pass"] = "reject"
    timeout: Duration | None = None


def header_name(name: str) -> str:
    """A token that is not the gateway's own to write."""
    if not _TOKEN.match(name):
        raise PydanticCustomError("FGW502", "'{name}' is not a header's name", {"name": name})
    if name.lower() in RESERVED:
        raise PydanticCustomError(
            "FGW502",
            "'{name}' belongs to the gateway{hint}",
            {
                "name": name,
                "hint": " (an upstream's 'host:' says what is sent)"
                if name.lower() == "host"
                else "",
            },
        )
    return name


def header_value(value: str) -> str:
    """Text without control bytes, so that it can never end the line."""
    if _CONTROL.search(value):
        raise PydanticCustomError("FGW502", "a header's value can't hold control characters")
    return value


def listed(value: Any) -> Any:
    """One text is a list of one."""
    return [value] if isinstance(value, str) else value


HeaderName = Annotated[str, AfterValidator(header_name)]
HeaderValue = Annotated[str, AfterValidator(header_value)]


class HeaderEdits(Model):
    """Edits of one head: removed first, then set, then added."""

    set: dict[HeaderName, HeaderValue] = {}
    add: dict[HeaderName, Annotated[list[HeaderValue], BeforeValidator(listed)]] = {}
    remove: list[HeaderName] = []


class Headers(PolicyModel):
    """Edits of the request's head on its way to the upstream, and of the answer's."""

    request: HeaderEdits = HeaderEdits()
    response: HeaderEdits = HeaderEdits()

    @model_validator(mode="after")
    def check(self) -> Headers:
        """Not a policy that edits nothing."""
        if not any((e.set, e.add, e.remove) != ({}, {}, []) for e in (self.request, self.response)):
            raise PydanticCustomError("FGW505", "edits nothing")
        return self


class Respond(PolicyModel):
    """A fixed answer."""

    status: int = 200
    body: str = ""
    headers: dict[HeaderName, HeaderValue] = {}

    @model_validator(mode="after")
    def check(self) -> Respond:
        """No informational status: it would not end the exchange."""
        if not 200 <= self.status <= 599:
            raise PydanticCustomError(
                "FGW503", "status {status} is not one of 200 to 599", {"status": self.status}
            )
        return self


class Redirect(PolicyModel):
    """A redirect to elsewhere."""

    to: Annotated[HeaderValue, Field(min_length=1)]
    status: int = 302

    @model_validator(mode="after")
    def check(self) -> Redirect:
        """The statuses whose Location is followed."""
        if self.status not in (301, 302, 303, 307, 308):
            raise PydanticCustomError(
                "FGW503", "status {status} is not a redirect", {"status": self.status}
            )
        return self


class Ip(PolicyModel):
    """Who may come in by address: no one in `deny`; with `allow`, only who is in it."""

    allow: list[str] = []
    deny: list[str] = []

    @model_validator(mode="after")
    def check(self) -> Ip:
        """Not a policy that lets everyone in."""
        if not self.allow and not self.deny:
            raise PydanticCustomError("FGW505", "neither 'allow' nor 'deny' holds a network")
        return self


class Plugin(PolicyModel):
    """A policy in Python."""

    class_: str = Field(alias="class")
    options: dict[str, Any] = {}
    stage: Stage | None = None

    @model_validator(mode="after")
    def check(self) -> Plugin:
        """module:Class"""
        if not _PLUGIN.match(self.class_):
            raise PydanticCustomError(
                "FGW504", "'{name}' is not module:Class", {"name": self.class_}
            )
        return self


def short(key: str, *kinds: type) -> BeforeValidator:
    """A short form of one of the `kinds` is {key: it}."""
    return BeforeValidator(
        lambda v: {key: v} if isinstance(v, kinds) and not isinstance(v, bool) else v
    )


class PolicyKinds(Model):
    """A policy of each kind at most."""

    headers: Headers | None = None
    respond: Annotated[Respond, short("status", int)] | None = None
    redirect: Annotated[Redirect, short("to", str)] | None = None
    ip: Ip | None = None
    plugin: Annotated[Plugin, short("class", str)] | None = None

    def given(self) -> dict[str, PolicyModel]:
        """The policies that are written here, by key."""
        return {
            key: value
            for key in PolicyKinds.model_fields
            if isinstance(value := getattr(self, key), PolicyModel)
        }


class PolicyEntry(PolicyKinds):
    """Exactly one policy: {kind: options}."""

    @model_validator(mode="after")
    def check(self) -> PolicyEntry:
        """Exactly one."""
        if len(self.given()) != 1:
            raise PydanticCustomError(
                "FGW501",
                "must be a map of one kind to its options: {kinds}",
                {"kinds": ", ".join(PolicyKinds.model_fields)},
            )
        return self


PolicyOrName = Annotated[
    Annotated[str, Tag("<name>")] | Annotated[PolicyEntry, Tag("<policy>")],
    Discriminator(lambda v: "<name>" if isinstance(v, str) else "<policy>"),
]


class PolicyScope(PolicyKinds):
    """A scope that has policies: keys replace those of the scope around it, `policies`
    replaces its list, `policies+` is appended to it."""

    policies: list[PolicyOrName] | None = None
    policies_more: list[PolicyOrName] = Field(default=[], alias="policies+")
