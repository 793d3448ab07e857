"""Timeouts and limits as they are written; docs/server-behaviour.md says what starts and
stops each."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fastgw.config.forms import Model
from fastgw.config.units import CountOrNone, Duration, DurationOrNone, Size, SizeOrNone


class RouteTimeouts(Model):
    """Of exchanges, once the route is known."""

    connect: Duration | None = Field(
        default=None, description="Connecting to one upstream address; past it another is tried."
    )
    response_head: DurationOrNone | None = Field(
        default=None, description="Request sent until the upstream's response head."
    )
    idle: DurationOrNone | None = Field(
        default=None, description="No byte moves between client and upstream."
    )
    request: DurationOrNone | None = Field(
        default=None, description="Request head until the response head, retries included."
    )
    body_idle: DurationOrNone | None = Field(
        default=None, description="No byte of a request body while the gateway is ready to read."
    )
    linger: Duration | None = Field(
        default=None, description="Reading on after an early answer, before closing."
    )


class AllTimeouts(RouteTimeouts):
    """With those of connections, which have no route."""

    request_head: Duration | None = Field(
        default=None, description="First byte of a request's head until the head is whole."
    )
    keepalive: Duration | None = Field(
        default=None, description="Client connection without a request."
    )


HeadSize = Annotated[Size, Field(ge=1024, le=256 * 1024)]
TargetSize = Annotated[Size, Field(ge=256, le=64 * 1024)]
FieldLines = Annotated[int, Field(ge=8, le=1000)]


class RouteLimits(Model):
    """Of exchanges, once the route is known. Heads are read before that, by the limits of
    `defaults`, which therefore can only be narrowed here."""

    body: SizeOrNone | None = Field(default=None, description="Bytes of a request body.")
    head: HeadSize | None = Field(
        default=None, description="Bytes of a request head; no more than `defaults` says."
    )
    target: TargetSize | None = Field(
        default=None, description="Bytes of a request target; no more than `defaults` says."
    )
    fields: FieldLines | None = Field(
        default=None, description="Field lines of a head; no more than `defaults` says."
    )


class AllLimits(RouteLimits):
    """With those of connections and workers; those of heads hold for every listener."""

    head: HeadSize | None = Field(
        default=None, description="Bytes of a request head, 1 KiB to 256 KiB."
    )
    target: TargetSize | None = Field(
        default=None, description="Bytes of a request target, 256 B to 64 KiB."
    )
    fields: FieldLines | None = Field(default=None, description="Field lines of a head.")
    requests: CountOrNone | None = Field(
        default=None, description="Requests on one client connection."
    )
    memory: Annotated[Size, Field(ge=16 * 1024 * 1024)] | None = Field(
        default=None, description="Bytes of all buffers of one worker, 16 MiB at the least."
    )
