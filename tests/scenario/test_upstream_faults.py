"""Responses and requests broken at every byte: a whole right answer or a broken one, never a clean
wrong one."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator

import pytest

from tests.scenario.client import Answer, Client
from tests.scenario.fault_proxy import Fault, FaultProxy, Kind
from tests.scenario.gateway import Gateway, Timeouts, route_to, upstream
from tests.scenario.origin import DEADLINE_S, Origin, Peer

HEAD = b"HTTP/1.1 200 OK\r\nServer: x\r\n"
#: Method, response, and its body.
RESPONSES = {
    "length": ("GET", HEAD + b"Content-Length: 11\r\n\r\nhello world", b"hello world"),
    "chunked": (
        "GET",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n world\r\n"
        b"0\r\nX-Sum: 1\r\nX-B: 2\r\n\r\n",
        b"hello world",
    ),
    "empty": ("GET", HEAD + b"Content-Length: 0\r\n\r\n", b""),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", b""),
    "304": ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 5\r\n\r\n", b""),
    "head": ("HEAD", HEAD + b"Content-Length: 11\r\n\r\n", b""),
    "1xx": (
        "GET",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok",
        b"ok",
    ),
    "post": ("POST", HEAD + b"Content-Length: 2\r\n\r\nok", b"ok"),
}
BROKEN = ("upstream_reset", "upstream_reset_ambiguous", "upstream_truncated", "connect_failed")


def canned(data: bytes):  # type: ignore[no-untyped-def]
    """Answer every request with the same bytes, and stay."""

    def script(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(data)

    return script


def ask(c: Client, method: str) -> Answer | None:
    """The final answer to a request, or None: the connection broke."""
    body = "Content-Length: 3\r\n\r\nabc" if method == "POST" else "\r\n"
    try:
        a = c.send(f"{method} / HTTP/1.1\r\nHost: a\r\n{body}".encode()).answer(method)
        while a.status < 200:
            a = c.answer(method)
    except (EOFError, ConnectionError):
        return None
    return a


@contextlib.contextmanager
def through_proxy(data: bytes, timeouts: Timeouts) -> Iterator[tuple[FaultProxy, Gateway]]:
    """An origin behind a fault proxy behind a gateway that keeps no connection."""
    with (
        Origin(canned(data)) as origin,
        FaultProxy(origin.address) as proxy,
        Gateway(route_to(upstream(proxy.address, pool={"idle": 0}), timeouts)) as gw,
    ):
        yield proxy, gw


def judge(answer: Answer | None, said: dict[str, object], whole: tuple[int, bytes]) -> bool:
    """Whether it was the right answer; what is neither that nor broken is a failure."""
    if answer is not None and said["reason"] == "":
        assert (answer.status, answer.body) == whole
        return True
    assert said["reason"] in (*BROKEN, "response_head_timeout", "upstream_stalled"), said
    assert answer is None or answer.status in (502, 504)
    return False


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET, Kind.SPLIT])
@pytest.mark.parametrize("name", RESPONSES)
def test_every_byte_of_a_response(name: str, kind: Kind) -> None:
    method, data, body = RESPONSES[name]
    whole = int(data.split(b"HTTP/1.1 ")[-1][:3]), body
    right = []
    with through_proxy(data, Timeouts()) as (proxy, gw):
        for at in range(len(data) + 1):
            proxy.plan = lambda number, at=at: Fault(kind, at)  # type: ignore[misc]
            with Client(gw.address) as c:
                answer = ask(c, method)
            if judge(answer, gw.record(), whole):
                right.append(at)
        gw.until(lambda now: now["upstream_busy"] == now["upstream_idle"] == 0, "closed")
    # Whole responses only; a response without body is whole once its head is.
    assert right == (list(range(len(data) + 1)) if kind is Kind.SPLIT else [len(data)])


def test_every_byte_of_a_body_until_close() -> None:
    """A cut is its end; a reset is not."""
    data = HEAD + b"\r\nhello"
    head = len(data) - 5
    with through_proxy(data, Timeouts()) as (proxy, gw):
        for kind in (Kind.CUT, Kind.RESET):
            for at in range(len(data) + 1):
                proxy.plan = lambda number, at=at, kind=kind: Fault(kind, at)  # type: ignore[misc]
                with Client(gw.address) as c:
                    answer = ask(c, "GET")
                reason = gw.record()["reason"]
                if kind is Kind.CUT and at >= head:
                    assert answer is not None and reason == ""
                    assert answer.body == data[head:at]
                else:
                    assert answer is None or answer.status == 502
                    assert reason in BROKEN


@pytest.mark.parametrize("name", ["length", "chunked", "1xx"])
def test_every_byte_of_a_response_that_stalls(name: str) -> None:
    method, data, _body = RESPONSES[name]
    work: queue.Queue[int] = queue.Queue()
    for at in range(len(data)):
        work.put(at)
    wrong: list[object] = []

    def one_after_the_other() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                work.get_nowait()
                with Client(gw.address) as c:
                    answer = ask(c, method)
                if answer is not None and answer.status != 504:
                    wrong.append(answer)

    with through_proxy(data, Timeouts(response_head=100, idle=100)) as (proxy, gw):
        proxy.plan = lambda number: Fault(Kind.STALL, number % len(data))
        threads = [threading.Thread(target=one_after_the_other) for _ in range(24)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(DEADLINE_S)
        reasons = {gw.record()["reason"] for _ in range(len(data))}
        gw.until(lambda now: now["upstream_busy"] == now["upstream_idle"] == 0, "closed")
    assert not wrong
    assert reasons == {"response_head_timeout", "upstream_stalled"}


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET])
def test_every_byte_of_a_request(kind: Kind) -> None:
    """The upstream's side breaks while the request is on its way to it."""
    with through_proxy(RESPONSES["post"][1], Timeouts()) as (proxy, gw):
        for at in range(0, 400):
            proxy.plan = lambda number, at=at: (  # type: ignore[misc]
                Fault(kind, at, of_requests=True)
            )
            with Client(gw.address) as c:
                judge(ask(c, "POST"), gw.record(), (200, b"ok"))


@pytest.mark.parametrize("name", RESPONSES)
def test_one_byte_at_a_time(name: str) -> None:
    method, data, body = RESPONSES[name]
    whole = int(data.split(b"HTTP/1.1 ")[-1][:3]), body
    with through_proxy(data, Timeouts()) as (proxy, gw):
        for requests in (False, True):
            proxy.plan = lambda number, r=requests: Fault(Kind.DRIBBLE, 0, r)  # type: ignore[misc]
            with Client(gw.address) as c:
                assert judge(ask(c, method), gw.record(), whole)
