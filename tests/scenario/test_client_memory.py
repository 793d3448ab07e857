"""What bodies and idle connections cost a worker's process."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.gateway import Gateway
from tests.scenario.client import Client
from tests.scenario.origin import OK, Origin, Peer

MIB = 1 << 20
ZEROS = bytes(MIB)
GET = b"GET /down HTTP/1.1\r\nHost: a\r\n\r\n"
#: A worker's RSS may grow by so much.
MOST = 4 * MIB
PAUSE_EVERY = 32 * MIB


def rss(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The most that a process's RSS grew."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.before = rss(pid)
        self.most = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._stop.wait(0.01):
            self.most = max(self.most, rss(self.pid) - self.before)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


def drain_slowly(sock: socket.socket, n: int) -> int:
    """Read `n` bytes, or to the end, standing still again and again; how many there were."""
    buffer = bytearray(MIB)
    until_pause, total = PAUSE_EVERY, 0
    while total < n and (got := sock.recv_into(buffer, min(n - total, MIB))):
        total += got
        until_pause -= got
        if until_pause <= 0:
            until_pause = PAUSE_EVERY
            time.sleep(0.02)
    return total


def pour(sock: socket.socket, n: int) -> None:
    """Send `n` zeros."""
    while n:
        n -= sock.send(memoryview(ZEROS)[: min(n, MIB)])


def large_origin(size: int, chunked: bool) -> object:
    """Gives and takes `size` bytes; other requests get a small answer."""

    def script(peer: Peer) -> None:
        peer.socket.settimeout(30)
        while True:
            head = peer.head()
            if head.line.startswith(b"GET /down"):
                if chunked:
                    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    for _ in range(size // MIB):
                        peer.send(b"100000\r\n" + ZEROS + b"\r\n")
                    peer.send(b"0\r\n\r\n")
                else:
                    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
                    pour(peer.socket, size)
            elif head.line.startswith(b"POST"):
                drain_slowly(peer.socket, size - len(peer.rest))
                peer.rest.clear()
                peer.send(OK)
            else:
                peer.send(OK)

    return script


@contextlib.contextmanager
def running(tmp_path: Path, origin: Origin, *options: str) -> Iterator[tuple[tuple[str, int], int]]:
    """`fastgw run` with one worker; its address and the worker's pid."""
    with Gateway(
        [
            sys.executable,
            "-m",
            "fastgw",
            "run",
            "--to",
            "http://{}:{}".format(*origin.address),
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "1",
            "--run-dir",
            str(tmp_path),
            *options,
        ]
    ) as gw:
        address = gw.address()
        gw.ready()
        yield address, gw.workers()[0]


def up(address: tuple[str, int], size: int) -> None:
    """An upload, to an origin that reads slowly."""
    with Client(address) as c:
        c.socket.settimeout(30)
        c.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        pour(c.socket, size)
        assert c.answer().status == 200


def down(address: tuple[str, int], size: int) -> None:
    """A download that is read slowly."""
    with Client(address) as c:
        c.socket.settimeout(30)
        c.send(b"GET /down HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert c.head().status == 200
        assert len(c.rest) + drain_slowly(c.socket, 2 * size) >= size


def grown_by(tmp_path: Path, size: int, chunked: bool) -> int:
    """The most that the worker's RSS grew while so much went up, then down."""
    with Origin(large_origin(size, chunked)) as origin:  # type: ignore[arg-type]
        with running(tmp_path, origin, "--limit-body", "none") as (address, pid):
            with Client(address) as c:
                for _ in range(50):
                    assert c.get("/small").status == 200
            with Peak(pid) as peak:
                up(address, size)
                down(address, size)
            assert rss(pid) - peak.before < MOST
    return peak.most


@pytest.mark.parametrize("chunked", [False, True])
def test_64_mib_both_ways(chunked: bool, tmp_path: Path) -> None:
    assert grown_by(tmp_path, 64 * MIB, chunked) < MOST


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
def test_2_gib_both_ways(chunked: bool, tmp_path: Path) -> None:
    assert grown_by(tmp_path, 2048 * MIB, chunked) < MOST


# -- idle connections ---------------------------------------------------------------------


def private(pid: int) -> int:
    """Bytes of memory that only this process has."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {k: int(v.split()[0]) for k, _, v in (row.partition(":") for row in rows)}
    return 1024 * (kib["Private_Clean"] + kib["Private_Dirty"])


@pytest.mark.plain_build
def test_an_idle_connection_costs_little(tmp_path: Path) -> None:
    """At most 2 KiB, after it was used; they are held while others are served."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    count = 2000
    with (
        Origin() as origin,
        running(tmp_path, origin) as (address, pid),
        contextlib.ExitStack() as held,
    ):
        with Client(address) as c:
            for _ in range(200):
                assert c.get().status == 200
        first = [held.enter_context(Client(address)) for _ in range(200)]
        for c in first:
            assert c.get().status == 200
        before = private(pid)
        idle = [held.enter_context(Client(address)) for _ in range(count)]
        for c in idle:
            assert c.get().status == 200
        assert (private(pid) - before) / count < 2048
        for c in first + idle[::20]:
            assert c.get().status == 200
