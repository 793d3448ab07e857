"""What functions are measured on: the same bytes for times and for instruction counts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.parser import read_corpus
from fastgw.bench.messages import answer, pattern
from fastgw.ext.policy.build import build_policy
from fastgw.ext.route.load import load_plan
from fastgw.ext.testing import drivers
from fastgw.plan import Match, ObjectSpec, PlanModel, Route, Step, build_plan
from fastgw.plan.layout import METHODS

ROUTES = 1000
QUIET = ObjectSpec("quiet", "quiet")
RESPONSES = [
    answer(b"x" * 128).partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nDate: Mon, 24 Nov 2025 10:00:00 GMT\r\nServer: origin\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Length: 5120\r\nETag: \"5f-abc\"\r\n"
    b"Cache-Control: private, max-age=60\r\nVary: Accept-Encoding, Cookie\r\n"
    b"Set-Cookie: session=abcdefghijklmnop; Path=/; HttpOnly; Secure; SameSite=Lax\r\n"
    b"Strict-Transport-Security: max-age=31536000\r\nX-Content-Type-Options: nosniff\r\n\r\n",
]  # fmt: skip
CHUNKED = answer(pattern(65536), chunk=4096).partition(b"\r\n\r\n")[2]
PATHS = [
    b"/",
    b"/api/v1/items/4711",
    b"/a/./b/../c//d",
    b"/caf%c3%a9/%7euser/%41bc",
    b"/" + b"x" * 500,
]
AUTHORITIES = [b"api.example.com", b"API.Example.com:8443", b"[2001:db8::1]:443", b"127.0.0.1:80"]
EDITS = {
    "request": {"set": {"X-Gateway": "bench", "X-Stage": "production"}},
    "response": {"set": {"X-Served-By": "bench"}, "remove": ["X-Powered-By"]},
}


def requests() -> list[bytes]:
    """The corpus of request heads."""
    return list(read_corpus().values())


def builders() -> dict[str, Callable[[str, dict[str, Any]], object]]:
    """Builders of a plan whose target does nothing."""
    policies = {
        kind: lambda name, options, kind=kind: build_policy(kind, name, options)
        for kind in ("headers", "ip")
    }
    return {"quiet": drivers.quiet_target, **policies}


def many_routes() -> Any:
    """A snapshot with a thousand routes by prefix."""
    routes = tuple(Route(f"r{i}", (Match(f"/r{i}"),), QUIET) for i in range(ROUTES))
    return load_plan(build_plan(PlanModel(routes)), builders())


def asked() -> list[tuple[bytes, bytes, int]]:
    """Requests of many_routes: found early, late, deep, and not at all."""
    get = METHODS.index("GET")
    paths = (b"/r0", b"/r999/items", b"/r500/a/b/c/d/e", b"/nothing/here")
    return [(b"api.example.com", path, get) for path in paths]


def one_route(*steps: Step) -> Any:
    """A snapshot with one route for everything."""
    return load_plan(build_plan(PlanModel((Route("all", (Match(""),), QUIET, steps),))), builders())


def dispatchers() -> dict[str, Any]:
    """Dispatchers by the driver that runs them: bare, and with one thing more each."""
    edits = Step(ObjectSpec("headers", "edits", EDITS))
    nowhere = os.open(Path(os.devnull), os.O_WRONLY)
    return {
        "drive_exchanges": drivers.dispatcher(one_route()),
        "drive_header_edits": drivers.dispatcher(one_route(edits)),
        "drive_metrics": drivers.dispatcher(one_route(), metrics=True),
        "drive_access_log": drivers.dispatcher(one_route(), log_fd=nowhere),
    }


def drives() -> dict[str, tuple[Callable[..., int], tuple[Any, ...]]]:
    """Every driver by name, with all its arguments but `rounds`."""
    made: dict[str, tuple[Any, ...]] = {
        "drive_requests": (requests(),),
        "drive_responses": (RESPONSES,),
        "drive_chunks": (CHUNKED,),
        "drive_paths": (PATHS,),
        "drive_authorities": (AUTHORITIES,),
        "drive_routes": (many_routes(), asked()),
        **{name: (d,) for name, d in dispatchers().items()},
    }
    return {name: (getattr(drivers, name), arguments) for name, arguments in made.items()}
