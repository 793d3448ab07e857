"""The OpenAPI 3.1 description, from the table of endpoints."""

from __future__ import annotations

from typing import Any

from fastgw import __version__
from fastgw.control.api.endpoints import ENDPOINTS, TEXTS, Endpoint, shape
from fastgw.control.api.problems import MEDIA_TYPE

PROBLEM = {"$ref": "#/components/schemas/Problem"}


def describe() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.path, {})[one.method.lower()] = operation(one)
    problem = shape(type=str, title=str, status=int)
    problem["properties"] |= {"detail": {"type": "string"}, "errors": TEXTS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fastgw admin API",
            "version": __version__,
            "description": "On the unix socket of the run directory, without a token, or on TCP "
            "with one.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {"Problem": problem},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def operation(one: Endpoint) -> dict[str, Any]:
    """One endpoint."""
    found: dict[str, Any] = {
        "operationId": one.call.__name__,
        "summary": one.summary,
        "responses": {str(status): answer(one, status) for status in one.answers}
        | {"default": {"description": "Something went wrong.", "content": problem_content()}},
    }
    if one.query:
        found["parameters"] = [
            {"name": name, "in": "query", "description": text, "schema": schema}
            for name, (text, schema) in one.query.items()
        ]
    if one.takes:
        body = {"schema": {"type": "object" if one.takes.endswith("json") else "string"}}
        found["requestBody"] = {"required": True, "content": {one.takes: body}}
    return found


def answer(one: Endpoint, status: int) -> dict[str, Any]:
    """One of its answers."""
    if status >= 400:
        content = problem_content()
    elif one.schema is None:
        content = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": one.schema}}
    return {"description": one.answers[status], "content": content}


def problem_content() -> dict[str, Any]:
    """The body of an error."""
    return {MEDIA_TYPE: {"schema": PROBLEM}}
