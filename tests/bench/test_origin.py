"""The origin of the benchmarks, seen by a client that is not ours."""

from __future__ import annotations

import socket

import httpx
import pytest

from fastgw.bench.messages import JSON_BODY, pattern, request
from fastgw.ext.load.origin import Origin
from tests.bench.kit import DEADLINE_S, running_origin


def test_every_prepared_answer() -> None:
    with running_origin() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/anything?x=1").content == JSON_BODY
        for size in (1024, 65536, 1048576):
            assert client.get(f"/bytes/{size}").content == pattern(size)
            chunked = client.get(f"/chunks/{size}")
            assert chunked.content == pattern(size)
            assert chunked.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("size", [1, 5000, 2_000_000])
def test_bodies_are_read_and_dropped(size: int) -> None:
    with running_origin() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(2):
            assert client.post("/", content=b"x" * size).content == JSON_BODY
            # An iterator: httpx sends it chunked.
            pieces = (b"y" * 1000 for _ in range(size // 1000 + 1))
            assert client.post("/", content=pieces).content == JSON_BODY


def test_more_pipelined_requests_than_one_write_has_answers() -> None:
    count = 300
    with running_origin() as port, socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(request("/bytes/1024", "a", fields=[("A", "b")]) * count)
        expected = count * len(pattern(1024))
        got = b""
        while got.count(b"HTTP/1.1 200") < count or len(got) < expected:
            piece = sock.recv(1 << 20)
            assert piece
            got += piece


def test_slow_reader_gets_all_of_it() -> None:
    with running_origin() as port, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(DEADLINE_S)
        sock.connect(("127.0.0.1", port))
        sock.sendall(request("/bytes/1048576", "a") + request("/", "a", close=True))
        got = bytearray()
        while piece := sock.recv(50_000):
            got += piece
    body, _, last = bytes(got).partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1")
    assert body == pattern(1048576)
    assert last.endswith(JSON_BODY)


@pytest.mark.parametrize(
    "text",
    [
        b"no-blank\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"x" * 40000,
    ],
    ids=["line", "chunk", "no-key", "long"],
)
def test_nonsense_ends_the_connection_and_no_other(text: bytes) -> None:
    with running_origin() as port:
        with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as sock:
            sock.sendall(text)
            try:
                assert sock.recv(100) == b""
            except ConnectionResetError:
                pass
        assert httpx.get(f"http://127.0.0.1:{port}/").content == JSON_BODY


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match="without answers"):
        Origin([])
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="listen"):
        Origin([(b"/", "bytes", b"x", 0)], port=taken.getsockname()[1])
