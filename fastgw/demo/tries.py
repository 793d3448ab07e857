"""What the demo shows: each a curl line, and what must come back.

One list: it is printed for a person, and `--check` runs it.
"""

from __future__ import annotations

import http.client
import shlex
import ssl
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Try:
    """One request and what is expected of its answer."""

    title: str
    path: str
    status: int
    #: Text that the answer's body holds.
    body: str = ""
    method: str = "GET"
    fields: dict[str, str] = field(default_factory=dict)
    #: Response fields and a text each must hold.
    expect: dict[str, str] = field(default_factory=dict)
    #: The body comes in pieces: its end this many seconds after its beginning, at least.
    spread_s: float = 0.0
    #: Over the listener with TLS.
    tls: bool = False

    def curl(self, base: str, certificate: str = "") -> str:
        """The command for a person."""
        words = ["curl", "-sN" if self.spread_s else "-si"]
        if self.tls:
            words += ["--cacert", certificate]
        if self.method != "GET":
            words += ["-X", self.method]
        for name, value in self.fields.items():
            words += ["-H", f"{name}: {value}"]
        return shlex.join([*words, base + self.path])


TRIES = (
    Try("routing by path", "/orders/2", 200, '"tea"', expect={"X-Demo": "fastgw"}),
    Try("routing by host", "/", 200, "It works", fields={"Host": "shop.localhost"}),
    Try(
        "rewriting: /api/v1/orders is /orders to the service",
        "/api/v1/orders",
        200,
        '"path": "/orders"',
    ),
    Try("a redirect", "/old/orders", 308, expect={"Location": "/orders"}),
    Try("an answer of the gateway itself", "/health", 200, "ok"),
    Try(
        "an error page: no route matches",
        "/nowhere",
        404,
        "no_route",
        expect={"Content-Type": "application/problem+json"},
    ),
    Try(
        "the same for a browser",
        "/nowhere",
        404,
        "<!doctype html>",
        fields={"Accept": "text/html"},
        expect={"Content-Type": "text/html"},
    ),
    Try(
        "an upstream that is not there",
        "/broken",
        502,
        "connect_refused",
        expect={"Content-Type": "application/problem+json"},
    ),
    Try("the same over TLS", "/orders/2", 200, '"tea"', tls=True),
    Try("streaming: events as they happen", "/orders/stream", 200, "delivered", spread_s=0.8),
)


def connect(host: str, port: int, certificate: str) -> http.client.HTTPConnection:
    """A connection; with a certificate, over TLS, and to nobody else."""
    if not certificate:
        return http.client.HTTPConnection(host, port, timeout=10)
    context = ssl.create_default_context(cafile=certificate)
    return http.client.HTTPSConnection(host, port, timeout=10, context=context)


def run_try(one: Try, host: str, port: int, certificate: str = "") -> list[str]:
    """Do it; what was not as expected."""
    connection = connect(host, port, certificate)
    try:
        connection.request(one.method, one.path, headers=one.fields)
        answer = connection.getresponse()
        begin = time.monotonic()
        body = answer.read().decode("utf-8", "replace")
        took_s = time.monotonic() - begin
    except (OSError, http.client.HTTPException) as e:
        return [f"no answer: {e!r}"]
    finally:
        connection.close()
    wrong = []
    if answer.status != one.status:
        wrong.append(f"status {answer.status}, not {one.status}")
    if one.body not in body:
        wrong.append(f"{one.body!r} is not in the body {body[:200]!r}")
    for name, text in one.expect.items():
        if text not in (answer.getheader(name) or ""):
            wrong.append(f"{name} is {answer.getheader(name)!r}, without {text!r}")
    if took_s < one.spread_s:
        wrong.append(f"the body came within {took_s:.2f} s: it was held back, not streamed")
    return wrong
