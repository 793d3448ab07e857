"""What is tried again, where, and what is not."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenario.client import Answer, Client
from tests.scenario.gateway import Gateway, Timeouts, route_to, upstream
from tests.scenario.origin import DEADLINE_S, OK, Origin, Peer, Script, answering

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
Address = tuple[str, int]


def refused(answer: Answer, status: int, reason: str) -> None:
    """An error page of the gateway's with this reason."""
    assert (answer.status, json.loads(answer.body)["reason"]) == (status, reason)


def stale(how: str, *, body: bool = True) -> Script:
    """Answer one request; end in some way once the next has arrived."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        request = peer.head()
        if body:
            peer.body_of(request)
        if how == "reset":
            peer.reset()

    return script


@pytest.fixture
def dead() -> Iterator[list[Address]]:
    """Addresses that refuse connections: bound, so that nobody else gets them."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(3):
            s = stack.enter_context(socket.socket())
            s.bind(("127.0.0.1", 0))
            found.append(s.getsockname())
        yield found


# -- pooled connections that fail ------------------------------------------------------------


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_goes_once_more(how: str, method: str) -> None:
    with (
        Origin(stale(how), answering()) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        c.send(f"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".encode())
        assert c.answer(method).status == 200
        again = origin.request()
        assert (again.line.split()[0], again.body) == (method.encode(), b"abc")
        assert gw.record(method=method, tries=2)
        assert len(origin.peers) == 2


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("method", ["POST", "PATCH", "MINE"])
def test_others_do_not(how: str, method: str) -> None:
    with (
        Origin(stale(how), answering()) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        c.send(f"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".encode())
        refused(c.answer(), 502, "upstream_reset_ambiguous")
        assert gw.record(method=method)["tries"] == 1
        assert len(origin.peers) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_others_do_if_the_connection_was_closed_before_a_byte_was_taken(how: str) -> None:
    """The request and the connection's end are seen in one turn, the request first."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        end.wait(DEADLINE_S)
        if how == "reset":
            peer.reset()

    end = threading.Event()
    with (
        Origin(script, answering()) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        gw.until(lambda now: now["upstream_idle"] == 1, "given back")
        with gw.held():
            c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
            time.sleep(0.05)  # the order of arrival is the kernel's
            end.set()
            assert origin.peers[0].closed.wait(DEADLINE_S)
            time.sleep(0.05)
        assert c.answer().status == 200
        assert origin.request().body == b"abc"
        assert gw.record(method="POST")["tries"] == 2


def test_only_once() -> None:
    """Two stale connections, one after the other: the second try takes a fresh one, and if that
    fails, it is the upstream's answer."""

    def never(peer: Peer) -> None:
        peer.request()

    with (
        Origin(stale("close"), never) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        refused(c.send(GET).answer(), 502, "upstream_reset")
        assert len(origin.peers) == 2


def test_the_second_try_takes_a_fresh_connection() -> None:
    """Where one that waited was stale, so may be the others."""
    both = threading.Barrier(2)

    def script(peer: Peer) -> None:
        peer.request()
        both.wait(DEADLINE_S)
        peer.send(OK)
        peer.request()

    with (
        Origin(script, script, answering()) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
        Client(gw.address) as other,
    ):
        c.send(GET)
        other.send(GET)
        assert c.answer().status == other.answer().status == 200
        gw.until(lambda now: now["upstream_idle"] == 2, "given back")
        assert c.send(GET).answer().status == 200
        assert gw.record(tries=2)["status"] == 200
        assert len(origin.peers) == 3


def test_a_fresh_connection_that_fails_is_not_retried() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.reset()

    with (
        Origin(script) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        refused(c.send(GET).answer(), 502, "upstream_reset")
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        refused(c.answer(), 502, "upstream_reset_ambiguous")
        assert len(origin.peers) == 2
        assert [gw.record()["tries"] for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("size", [1, 1000, 60_000, 65_536])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_is_replayed(size: int, chunked: bool) -> None:
    body = bytes(i % 251 for i in range(size))
    if chunked:
        half = size // 2
        pieces = [p for p in (body[:half], body[half:]) if p]
        message = (
            b"Transfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)
            + b"0\r\nX-End: 1\r\n\r\n"
        )
    else:
        message = b"Content-Length: %d\r\n\r\n" % size + body
    with (
        Origin(stale("close"), answering()) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        c.send(b"PUT / HTTP/1.1\r\nHost: a\r\n" + message)
        assert c.answer().status == 200
        again = origin.request()
        assert again.body == body
        assert again.trailers == (b"X-End: 1\r\n" if chunked else b"")


@pytest.mark.parametrize("size", [65_537, 1_000_000])
def test_a_long_body_is_not(size: int) -> None:
    with (
        Origin(stale("close"), answering()) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        c.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        refused(c.answer(), 502, "upstream_reset")
        assert len(origin.peers) == 1


def test_a_body_that_is_still_coming_is_replayed_and_goes_on() -> None:
    with (
        Origin(stale("close", body=False), answering()) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        c.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        gw.until(lambda now: len(origin.peers) == 2, "retried")
        assert c.send(b"def").answer().status == 200
        assert origin.request().body == b"abcdef"


@pytest.mark.parametrize(
    "data",
    [
        b"H",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
    ],
)
def test_nothing_is_retried_after_a_byte_of_the_answer(data: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(OK)
        peer.request()
        peer.send(data)

    with (
        Origin(script, answering()) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        a = c.send(GET).answer()
        refused(c.answer() if a.status == 103 else a, 502, "upstream_truncated")
        assert len(origin.peers) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Length: 10\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: 1\r\n",
    ],
)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_cut_body_is_no_clean_end(data: bytes, how: str) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n" + data)
        got.wait(DEADLINE_S)
        if how == "reset":
            peer.reset()

    got = threading.Event()
    with (
        Origin(script) as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.send(GET).head().status == 200
        got.set()
        with pytest.raises((EOFError, ConnectionResetError)):
            c.answer()
        said = gw.record()
        assert (said["reason"], said["status"]) == ("upstream_truncated", 200)
        assert (said["decided_by"], said["waiting_on"]) == ("upstream", "response_body")


# -- connects that fail ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_address(dead: list[Address], method: str) -> None:
    with (
        Origin() as origin,
        Gateway(upstream(dead[0], dead[1], origin.address)) as gw,
        Client(gw.address) as c,
    ):
        c.send(f"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".encode())
        assert c.answer().status == 200
        assert origin.request().body == b"abc"
        said = gw.record()
        assert (said["tries"], said["endpoint"]) == (3, f"http://127.0.0.1:{origin.address[1]}")


def test_at_most_two_more(dead: list[Address]) -> None:
    with (
        Origin() as origin,
        Gateway(upstream(*dead, origin.address)) as gw,
        Client(gw.address) as c,
    ):
        refused(c.send(GET).answer(), 502, "connect_refused")
        assert gw.record()["tries"] == 3
        assert c.get().status == 200


def test_a_failed_address_is_passed_over_for_a_second(dead: list[Address]) -> None:
    with (
        Origin() as origin,
        Gateway(upstream(dead[0], origin.address, pool={"idle": 0})) as gw,
        Client(gw.address) as c,
    ):
        begun = time.monotonic()
        assert c.get().status == 200
        assert gw.record()["tries"] == 2
        for _ in range(10):
            assert c.get().status == 200
            assert gw.record()["tries"] == 1
        assert time.monotonic() - begun < 0.9
        time.sleep(1.05)
        for _ in range(2):
            assert c.get().status == 200
        assert {gw.record()["tries"], gw.record()["tries"]} == {1, 2}


def test_a_single_address_fails_at_once_and_is_tried_every_time(dead: list[Address]) -> None:
    address = dead[0]
    with Gateway(upstream(address)) as gw, Client(gw.address) as c:
        begun = time.monotonic()
        for _ in range(3):
            refused(c.get(), 502, "connect_refused")
            said = gw.record()
            assert (said["tries"], said["endpoint"]) == (1, f"http://127.0.0.1:{address[1]}")
            assert (said["reason"], said["decided_by"]) == ("connect_refused", "upstream")
        assert time.monotonic() - begun < 0.9


def test_none_is_left(dead: list[Address]) -> None:
    with Gateway(upstream(dead[0], dead[1])) as gw, Client(gw.address) as c:
        for _ in range(3):
            refused(c.get(), 502, "connect_refused")
            assert gw.record()["tries"] == 2


def test_none_is_configured() -> None:
    with Gateway(upstream()) as gw, Client(gw.address) as c:
        refused(c.get(), 503, "no_endpoint")
        said = gw.record()
        assert (said["tries"], said["decided_by"]) == (0, "balance")


def test_a_missing_unix_socket(tmp_path: Any) -> None:
    with Gateway(upstream(str(tmp_path / "none"))) as gw, Client(gw.address) as c:
        refused(c.get(), 502, "connect_refused")


def test_connect_timeout() -> None:
    with (
        full_backlog() as address,
        Gateway(route_to(upstream(address), Timeouts(connect=150))) as gw,
        Client(gw.address) as c,
    ):
        begun = time.monotonic()
        refused(c.get(), 504, "connect_timeout")
        assert 0.14 < time.monotonic() - begun < 2
        said = gw.record()
        assert (said["decided_by"], said["waiting_on"]) == ("deadline", "connect")


def test_connect_timeout_goes_elsewhere() -> None:
    with (
        full_backlog() as address,
        Origin() as origin,
        Gateway(route_to(upstream(address, origin.address), Timeouts(connect=150))) as gw,
        Client(gw.address) as c,
    ):
        assert c.get().status == 200
        assert gw.record()["tries"] == 2


@contextlib.contextmanager
def full_backlog() -> Iterator[Address]:
    """An address whose SYNs are dropped, because nobody accepts and the queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                s.connect(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()
