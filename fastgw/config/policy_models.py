"""Policies as they are written: a key of a scope, or an entry of its `policies` list."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from fastgw.config.edge import WrittenWebsocket
from fastgw.config.forms import Model, OneOrMore, Short
from fastgw.config.policy_base import PolicyModel
from fastgw.fields import RESERVED

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLUGIN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*\Z")
Stage = Literal["ingress", "identity", "access", "limit", "cache", "shape", "balance"]


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


HeaderName = Annotated[str, AfterValidator(header_name)]
HeaderValue = Annotated[str, AfterValidator(header_value)]


class HeaderEdits(Model):
    """Edits of one head: removed first, then set, then added."""

    remove: Annotated[list[HeaderName], OneOrMore()] = Field(
        default=[], description="Names whose fields go."
    )
    set: dict[HeaderName, HeaderValue] = Field(
        default={}, description="Name to value; one field in place of all of that name."
    )
    add: dict[HeaderName, Annotated[list[HeaderValue], OneOrMore()]] = Field(
        default={}, description="Name to value, or to a list of values; one more field each."
    )


class Headers(PolicyModel):
    """Edits of the request's head on its way to the upstream, and of the answer's."""

    request: HeaderEdits = Field(
        default=HeaderEdits(), description="Edits of what the upstream gets."
    )
    response: HeaderEdits = Field(
        default=HeaderEdits(), description="Edits of what the client gets."
    )

    @model_validator(mode="after")
    def check(self) -> Headers:
        """Not a policy that edits nothing."""
        if not any((e.set, e.add, e.remove) != ({}, {}, []) for e in (self.request, self.response)):
            raise PydanticCustomError("FGW505", "edits nothing")
        return self


class Respond(PolicyModel):
    """A fixed answer."""

    status: int = Field(default=200, description="200 to 599.")
    body: str = Field(default="", description="The content.")
    file: str | None = Field(
        default=None,
        description="A file that holds it, relative to the configuration's; at most 1 MiB.",
    )
    template: bool = Field(
        default=False,
        description="Whether the content holds variables (`{path.id}`), which are escaped as its"
        " Content-Type asks.",
    )
    headers: dict[HeaderName, HeaderValue] = Field(default={}, description="Fields of the answer.")

    @model_validator(mode="after")
    def check(self) -> Respond:
        """No informational status: it would not end the exchange."""
        if not 200 <= self.status <= 599:
            raise PydanticCustomError(
                "FGW503", "status {status} is not one of 200 to 599", {"status": self.status}
            )
        if self.body and self.file is not None:
            raise PydanticCustomError("FGW503", "'body' and 'file' exclude each other")
        if self.template and not self.body and self.file is None:
            raise PydanticCustomError("FGW503", "a template needs 'body' or 'file'")
        return self


class Redirect(PolicyModel):
    """A redirect to elsewhere."""

    to: Annotated[HeaderValue, Field(min_length=1)] = Field(
        description="Where to; may hold variables."
    )
    status: int = Field(default=302, description="301, 302, 303, 307 or 308.")

    @model_validator(mode="after")
    def check(self) -> Redirect:
        """The statuses whose Location is followed."""
        if self.status not in (301, 302, 303, 307, 308):
            raise PydanticCustomError(
                "FGW503", "status {status} is not a redirect", {"status": self.status}
            )
        return self


class Health(PolicyModel):
    """Whether the gateway is alive, or ready for more."""

    probe: Literal["ready", "live"] = Field(
        description="`live`: 200 for as long as it answers. `ready`: 503 from the moment that the"
        " gateway is told to end."
    )


class Ip(PolicyModel):
    """Who may come in by address: no one in `deny`; with `allow`, only who is in it."""

    allow: Annotated[list[str], OneOrMore()] = Field(
        default=[], description="If it names anybody, everybody else is refused."
    )
    deny: Annotated[list[str], OneOrMore()] = Field(
        default=[], description="Networks that are refused, whatever `allow` says."
    )

    @model_validator(mode="after")
    def check(self) -> Ip:
        """Not a policy that lets everyone in."""
        if not self.allow and not self.deny:
            raise PydanticCustomError("FGW505", "neither 'allow' nor 'deny' holds a network")
        return self


class Plugin(PolicyModel):
    """A policy in Python."""

    class_: str = Field(alias="class", description="`module:Class`.")
    options: dict[str, Any] = Field(default={}, description="Handed to its constructor.")
    stage: Stage | None = Field(
        default=None, description="Where in the order of policies it stands; `access` if not said."
    )

    @model_validator(mode="after")
    def check(self) -> Plugin:
        """module:Class"""
        if not _PLUGIN.match(self.class_):
            raise PydanticCustomError(
                "FGW504", "'{name}' is not module:Class", {"name": self.class_}
            )
        return self


class PolicyKinds(Model):
    """A policy of each kind at most."""

    ip: Ip | None = Field(default=None, description="Who may come in, by address.")
    headers: Headers | None = Field(default=None, description="Edits of header fields.")
    respond: Annotated[Respond, Short("status", (int,), "a status")] | None = Field(
        default=None, description="A fixed answer."
    )
    redirect: Annotated[Redirect, Short("to", shows="where to")] | None = Field(
        default=None, description="A redirect."
    )
    websocket: WrittenWebsocket | None = Field(
        default=None, description="WebSocket is let through; without it such requests get 403."
    )
    plugin: Annotated[Plugin, Short("class", shows="module:Class")] | None = Field(
        default=None, description="A policy in Python."
    )

    def given(self) -> dict[str, PolicyModel]:
        """The policies that are written here, by key."""
        return {
            key: value
            for key in PolicyKinds.model_fields
            if key in self.model_fields_set and isinstance(value := getattr(self, key), PolicyModel)
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

    policies: list[PolicyOrName] | None = Field(
        default=None, description="Further policies: `{kind: options}`, or names of `policies`."
    )
    policies_more: list[PolicyOrName] | None = Field(
        default=None, alias="policies+", description="Appended to the list of the scope around it."
    )
