"""Every wire case through a whole gateway: between a raw client and a raw origin."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Limits, Match, Route, upstream
from tests.scenario.origin import Origin, Peer, Request
from tests.wire.cases import Case, read_cases, unescape

ALLOW = frozenset(
    {
        "encoded_slash",
        "encoded_backslash",
        "backslash",
        "nul",
        "invalid_escape",
        "double_encoding",
        "dot_params",
    }
)
CASES = read_cases()
#: A body that is announced but not in the file would be waited for.
REQUESTS = [
    c
    for c in CASES
    if not c.is_response and ("length" not in c.one.get("framing", "") or "body" in c.one)
]
#: A 1xx alone is no answer: whole gateways have tests of their own for it.
RESPONSES = [c for c in CASES if c.is_response and not c.one.get("status", "").startswith("1")]
#: Received ones never pass, but the gateway writes its own.
WRITTEN_BY_CODECS = ("content-length", "transfer-encoding", "expect", "te", "connection")
Limited = tuple[tuple[str, int], ...]


def grouped(cases: list[Case]) -> dict[Limited, list[Case]]:
    """The cases of each set of limits."""
    groups: dict[Limited, list[Case]] = {}
    for case in cases:
        groups.setdefault(tuple(sorted(case.limits.items())), []).append(case)
    return groups


def checked(cases: list[Case], check: Callable[[Case], None]) -> None:
    """Check every case, and tell of all that fail."""
    failures = []
    for case in cases:
        try:
            check(case)
        except (AssertionError, OSError, EOFError) as e:
            failures.append(f"{case.name}: {type(e).__name__} {e}")
    assert not failures, "\n".join(failures)


def limits_of(limited: Limited) -> Limits:
    """The gateway's limits for a group of cases."""
    return replace(Limits(), **dict(limited))


# -- requests ------------------------------------------------------------------------------


def echo(peer: Peer) -> None:
    """Answer every request and log it."""
    while True:
        request = peer.request()
        peer.log(request)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
        peer.send(head if request.line.startswith(b"HEAD ") else head + b"ok")


def is_refused(case: Case, c: Client, status: int, reason: str) -> None:
    """The answer says why, and nothing that follows is listened to."""
    answer = c.send(case.raw).answer()
    assert answer.status == status
    document = json.loads(answer.body)
    assert (document["reason"], document["status"]) == (reason, status)
    assert answer.value("Content-Type") == b"application/problem+json"


def passes(case: Case, c: Client, origin: Origin) -> None:
    """The origin gets what the case says, and nothing that it may not."""
    while not origin.requests.empty():  # what followed in the bytes of the case before
        origin.requests.get()
    c.send(case.raw)
    received = origin.request()
    c.answer(case.one.get("method", "GET"))
    if " HTTP/1.1" in case.one.get("rest", ""):
        origin.request()
        c.answer()
    has_request(case, received)


def has_request(case: Case, received: Request) -> None:
    """Compare what the origin received."""
    method, target, version = received.line.split(b" ")
    assert version == b"HTTP/1.1"
    path, mark, query = target.partition(b"?")
    for key, value in (("method", method), ("path", path), ("body", received.body)):
        wanted = case.bytes_of(key)
        assert wanted is None or wanted == value, (key, wanted, value)
    if (wanted := case.bytes_of("query")) is not None:
        assert mark and query == wanted
    if (wanted := case.bytes_of("authority")) is not None:
        assert received.value("Host") == wanted
    names = {
        line.split(b":")[0].lower().decode("latin-1") for line in received.head.split(b"\r\n")[1:-2]
    }
    for hop in case.many.get("hop", ()):
        if hop.lower() not in WRITTEN_BY_CODECS and not hop.lower().startswith("x-forwarded-"):
            assert hop.lower() not in names, hop
    for line in case.many.get("field", ()):
        name, _, value = unescape(line).decode("latin-1").partition(":")
        if name.lower() not in ("host", "forwarded", "x-request-id") and not (
            name.lower().startswith("x-forwarded-")
        ):
            assert value.strip().encode("latin-1") in received.values(name), (line, received.head)


@pytest.mark.parametrize("limited", grouped(REQUESTS), ids=str)
def test_requests(limited: Limited) -> None:
    def check(case: Case) -> None:
        with Client(gw.address) as c:
            c.socket.settimeout(5)
            if not case.accepted:
                is_refused(case, c, int(case.one["expect"]), case.one["reason"])
            elif case.one.get("needs"):
                is_refused(case, c, 400, "bad_path")
            else:
                passes(case, c, origin)

    with Origin(echo) as origin:
        with Gateway(upstream(origin.address), limits=limits_of(limited)) as gw:
            checked(grouped(REQUESTS)[limited], check)


def test_paths_that_a_route_opens() -> None:
    def check(case: Case) -> None:
        with Client(gw.address) as c:
            passes(case, c, origin)

    with Origin(echo) as origin:
        route = Route("open", (Match(),), upstream(origin.address), allow=ALLOW)
        with Gateway(route) as gw:
            checked([c for c in REQUESTS if c.accepted and c.one.get("needs")], check)


# -- responses -----------------------------------------------------------------------------


class Canned:
    """An origin that answers with the case under way, byte for byte, then ends."""

    raw = b""

    def __call__(self, peer: Peer) -> None:
        peer.request()
        with contextlib.suppress(OSError):
            peer.send(self.raw)


@pytest.mark.parametrize("limited", grouped(RESPONSES), ids=str)
def test_responses(limited: Limited) -> None:
    canned = Canned()

    def check(case: Case) -> None:
        method = case.one.get("to", "GET")
        canned.raw = case.raw
        with Client(gw.address) as c:
            c.socket.settimeout(5)
            c.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            if case.accepted:
                came_through(case, c, method)
                gw.record()
            else:
                was_cut(case, c, method)

    def was_cut(case: Case, c: Client, method: str) -> None:
        """502, or an answer broken off where its head was fine."""
        try:
            answer = c.answer(method)
        except (EOFError, ConnectionError):
            pass
        else:
            assert answer.status == int(case.one["expect"])
        assert gw.record()["reason"] == case.one["reason"]

    with Origin(canned) as origin:
        with Gateway(upstream(origin.address), limits=limits_of(limited)) as gw:
            checked(grouped(RESPONSES)[limited], check)


def came_through(case: Case, c: Client, method: str) -> None:
    """Status, body and trailers are the upstream's."""
    answer = c.answer(method)
    if (wanted := case.one.get("status")) is not None:
        assert answer.status == int(wanted)
    if (body := case.bytes_of("body")) is not None:
        assert answer.body == body
    for trailer in case.many.get("trailer", ()):
        assert trailer.encode() in answer.trailers
