"""Policies in Python: the base class and the types that its hooks are given.

    class Greet(fastgw.Policy):
        async def on_request(self, request: fastgw.Request) -> fastgw.Response | None:
            if request.headers.get("x-api-key") is None:
                return fastgw.Response(401, {"WWW-Authenticate": "Key"}, "no key\\n")
            return None

In the gateway the hooks get views of the exchange under way, which have the same members
as these classes; in a test the classes themselves will do: nothing here needs a gateway.
"""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from fastgw.fields import check_name, check_token, check_value

#: How headers are given: a map, or pairs when a name comes more than once.
HeadersLike = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]
#: Statuses whose answers have no body.
BODILESS = (204, 205, 304)


class ViewExpired(RuntimeError):
    """A view was used after its exchange ended, or changed outside of its hook."""


class Headers(metaclass=ABCMeta):
    """Header fields in order; names compare without case, a name may come several times."""

    __slots__ = ("_rows",)

    def __init__(self, headers: HeadersLike = ()) -> None:
        self._rows: list[tuple[str, bytes]] = []
        for name, value in headers.items() if isinstance(headers, Mapping) else headers:
            self.add(name, value)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value, or `default`."""
        values = self.get_all(name)
        return values[0] if values else default

    def get_all(self, name: str) -> list[str]:
        """Every value, in order."""
        lowered = check_token(name).lower()
        return [v.decode("latin-1") for n, v in self._rows if n.lower() == lowered]

    def set(self, name: str, value: str | bytes) -> None:
        """One value in place of all there are."""
        raw = check_value(value)
        self.remove(name)
        self._rows.append((name, raw))

    def add(self, name: str, value: str | bytes) -> None:
        """One more value."""
        self._rows.append((check_name(name), check_value(value)))

    def remove(self, name: str) -> int:
        """Take every value away; how many there were."""
        lowered = check_name(name).lower()
        before = len(self._rows)
        self._rows = [row for row in self._rows if row[0].lower() != lowered]
        return before - len(self._rows)

    def items(self) -> list[tuple[str, str]]:
        """(name, value) of every field, in order."""
        return [(name, value.decode("latin-1")) for name, value in self._rows]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<Headers {self.items()!r}>"


class Request(metaclass=ABCMeta):
    """A request's head; only its headers can be changed, and only within on_request."""

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        query: str = "",
        headers: HeadersLike = (),
        *,
        host: str = "localhost",
        scheme: str = "http",
        client_ip: str = "127.0.0.1",
        client_port: int = 0,
        request_id: str = "test",
        route: str = "test",
    ) -> None:
        #: As received; case matters.
        self.method = method
        #: Normalised, before rewriting.
        self.path = path
        #: What follows '?', without it; empty if there is none.
        self.query = query
        #: Lower case, without port.
        self.host = host
        self.scheme = scheme
        #: "unix" for clients of unix sockets.
        self.client_ip = client_ip
        self.client_port = client_port
        self.request_id = request_id
        #: Name of the route.
        self.route = route
        self.headers = Headers(headers)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


class Response(metaclass=ABCMeta):
    """An answer: made by a hook to reply with, or the upstream's as on_response sees it.

    The body of an upstream's answer is not here; it streams past."""

    def __init__(
        self, status: int = 200, headers: HeadersLike = (), body: str | bytes = b""
    ) -> None:
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"a status is a number from 200 to 599, not {status!r}")
        if not isinstance(body, (str, bytes)):
            raise TypeError(f"a body is str or bytes, not {type(body).__name__}")
        if body and status in BODILESS:
            raise ValueError(f"an answer with status {status} has no body")
        self.status = status
        self.headers = Headers(headers)
        self.body = body.encode() if isinstance(body, str) else body
        if body and "content-type" not in self.headers:
            text = isinstance(body, str)
            self.headers.add(
                "Content-Type", "text/plain; charset=utf-8" if text else "application/octet-stream"
            )

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down of an exchange that ended; a copy, good for ever."""

    request_id: str
    route: str
    method: str
    host: str
    path: str
    query: str
    client_ip: str
    #: 0 when nothing could be answered.
    status: int
    #: Why it ended as it did (docs/reasons.md); empty when the upstream answered.
    reason: str
    #: Which part of the gateway said so; empty when the upstream answered.
    decided_by: str
    request_bytes: int
    response_bytes: int
    duration_ms: float


class Policy:
    """What a route does besides forwarding; named as `plugin: module:Class`.

    One object serves every exchange of a worker. Options are handed to the constructor if
    it takes an argument. Each hook may be `def` or `async def`; one that is not overridden
    costs nothing. A `def` hook must not block: the worker serves nobody else meanwhile."""

    def on_request(self, request: Request) -> Response | None | Awaitable[Response | None]:
        """The request's head is there; a Response answers in the upstream's place."""
        return None

    def on_response(
        self, request: Request, response: Response
    ) -> Response | None | Awaitable[Response | None]:
        """The response's head is there; a Response goes out instead of it."""
        return None

    def on_log(self, record: Record) -> None | Awaitable[None]:
        """The exchange is over."""
        return None
