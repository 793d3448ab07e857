"""Every row of ext/base/reasons.toml is produced once, and told in the log and to the client."""

from __future__ import annotations

import contextlib
import json
import socket
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.testing.origin import FakeTarget
from fastgw.ext.testing.policies import ScriptedPolicy
from tests.contracts.conftest import Bed
from tests.scenario.client import Answer, Client
from tests.scenario.gateway import (
    Gateway,
    Match,
    ObjectSpec,
    Route,
    Step,
    Timeouts,
    plugin,
    policy,
    route_to,
    upstream,
    websocket,
)
from tests.scenario.origin import Origin, Peer, Script
from tests.scenario.test_upstream_early import ASK, TUNNEL
from tests.scenario.test_upstream_retry import full_backlog
from tests.tls.reasons import PRODUCERS as TLS_PRODUCERS

ROWS = {
    row["name"]: row
    for row in tomllib.loads((Path(__file__).parents[2] / "ext/base/reasons.toml").read_text())[
        "reason"
    ]
}
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
Address = tuple[str, int]


@dataclass
class Told:
    """What was said of a reason: the log's line, the client's answer (None: it was cut off)."""

    record: dict[str, Any] | None
    answer: Answer | None


Producer = Callable[[], Told]
PRODUCERS: dict[str, Producer] = {}


def produces(name: str) -> Callable[[Producer], Producer]:
    """Say which reason a function produces."""

    def register(producer: Producer) -> Producer:
        assert name not in PRODUCERS
        PRODUCERS[name] = producer
        return producer

    return register


def ask(gw: Gateway, raw: bytes, method: str = "GET") -> Answer | None:
    """Send bytes; the answer, or None where the connection ends without a whole one."""
    with Client(gw.address) as c:
        try:
            return c.send(raw).answer(method)
        except (EOFError, ConnectionError):
            return None


def told(gw: Gateway, raw: bytes = GET) -> Told:
    """Send bytes; what the client and the log are told."""
    answer = ask(gw, raw)
    return Told(gw.record(), answer)


def by_origin(script: Script, raw: bytes = GET, **timeouts: int) -> Told:
    """The same before an origin that does something."""
    with Origin(script) as origin:
        with Gateway(route_to(upstream(origin.address), Timeouts(**timeouts))) as gw:
            return told(gw, raw)


def by_answer(data: bytes) -> Told:
    """The same before an origin that answers with these bytes, and closes."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(data)

    return by_origin(script)


def by_policy(step: Step) -> Told:
    """The same with a policy, and nothing behind it."""
    with Gateway(Route("default", (Match(),), ObjectSpec("none", "none"), steps=(step,))) as gw:
        return told(gw)


def by_bed(bed: Bed, row: int = -1) -> Told:
    """A line of the contracts' fakes, which log in dicts of their own."""
    return Told(bed.rig.records[row], None)


def silent(peer: Peer) -> None:
    """Read, and say nothing."""
    peer.gone()


def closing(peer: Peer) -> None:
    """Read a request, and close."""
    peer.request()


# -- requests that can't be accepted -----------------------------------------------------------

RAW = {
    "bad_request_line": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad_header": b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
    "bad_framing": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    "bad_host": b"GET / HTTP/1.1\r\n\r\n",
    "bad_target": b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad_path": b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad_chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "unsupported_coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "unsupported_method": b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    "unsupported_version": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "target_too_long": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "head_too_large": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
    "body_too_large": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
    "expectation_failed": b"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n",
    "no_route": b"GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n",
    "method_not_allowed": b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
}


def by_request(name: str) -> Producer:
    """A producer that sends one request to a route for `/`, GET and POST."""

    def produce() -> Told:
        match = Match("/", prefix=False, methods=frozenset({"GET", "POST"}))
        with Origin(silent) as origin:
            route = Route("root", (match, Match("/\0", prefix=False)), upstream(origin.address))
            with Gateway(route) as gw:
                return told(gw, RAW[name])

    return produce


for _name in RAW:
    PRODUCERS[_name] = by_request(_name)


# -- clients ------------------------------------------------------------------------------------


@produces("head_timeout")
def _head_timeout() -> Told:
    with Gateway(upstream(), timeouts=Timeouts(request_head=80)) as gw:
        return told(gw, b"GET / HT")


@produces("body_timeout")
def _body_timeout() -> Told:
    return by_origin(silent, POST[:-1], body_idle=80)


@produces("client_eof")
def _client_eof() -> Told:
    with Origin(silent) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(GET).half_close()
            assert c.at_end()
            return Told(gw.record(), None)


@produces("client_reset")
def _client_reset() -> Told:
    with Origin(silent) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(GET)
            gw.until(lambda now: now["upstream_busy"] == 1, "sent")
            c.reset()
            return Told(gw.record(), None)


@produces("client_stalled")
def _client_stalled() -> Told:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n" + bytes(50_000_000))

    with Origin(script) as origin:
        route = route_to(upstream(origin.address), Timeouts(idle=150))
        with Gateway(route) as gw, Client(gw.address, receive_buffer=4096) as c:
            c.send(GET)
            return Told(gw.record(), None)


@produces("keepalive_timeout")
def _keepalive_timeout() -> Told:
    with Gateway(upstream(), timeouts=Timeouts(keepalive=80)) as gw, Client(gw.address) as c:
        assert c.at_end()
        assert gw.counters()["connections_timed_out"] == 1
    return Told(None, None)  # there was no request to log


@produces("tunnel_idle")
def _tunnel_idle() -> Told:
    def script(peer: Peer) -> None:
        peer.head()
        peer.send(TUNNEL)
        peer.gone()

    with Origin(script) as origin:
        route = route_to(upstream(origin.address), steps=(websocket(idle=100, close=20),))
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.send(ASK).head().status == 101
            c.to_end()
            return Told(gw.record(), None)


def tunnel(**limits: int) -> Told:
    """A tunnel whose limit is reached after a first word."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(TUNNEL + b"\x81\x05hello")
        peer.gone()

    with Origin(script) as origin:
        route = route_to(upstream(origin.address), steps=(websocket(close=20, **limits),))
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.send(ASK).head().status == 101
            c.to_end()
            return Told(gw.record(), None)


@produces("tunnel_lifetime")
def _tunnel_lifetime() -> Told:
    return tunnel(lifetime=100)


@produces("tunnel_bytes")
def _tunnel_bytes() -> Told:
    return tunnel(bytes=5)


@produces("websocket_not_allowed")
def _websocket_not_allowed() -> Told:
    with Gateway(upstream()) as gw:
        return told(gw, ASK)


def handshake(raw: bytes, *fields: bytes, **options: Any) -> Told:
    """A handshake before a route that lets WebSocket through."""
    with Gateway(route_to(upstream(), steps=(websocket(**options),))) as gw:
        return told(gw, raw[:-2] + b"".join(f + b"\r\n" for f in fields) + b"\r\n")


@produces("websocket_handshake")
def _websocket_handshake() -> Told:
    return handshake(ASK.replace(b"dGhl", b"????"))


@produces("websocket_version")
def _websocket_version() -> Told:
    said = handshake(ASK.replace(b"Version: 13", b"Version: 8"))
    assert said.answer is not None
    assert said.answer.value("Sec-WebSocket-Version") == b"13"
    return said


@produces("origin_denied")
def _origin_denied() -> Told:
    return handshake(ASK, b"Origin: https://evil.example", origins=["https://good.example"])


@produces("upstream_bad_upgrade")
def _upstream_bad_upgrade() -> Told:
    return by_answer(TUNNEL)


# -- the gateway itself ----------------------------------------------------------------------


@produces("no_endpoint")
def _no_endpoint() -> Told:
    with Gateway(upstream()) as gw:
        return told(gw)


@produces("upstream_unresolved")
def _upstream_unresolved() -> Told:
    target = upstream(("api.test", 80))
    target.options["servers"][0].update(named=True, addresses=[])
    with Gateway(target) as gw:
        return told(gw)


@produces("memory")
def _memory() -> Told:
    with Origin(silent) as origin, Gateway(upstream(origin.address), memory=4096) as gw:
        return told(gw)


@produces("draining")
def _draining() -> Told:
    with Origin(silent) as origin, Gateway(upstream(origin.address)) as gw:
        with Client(gw.address) as c:
            c.send(GET)
            gw.until(lambda now: now["upstream_busy"] == 1, "sent")
            gw.call(gw.worker.stop)
            return Told(gw.record(), None)


@produces("fixed_reply")
def _fixed_reply() -> Told:
    return by_policy(Step(policy("respond", status=200, body="fixed\n")))


@produces("ip_denied")
def _ip_denied() -> Told:
    return by_policy(Step(policy("ip", deny=["127.0.0.0/8"])))


@produces("policy_reply")
def _policy_reply() -> Told:
    return by_policy(plugin("Teapot"))


@produces("policy_failed")
def _policy_failed() -> Told:
    return by_policy(plugin("Fails"))


@produces("policy_timeout")
def _policy_timeout() -> Told:
    return by_policy(plugin("Never", timeout_ms=60))


@produces("request_timeout")
def _request_timeout() -> Told:
    return by_origin(silent, request=80)


@produces("internal")
def _internal() -> Told:
    bed = Bed()
    bed.target.raises = True
    bed.request("GET", "/")
    return by_bed(bed)


# -- upstreams ---------------------------------------------------------------------------------


@produces("connect_refused")
def _connect_refused() -> Told:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        with Gateway(upstream(s.getsockname())) as gw:
            return told(gw)


@produces("connect_timeout")
def _connect_timeout() -> Told:
    with full_backlog() as address:
        with Gateway(route_to(upstream(address), Timeouts(connect=80))) as gw:
            return told(gw)


@produces("connect_failed")
def _connect_failed() -> Told:
    with Gateway(upstream(("255.255.255.255", 80))) as gw:  # TCP has no broadcast
        return told(gw)


@produces("upstream_reset")
def _upstream_reset() -> Told:
    return by_origin(closing)


@produces("upstream_reset_ambiguous")
def _upstream_reset_ambiguous() -> Told:
    return by_origin(closing, POST)


@produces("upstream_truncated")
def _upstream_truncated() -> Told:
    return by_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")


@produces("upstream_bad_head")
def _upstream_bad_head() -> Told:
    return by_answer(b"SSH-2.0-OpenSSH\r\n\r\n")


@produces("upstream_bad_framing")
def _upstream_bad_framing() -> Told:
    return by_answer(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")


@produces("upstream_bad_chunk")
def _upstream_bad_chunk() -> Told:
    # In one segment with its head: the head has been passed on when the chunk is looked at.
    return by_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")


@produces("upstream_head_too_large")
def _upstream_head_too_large() -> Told:
    return by_answer(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n")


@produces("upstream_body_too_large")
def _upstream_body_too_large() -> Told:
    bed = Bed([(ScriptedPolicy("p", {"on_response_body": "continue"}, limit=4), "enforce")])
    bed.request("GET", "/")
    bed.attempts[0].answer(200)
    bed.attempts[0].feed(b"abcde")
    return by_bed(bed)


@produces("response_head_timeout")
def _response_head_timeout() -> Told:
    return by_origin(silent, response_head=80)


@produces("upstream_stalled")
def _upstream_stalled() -> Told:
    def script(peer: Peer) -> None:
        peer.head()
        peer.stay()

    size = 9_000_000
    with Origin(script, receive_buffer=4096) as origin:
        with Gateway(route_to(upstream(origin.address), Timeouts(idle=100))) as gw:
            with Client(gw.address) as c:
                c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
                c.socket.settimeout(0.5)
                with contextlib.suppress(OSError):
                    c.send(bytes(size))
                c.socket.settimeout(10)
                return Told(gw.record(), c.answer())


@produces("cancelled")
def _cancelled() -> Told:
    """The reason of an attempt, never of an exchange."""
    bed = Bed(target=FakeTarget(max_tries=2))
    stream = bed.request("GET", "/")
    assert stream.rival()
    bed.attempts[1].answer(200, last=True)
    assert bed.attempts[0].events[-1] == "cancel:cancelled"
    return Told(None, None)


# -- TLS -----------------------------------------------------------------------------------------


def by_tls(make: Callable[[], tuple[dict[str, Any] | None, Answer | None]]) -> Producer:
    """A producer of tests/tls."""
    return lambda: Told(*make())


for _name, _make in TLS_PRODUCERS.items():
    PRODUCERS[_name] = by_tls(_make)


# -- what has to be said of each -----------------------------------------------------------------

#: These say nothing of a status: a policy chooses it.
CHOSEN = {"fixed_reply": 200, "policy_reply": 418}
#: Answers that had begun: the status in the log is the upstream's, the client sees a broken body.
BEGUN = {"upstream_bad_chunk": 200, "client_stalled": 200, "tunnel_idle": 101}
BEGUN |= {"tunnel_lifetime": 101, "tunnel_bytes": 101}
#: Answers to whom the page of the gateway's own is not due.
NO_PAGE = {*CHOSEN, *BEGUN}


@pytest.mark.parametrize("name", ROWS)
def test_reason(name: str) -> None:
    row = ROWS[name]
    said = PRODUCERS[name]()
    if said.record is None:
        assert said.answer is None
        return
    assert said.record["reason"] == name
    status = BEGUN.get(name, CHOSEN.get(name, row["status"]))
    assert said.record["status"] == status
    if "decided_by" in said.record:
        assert said.record["decided_by"] == row["decided_by"]
    if said.answer is None:
        assert status == 0 or name in BEGUN or name in FAKED
        return
    assert said.answer.status == status
    if name not in NO_PAGE:
        page = json.loads(said.answer.body)
        assert page["type"] == f"urn:fastgw:reason:{name}"
        assert (page["status"], page["title"]) == (status, row["title"])
        assert page["reason"] == name


#: Produced by the contracts' fakes: a whole gateway has nothing that does this yet.
FAKED = {"internal", "upstream_body_too_large", "cancelled"}


def test_every_reason_has_a_producer() -> None:
    assert set(PRODUCERS) == set(ROWS)


def test_few_are_faked() -> None:
    faked = {name for name, make in PRODUCERS.items() if "Bed" in make.__code__.co_names}
    assert faked == FAKED
