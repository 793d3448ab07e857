"""The endpoints of the admin API: one table, which the routes and the OpenAPI description
are both made from.

An endpoint is a coroutine `(node, request) -> Response`; what goes wrong is raised as a
Problem.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fastgw.control.api.problems import Problem
from fastgw.control.channel import MasterGone
from fastgw.control.exposition import wanted_type
from fastgw.control.node import Node
from fastgw.log import LEVELS

Call = Callable[[Node, Request], Awaitable[Response]]
#: Bytes of a configuration that may be put.
MOST_CONFIG_BYTES = 16 << 20
#: Connections on a page.
MOST_CONNECTIONS = 100


@dataclass(frozen=True)
class Endpoint:
    """A path, a method, and what the OpenAPI description says of them."""

    method: str
    path: str
    call: Call
    summary: str
    #: Status -> what it means.
    answers: dict[int, str]
    #: JSON Schema of the answer's body; None: no JSON.
    schema: dict[str, Any] | None = None
    #: Query parameters: name -> (meaning, schema).
    query: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    #: Media type of the request's body; empty: it has none.
    takes: str = ""


ENDPOINTS: list[Endpoint] = []


def endpoint(method: str, path: str, **said: Any) -> Callable[[Call], Call]:
    """Add an endpoint to the table; its docstring's first line is the summary."""

    def add(call: Call) -> Call:
        summary = (call.__doc__ or "").strip().splitlines()[0]
        ENDPOINTS.append(Endpoint(method, path, call, summary, **said))
        return call

    return add


def shape(**properties: Any) -> dict[str, Any]:
    """The schema of an object that has all of these."""
    kinds = {int: "integer", str: "string", bool: "boolean", float: "number"}
    known = {k: v if isinstance(v, dict) else {"type": kinds[v]} for k, v in properties.items()}
    return {"type": "object", "properties": known, "required": list(known)}


def listed(**properties: Any) -> dict[str, Any]:
    """The schema of a list of such objects."""
    return {"type": "array", "items": shape(**properties)}


TEXTS = {"type": "array", "items": {"type": "string"}}


# -- health ----------------------------------------------------------------------------------


@endpoint("GET", "/healthz", answers={200: "It is alive."}, schema=shape(status=str))
async def healthz(node: Node, request: Request) -> Response:
    """Whether the control process is alive."""
    return JSONResponse({"status": "alive"})


@endpoint(
    "GET",
    "/readyz",
    answers={200: "Requests are taken.", 503: "They are not, or not for long."},
    schema=shape(status=str, workers_ready=int),
)
async def readyz(node: Node, request: Request) -> Response:
    """Whether the gateway takes requests."""
    ready = node.workers_ready
    if node.draining or not ready:
        why = "draining" if node.draining else "no worker is ready"
        raise Problem(503, "not_ready", why, workers_ready=ready)
    return JSONResponse({"status": "ready", "workers_ready": ready})


@endpoint("GET", "/metrics", answers={200: "Prometheus' text format, or OpenMetrics."})
async def metrics(node: Node, request: Request) -> Response:
    """Metrics of the whole gateway; docs/metrics.md lists them."""
    kind = wanted_type(request.headers.get("accept", ""))
    return Response(node.render_metrics(kind), headers={"content-type": kind})


# -- what runs -------------------------------------------------------------------------------


@endpoint(
    "GET",
    "/workers",
    answers={200: "Workers in the order of their slots."},
    schema=shape(
        workers=listed(slot=int, pid=int, state=str, started_s=float, restarts=int),
    ),
)
async def workers(node: Node, request: Request) -> Response:
    """The worker processes and how they are."""
    return JSONResponse({"workers": node.workers})


@endpoint(
    "GET",
    "/upstreams",
    answers={200: "Upstreams by name."},
    schema=shape(
        upstreams=listed(
            name=str,
            endpoints=listed(
                url=str, addresses=TEXTS, attempts=int, failures=int, open_attempts=int,
                idle_connections=int, busy_connections=int,
            ),
        ),
    ),
)  # fmt: skip
async def upstreams(node: Node, request: Request) -> Response:
    """The upstreams' endpoints and what was counted of them."""
    return JSONResponse({"upstreams": node.upstreams()})


@endpoint(
    "GET",
    "/connections",
    answers={
        200: "Sums by worker, as old as a second, and a page of connections.",
        400: "`after` or `limit` is none.",
    },
    schema=shape(
        open=int, accepted=int, exchanges=int,
        workers=listed(worker=str, open=int, accepted=int, timed_out=int, exchanges=int),
        connections=listed(
            id=int, worker=int, client=str, port=int, listener=str, state=str, age_ms=int,
            requests=int, route=str, received_bytes=int, sent_bytes=int, tls=str,
            server_name=str,
        ),
        next={"type": ["string", "null"]},
    ),
    query={
        "after": ("The `next` of the page before.", {"type": "string", "default": ""}),
        "limit": (
            f"Connections on a page, to {MOST_CONNECTIONS}; those that came together are never"
            " divided.",
            {"type": "integer", "minimum": 0, "maximum": MOST_CONNECTIONS, "default": 0},
        ),
    },
)  # fmt: skip
async def connections(node: Node, request: Request) -> Response:
    """How many client connections and requests there are, and with `limit` which."""
    limit = number(request, "limit", MOST_CONNECTIONS)
    page: dict[str, Any] = {"connections": [], "next": None}
    if limit:
        try:
            page = await node.page_of_connections(request.query_params.get("after", ""), limit)
        except ValueError as e:
            raise Problem(400, "bad_parameter", str(e)) from e
        except MasterGone as e:
            raise Problem(503, "worker_silent", str(e)) from e
    return JSONResponse({**node.connections(), **page})


# -- configuration ---------------------------------------------------------------------------


@endpoint(
    "GET",
    "/config",
    answers={200: "The generation that is running."},
    schema=shape(generation=int, hash=str, source={"type": "object"}, loaded_s=float),
)
async def config(node: Node, request: Request) -> Response:
    """Which configuration is running: number, hash and where it came from."""
    return JSONResponse(node.generation)


@endpoint(
    "PUT",
    "/config",
    answers={
        200: "It is right, and running unless `dry_run` was asked for.",
        409: "Another change is under way.",
        413: "It is too large.",
        422: "Something is wrong with it; nothing was changed.",
    },
    schema=shape(changed=bool, generation=int),
    query={"dry_run": ("Check it, change nothing.", {"type": "boolean", "default": False})},
    takes="application/yaml",
)
async def put_config(node: Node, request: Request) -> Response:
    """Check a configuration and switch to it. The file it replaces stays as it is."""
    text = await read_body(request)
    if flag(request, "dry_run"):
        said = await from_master(node.check_config(text))
        return JSONResponse({"changed": False, "generation": said["generation"]})
    return changed(await from_master(node.put_config(text)))


@endpoint(
    "POST",
    "/reload",
    answers={
        200: "The configuration was read again and is running.",
        409: "Another change is under way.",
        422: "Something is wrong with it; nothing was changed.",
    },
    schema=shape(changed=bool, generation=int),
)
async def reload(node: Node, request: Request) -> Response:
    """Read the configuration again and switch to it."""
    return changed(await from_master(node.reload()))


@endpoint(
    "PUT",
    "/log-level",
    answers={200: "It holds from now on.", 400: "There is no such level."},
    schema=shape(level=str),
    takes="application/json",
)
async def put_log_level(node: Node, request: Request) -> Response:
    """Set the least important level of the processes' log: {"level": "debug"}."""
    try:
        given = json.loads(await read_body(request, 4096))
    except ValueError:
        raise Problem(400, "bad_body", "not JSON") from None
    level = given.get("level") if isinstance(given, dict) else None
    if level not in LEVELS:
        raise Problem(400, "bad_level", f"level must be one of {', '.join(LEVELS)}")
    await from_master(node.set_log_level(level))
    return JSONResponse({"level": level})


@endpoint("GET", "/log-level", answers={200: "The level."}, schema=shape(level=str))
async def log_level(node: Node, request: Request) -> Response:
    """The least important level of the processes' log."""
    return JSONResponse({"level": node.log_level})


# -- helpers ---------------------------------------------------------------------------------


async def read_body(request: Request, most: int = MOST_CONFIG_BYTES) -> bytes:
    """The request's body, or 413."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise Problem(413, "too_large", f"more than {most} bytes", {"connection": "close"})
    return bytes(body)


def flag(request: Request, name: str) -> bool:
    """A query parameter that is true or false."""
    value = request.query_params.get(name, "false")
    if value not in ("true", "false"):
        raise Problem(400, "bad_parameter", f"{name} is either 'true' or 'false'")
    return value == "true"


def number(request: Request, name: str, most: int) -> int:
    """A query parameter that is a whole number from 0 to `most`; 0 where it is missing."""
    value = request.query_params.get(name, "0")
    if not (value.isascii() and value.isdigit() and int(value) <= most):
        raise Problem(400, "bad_parameter", f"{name} is a number from 0 to {most}")
    return int(value)


async def from_master(answer: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """What the master answered, or a Problem."""
    try:
        said = await answer
    except MasterGone as e:
        raise Problem(503, "master_gone", str(e)) from e
    if said.get("ok"):
        return said
    if said.get("busy"):
        raise Problem(409, "busy", "another change is under way")
    raise wrong_config([str(line) for line in said.get("errors", ())])


def wrong_config(errors: list[str]) -> Problem:
    """All that is wrong with a configuration."""
    return Problem(422, "bad_config", "nothing was changed", errors=errors)


def changed(said: dict[str, Any]) -> Response:
    """A change that was made."""
    return JSONResponse({"changed": True, "generation": said.get("generation", 0)})
