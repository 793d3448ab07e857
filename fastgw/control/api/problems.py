"""Errors of the admin API: RFC 9457 problem documents, for everything that goes wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """What is wrong with a request, or with what it asked for.

    `name` ends the document's `type`; `more` are further members of the document."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str = "",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail or name)
        self.status, self.name, self.detail = status, name, detail
        self.headers = headers or {}
        self.more = more

    def document(self) -> dict[str, Any]:
        """The document."""
        found: dict[str, Any] = {
            "type": f"urn:fastgw:admin:{self.name}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
        }
        if self.detail:
            found["detail"] = self.detail
        return found | self.more

    def response(self) -> Response:
        """The answer."""
        return JSONResponse(
            self.document(), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


async def on_problem(_request: Request, error: Exception) -> Response:
    """A problem that an endpoint raised."""
    assert isinstance(error, Problem)
    return error.response()


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """What the framework raises: no such path, no such method."""
    assert isinstance(error, HTTPException)
    name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return Problem(error.status_code, name, headers=dict(error.headers or {})).response()


async def on_failure(_request: Request, _error: Exception) -> Response:
    """A fault of ours; the log has the rest."""
    return Problem(500, "internal", "see the log of the control process").response()
