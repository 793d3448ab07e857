"""GET /explain: what the running generation does with a request, and why.

It is tried against the very plan that the workers have mapped, in a thread, so that metrics and
the log go on meanwhile. What a generation's plan was unpacked to is kept until the next one.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fastgw.config.explain import Explainer, of_plan
from fastgw.config.requests import BadRequest
from fastgw.config.requests import Request as Asked
from fastgw.config.requests import request as asked_for
from fastgw.control.api.endpoints import endpoint, shape
from fastgw.control.api.problems import Problem
from fastgw.control.node import Node

TEXT = {"type": "string"}


@endpoint(
    "GET",
    "/explain",
    answers={
        200: "Which route takes it and why, or how it is answered without one.",
        400: "That is no request.",
        503: "No generation runs yet.",
    },
    schema=shape(generation=int, hash=str, explanation={"type": "object"}),
    query={
        "method": ("Its method.", TEXT),
        "url": ("Path and query, with scheme and host or without.", TEXT),
        "header": ("`Name: value`; repeatable.", {"type": "array", "items": TEXT}),
        "client": ("Address that it comes from, or `unix`.", {**TEXT, "default": "127.0.0.1"}),
        "listener": ("Listener that it comes by; else the first of the URL's scheme.", TEXT),
        "server_name": ("Name that its TLS asks for; else the URL's host.", TEXT),
    },
)
async def explain(node: Node, request: Request) -> Response:
    """What the running configuration does with a request, and why."""
    asked = read_asked(request)
    said = request.query_params
    listener, server_name = said.get("listener"), said.get("server_name")
    # Taken together: another generation may come while the thread is at work.
    plan, number, digest = node.plan, node.number, node.generation["hash"]
    if plan is None:
        raise Problem(503, "not_ready", "no generation runs yet")

    def tell() -> dict[str, object]:
        explainer = explainer_of(node, plan)
        return asdict(explainer.explain(explainer.arrived(asked, listener, server_name)))

    try:
        told = await asyncio.to_thread(tell)
    except BadRequest as e:
        raise Problem(400, "bad_request", str(e)) from None
    return JSONResponse({"generation": number, "hash": digest, "explanation": told})


def read_asked(request: Request) -> Asked:
    """The request that the parameters describe, or 400."""
    said = request.query_params
    method, url = said.get("method", ""), said.get("url", "")
    client = said.get("client", "127.0.0.1")
    if not method or not url:
        raise Problem(400, "bad_request", "'method' and 'url' are needed")
    try:
        if client != "unix":
            ip_address(client)
        return asked_for(method, url, tuple(said.getlist("header")), client)
    except (BadRequest, ValueError) as e:
        raise Problem(400, "bad_request", str(e)) from None


def explainer_of(node: Node, plan: memoryview) -> Explainer:
    """What explains a plan; that of the last one asked is kept."""
    kept = node.explainer
    if kept is None or kept[0] is not plan:
        kept = node.explainer = plan, of_plan(plan)
    found: Explainer = kept[1]
    return found
