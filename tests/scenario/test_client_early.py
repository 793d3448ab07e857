"""Answers given before the request was read whole: the client gets to read them, and nothing
of a body is ever taken for a request."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests import foreign
from tests.scenario.client import Client
from tests.scenario.gateway import (
    Gateway,
    Match,
    ObjectSpec,
    Route,
    Step,
    Timeouts,
    policy,
    upstream,
)
from tests.scenario.origin import Origin, Peer

MIB = 1 << 20
#: A body that would be two requests if it were read as such.
TRAP = b"GET /trap HTTP/1.1\r\nHost: a\r\n\r\n"
DENIED = Route(
    "denied",
    (Match(path="/denied"),),
    ObjectSpec("none", "none"),
    steps=(Step(policy("ip", deny=["0.0.0.0/0"])),),
)
FIXED = Route(
    "fixed",
    (Match(path="/fixed"),),
    ObjectSpec("none", "none"),
    steps=(Step(policy("respond", status=403, body="no\n")),),
)
ROUTES = (DENIED, FIXED)


def post(path: str, length: int, *fields: str) -> bytes:
    """The head of an upload."""
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {length}", *fields, "", ""]
    return "\r\n".join(lines).encode()


def nothing_was_trapped(gw: Gateway, wanted: int) -> None:
    """Exactly so many requests were seen, none of them out of a body."""
    for _ in range(wanted):
        assert gw.record()["path"] != "/trap"
    assert gw.counters()["exchanges_live"] == 0
    with pytest.raises(AssertionError, match="no record"):
        gw.record(deadline_s=0.0)


# -- a short rest: the connection is kept ----------------------------------------------------


@pytest.mark.parametrize("path", ["/denied", "/fixed", "/nowhere"])
def test_a_short_rest_is_read_away(path: str) -> None:
    body = TRAP * 2000  # 62,000 bytes
    with Gateway(*ROUTES) as gw, Client(gw.address) as c:
        for _ in range(3):
            a = c.send(post(path, len(body)) + body[:100]).answer()
            assert a.status == (404 if path == "/nowhere" else 403)
            assert a.values("Connection") == []
            c.send(body[100:])
        assert c.get("/fixed").status == 403
        nothing_was_trapped(gw, 4)


def test_a_short_chunked_rest_is_read_away() -> None:
    head = b"POST /fixed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    size = b"%x\r\n" % (len(TRAP) * 500)
    with Gateway(*ROUTES) as gw, Client(gw.address) as c:
        for _ in range(3):
            assert c.send(head + size[:1]).answer().status == 403
            c.send(size[1:] + TRAP * 500)
            c.send(b"\r\n0\r\nX-Trailer: 1\r")
            c.send(b"\n\r\n")
        assert c.get("/fixed").status == 403
        nothing_was_trapped(gw, 4)


def test_a_broken_rest_ends_the_connection() -> None:
    head = b"POST /fixed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Gateway(*ROUTES) as gw, Client(gw.address) as c:
        assert c.send(head).answer().status == 403
        c.send(b"5\r\nhello" + TRAP)
        assert c.at_end()
        nothing_was_trapped(gw, 1)


def test_a_rest_that_does_not_come_ends_the_connection() -> None:
    with Gateway(*ROUTES, timeouts=Timeouts(linger=200)) as gw, Client(gw.address) as c:
        assert c.send(post("/fixed", 100) + b"x").answer().status == 403
        began = time.monotonic()
        assert c.at_end()
        assert 0.1 < time.monotonic() - began < 1.5
        gw.until(lambda n: n["connections"] == 0, "closed")


def test_an_early_answer_of_the_origin() -> None:
    """It takes the rest, so both connections serve the next request."""

    def script(peer: Peer) -> None:
        while True:
            request = peer.head()
            peer.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
            peer.log(peer.body_of(request))

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        for _ in range(3):
            a = c.send(post("/", 60_000)).answer()
            assert (a.status, a.body) == (413, b"no")
            c.send(b"x" * 60_000)
            assert origin.request().body == b"x" * 60_000
        assert len(origin.peers) == 1


@pytest.mark.parametrize("rest", [60_000, 2_000_000])
def test_an_origin_that_answers_and_leaves(rest: int) -> None:
    """What it did not take is read away here; it is not asked to take anything else."""

    def script(peer: Peer) -> None:
        peer.head()
        peer.send(b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")

    with Origin(script) as origin, Gateway(upstream(origin.address)) as gw, Client(gw.address) as c:
        for _ in range(3):
            a = c.send(post("/", rest)).answer()
            assert (a.status, a.body) == (413, b"no")
            assert gw.record()["path"] == "/"
            if rest > 65536:
                assert c.to_end() == b""
                break
            c.send((TRAP * 3000)[:rest])
        nothing_was_trapped(gw, 0)


# -- a long rest: half-closed, read away within bounds ----------------------------------------


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_long_rest_ends_the_connection(framing: str) -> None:
    """Our side ends behind the answer; what comes is read away until the client ends its."""
    if framing == "length":
        head, piece = post("/fixed", 300_000), TRAP * 300
    else:
        head = b"POST /fixed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        piece = b"%x\r\n%s\r\n" % (len(TRAP) * 300, TRAP * 300)
    with Gateway(*ROUTES) as gw, Client(gw.address) as c:
        a = c.send(head).answer()
        assert a.status == 403
        assert a.values("Connection") == ([b"close"] if framing == "length" else [])
        for _ in range(20):
            c.send(piece)
        assert c.to_end() == b""
        c.half_close()
        gw.until(lambda n: n["connections"] == 0, "closed")
        nothing_was_trapped(gw, 1)


def test_lingering_ends_in_time() -> None:
    with Gateway(*ROUTES, timeouts=Timeouts(linger=300)) as gw, Client(gw.address) as c:
        assert c.send(post("/fixed", 300_000)).answer().status == 403
        began = time.monotonic()
        assert c.to_end() == b""  # half-closed at once
        assert time.monotonic() - began < 0.25
        gw.until(lambda n: n["connections"] == 0, "closed")
        assert 0.2 < time.monotonic() - began < 2


def test_lingering_waits_until_the_answer_has_left() -> None:
    """A reader that is slow, but reads, gets all of an answer that ends the connection."""
    body = "z" * 3_000_000
    route = Route(
        "big",
        (Match(),),
        ObjectSpec("none", "none"),
        steps=(Step(policy("respond", status=403, body=body)),),
    )
    with Gateway(route, timeouts=Timeouts(linger=100)) as gw:
        with Client(gw.address, receive_buffer=4096) as c:
            c.send(post("/", 300_000))
            gw.until(lambda n: n["exchanges_live"] == 0 and n["buffer_bytes"] > 0, "answered")
            time.sleep(0.4)
            a = c.answer()
            assert (a.status, len(a.body)) == (403, 3_000_000)


def test_an_upload_that_goes_on_is_cut_off() -> None:
    """1 MiB is read away, then the client is braked, and the connection closed in time."""
    with Gateway(*ROUTES, timeouts=Timeouts(linger=500)) as gw, Client(gw.address) as c:
        c.send(post("/fixed", 1 << 30))
        assert c.answer().status == 403
        began, sent = time.monotonic(), 0
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                sent += c.socket.send(b"x" * 65536)
        assert MIB <= sent < 20 * MIB
        assert 0.4 < time.monotonic() - began < 2
        gw.until(lambda n: n["connections"] == 0, "closed")


def test_a_braked_client_that_leaves_is_let_go() -> None:
    with Gateway(*ROUTES, timeouts=Timeouts(linger=60_000)) as gw, Client(gw.address) as c:
        c.send(post("/fixed", 1 << 30))
        assert c.answer().status == 403
        c.send(b"x" * (MIB + 100_000))
        time.sleep(0.2)
        assert gw.counters()["connections"] == 1
        c.half_close()
        gw.until(lambda n: n["connections"] == 0, "closed")


# -- 100 MB: what real clients see ---------------------------------------------------------------

UPLOAD = 100_000_000
PIECE = b"\0" * 65536
TIMES = 6


@pytest.fixture(scope="module")
def zeros(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse file of 100 MB."""
    path = tmp_path_factory.mktemp("upload") / "zeros"
    with path.open("wb") as f:
        f.truncate(UPLOAD)
    return path


def by_curl(gw: Gateway, path: str, zeros: Path, *options: str) -> None:
    """curl prints the status, and does not complain."""
    done = subprocess.run(
        [
            "curl",
            "-sS",
            "-w",
            "%{http_code}",
            "-o",
            "/dev/null",
            *options,
            "-T",
            str(zeros),
            f"http://127.0.0.1:{gw.address[1]}{path}",
        ],
        env=foreign.environment(),
        capture_output=True,
        timeout=30,
        check=False,
        text=True,
    )
    assert done.stdout == "403", (done.stdout, done.stderr)


def by_httpx(gw: Gateway, path: str, chunked: bool) -> None:
    """httpx returns the answer."""

    def body() -> Iterator[bytes]:
        for _ in range(UPLOAD // len(PIECE)):
            yield PIECE

    length = str(len(PIECE) * (UPLOAD // len(PIECE)))
    answer = httpx.post(
        f"http://127.0.0.1:{gw.address[1]}{path}",
        content=body(),
        timeout=10,
        headers={} if chunked else {"Content-Length": length},
    )
    assert answer.status_code == 403


def by_hand(gw: Gateway, path: str, chunked: bool) -> None:
    """A client that sends until it can't, and only then reads."""
    with Client(gw.address) as c:
        if chunked:
            c.send(
                f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            )
            piece = b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
        else:
            c.send(post(path, UPLOAD))
            piece = PIECE
        with contextlib.suppress(ConnectionError):
            for _ in range(UPLOAD // len(PIECE)):
                c.send(piece)
        assert c.answer().status == 403


@pytest.mark.parametrize("path", ["/denied", "/fixed"])
@pytest.mark.parametrize(
    "options",
    [
        ("-H", "Expect:"),
        ("-H", "Expect: 100-continue"),
        ("-H", "Expect:", "-H", "Transfer-Encoding: chunked"),
    ],
    ids=["plain", "expect", "chunked"],
)
def test_curl_shows_the_answer(path: str, options: tuple[str, ...], zeros: Path) -> None:
    with Gateway(*ROUTES) as gw:
        for _ in range(TIMES):
            by_curl(gw, path, zeros, *options)
        nothing_was_trapped(gw, TIMES)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("client", [by_httpx, by_hand])
def test_others_show_the_answer(
    client: Callable[[Gateway, str, bool], None],
    chunked: bool,
) -> None:
    with Gateway(*ROUTES, timeouts=Timeouts(linger=300)) as gw:
        for i in range(TIMES):
            client(gw, ("/denied", "/fixed")[i % 2], chunked)
        nothing_was_trapped(gw, TIMES)
