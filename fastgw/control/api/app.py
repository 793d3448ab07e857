"""The ASGI applications: the whole API, and /metrics alone."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fastgw.control.api import explain  # adds its endpoint to the table
from fastgw.control.api.endpoints import ENDPOINTS, Endpoint, metrics
from fastgw.control.api.guard import Guard
from fastgw.control.api.openapi import describe
from fastgw.control.api.problems import Problem, on_failure, on_http_exception, on_problem
from fastgw.control.node import Node

__all__ = ["ENDPOINTS", "admin_app", "explain", "metrics_app"]

HANDLERS = {Problem: on_problem, HTTPException: on_http_exception, Exception: on_failure}


def admin_app(node: Node, token: str | None = None, hosts: Iterable[str] = ()) -> ASGIApp:
    """Everything; `token` None for a unix socket."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for one in ENDPOINTS:
        by_path.setdefault(one.path, {})[one.method] = one
    routes = [_route(node, path, methods) for path, methods in by_path.items()]
    description = describe()

    async def openapi(_request: Request) -> Response:
        return JSONResponse(description)

    routes.append(Route("/openapi.json", openapi))
    return Guard(Starlette(routes=routes, exception_handlers=HANDLERS), token, hosts)


def metrics_app(node: Node) -> ASGIApp:
    """GET /metrics and nothing else, for everybody."""

    async def call(request: Request) -> Response:
        return await metrics(node, request)

    return Starlette(routes=[Route("/metrics", call)], exception_handlers=HANDLERS)


def _route(node: Node, path: str, methods: dict[str, Endpoint]) -> Route:
    """One path with all of its methods, so that a wrong method is told the right ones."""

    async def call(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await methods[method].call(node, request)

    return Route(path, call, methods=list(methods))
