"""What may be written about the processes instead of routes: the access log, DNS."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from fastgw.config.forms import Model, OneOrMore, Short, Texts
from fastgw.config.units import Duration


class LogRule(Model):
    """Conditions of a line that must all hold; docs/access-log.md explains them."""

    status: int | str | None = Field(
        default=None, description="`500`, `500-599` or `5xx`; 0 = no answer was begun."
    )
    slower_than: str | None = Field(default=None, description="The request took longer: `250ms`.")
    reason: Texts | None = Field(
        default=None, description="It ended for one of these (docs/reasons.md), or for `any`."
    )
    route: Texts | None = Field(default=None, description="It was one of these routes'.")
    method: Texts | None = Field(default=None, description="It had one of these methods.")
    path: Texts | None = Field(default=None, description="Its path begins with one of these.")


def rule_form(text: Any) -> Any:
    """`status=5xx,slower_than=1s`, as the command line has it."""
    pairs = [part.partition("=") for part in text.split(",")]
    made = {name.strip(): value.strip() for name, _, value in pairs}
    return {k: v.split("|") if k in _LISTS else v for k, v in made.items()}


_LISTS = ("reason", "route", "method", "path")
WrittenRule = Annotated[LogRule, Short("status", (str,), "`status=5xx,slower_than=1s`", rule_form)]
Rules = Annotated[list[WrittenRule], OneOrMore((str, dict))]


class AccessLog(Model):
    """A line for each request."""

    to: str | None = Field(
        default=None,
        description="`-` or `stdout`, `stderr`, a file's or a FIFO's path (relative to the"
        " configuration's), `unix:/path` or `tcp:ip:port`.",
    )
    format: str | None = Field(
        default=None,
        description="`json` (the default), `combined`, or a template:"
        " `'{client} {method} {path} {status}'`.",
    )
    fields: Texts | None = Field(
        default=None, description="Fields of a JSON line, in their order (docs/access-log.md)."
    )
    show: Texts | None = Field(
        default=None,
        description="What is not redacted: a header's name, `query.NAME`, or `query` for all.",
    )
    sample: float | str | None = Field(
        default=None, description="Part of the lines that is written: `10%` or `0.1`."
    )
    keep: Rules | None = Field(default=None, description="Lines that are always written.")
    skip: Rules | None = Field(
        default=None, description="Lines that are not written, unless a rule keeps them."
    )


WrittenAccessLog = Annotated[AccessLog, Short("to", (str,), "where the lines go")]


class Dns(Model):
    """How host names of servers are looked up."""

    servers: Texts | None = Field(
        default=None,
        description="Name servers, `ip` or `ip:port`, instead of those of `/etc/resolv.conf`.",
    )
    timeout: Annotated[Duration, Field(ge=100, le=60_000)] = Field(
        default=5000, description="For all tries of one lookup together."
    )
