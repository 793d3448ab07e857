"""Who may use the admin API; asked before anything of a request is looked at.

A unix socket is guarded by its file's mode. A TCP listener wants a bearer token, whatever
address it has, and a Host that names it: else a page that a browser has open could reach it
under a name of its own (DNS rebinding). A request that bears an Origin comes from a page,
and is refused unless the page is this listener's own. There are no cookies.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fastgw.control.api.problems import Problem

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class Guard:
    """ASGI middleware. `token`: None on a unix socket, where there is none to check."""

    def __init__(self, app: ASGIApp, token: str | None, hosts: Iterable[str] = ()) -> None:
        self.app = app
        self._digest = None if token is None else _digest(token.encode())
        self.hosts = {h.lower() for h in (*LOCAL_HOSTS, *hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            return
        try:
            self.check(Headers(scope=scope))
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def check(self, headers: Headers) -> None:
        """Raise a Problem for a request that is not allowed."""
        host = headers.get("host", "")
        if self._digest is not None and host_name(host) not in self.hosts:
            raise Problem(421, "wrong_host", "this listener does not go by the name in Host")
        origin = headers.get("origin")
        if origin is not None and (self._digest is None or urlsplit(origin).netloc != host):
            raise Problem(403, "foreign_origin", "requests from pages of other origins are refused")
        if self._digest is None:
            return
        if not self._is_token(headers.getlist("authorization")):
            raise Problem(
                401,
                "unauthorized",
                "a valid 'Authorization: Bearer TOKEN' is needed",
                {"www-authenticate": 'Bearer realm="fastgw"'},
            )

    def _is_token(self, fields: list[str]) -> bool:
        """In a time that does not depend on how much of it is right."""
        given = fields[0] if len(fields) == 1 else ""
        scheme, _, token = given.partition(" ")
        assert self._digest is not None
        same = hmac.compare_digest(_digest(token.strip().encode("latin-1")), self._digest)
        return same and scheme.lower() == "bearer"


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def host_name(host: str) -> str:
    """A Host field without its port, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()
