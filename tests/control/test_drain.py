"""From rings to sinks: files, pipes, sockets; slow, full, gone and broken ones."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastgw.control.drain import Drain
from fastgw.control.sinks import Sink, SinkError, check_target, own_description
from fastgw.ext.record.ring import RingWriter, create_ring

DEADLINE_S = 10.0


class Rig:
    """Two rings and a drain to a target."""

    def __init__(self, target: str) -> None:
        self.said: list[str] = []
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.drain = Drain(Sink(target), lambda level, text: self.said.append(text), self.bell)
        self.writers = []
        for _ in range(2):
            fd = create_ring(65536)
            self.drain.add(fd)
            self.writers.append(RingWriter(fd, self.bell))
            os.close(fd)

    def write(self, ring: int, *lines: str) -> None:
        for line in lines:
            assert self.writers[ring].write(line.encode() + b"\n")


@pytest.fixture
def rig_for() -> Iterator[Callable[[str | Path], Rig]]:
    rigs: list[Rig] = []

    def make(target: str | Path) -> Rig:
        rigs.append(Rig(str(target)))
        return rigs[len(rigs) - 1]

    yield make
    for rig in rigs:
        if rig.drain.sink is not None:
            rig.drain.sink.close()
        os.close(rig.bell)


def test_file_gets_lines_of_all_rings(rig_for: Callable[..., Rig], tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    rig = rig_for(path)
    rig.write(0, "a1", "a2")
    rig.write(1, "b1")
    assert rig.drain.drain(1 << 20) == 9 == rig.drain.bytes
    assert path.read_text() == "before\na1\na2\nb1\n"


def test_rotation(rig_for: Callable[..., Rig], tmp_path: Path) -> None:
    path = tmp_path / "log"
    rig = rig_for(path)
    rig.write(0, "old")
    rig.drain.drain(1 << 20)
    path.rename(tmp_path / "log.1")
    rig.write(0, "still old")
    rig.drain.drain(1 << 20)
    rig.drain.reopen()
    rig.write(0, "new")
    rig.drain.drain(1 << 20)
    assert (tmp_path / "log.1").read_text() == "old\nstill old\n"
    assert path.read_text() == "new\n"


def test_failed_rotation_keeps_the_old_file(rig_for: Callable[..., Rig], tmp_path: Path) -> None:
    path = tmp_path / "d" / "log"
    path.parent.mkdir()
    rig = rig_for(path)
    rig.write(0, "one")
    rig.drain.drain(1 << 20)
    path.parent.rename(tmp_path / "moved")
    with pytest.raises(SinkError, match="No such file"):
        rig.drain.reopen()
    rig.write(0, "two")
    rig.drain.drain(1 << 20)
    assert (tmp_path / "moved" / "log").read_text() == "one\ntwo\n"


def test_unwritable_file_is_said_once_and_tried_again(
    rig_for: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastgw.control.sinks.RETRY_S", 0.0)
    path = tmp_path / "no" / "log"
    rig = rig_for(path)
    rig.write(0, "waits")
    for _ in range(3):
        assert rig.drain.drain(1 << 20) == 0
    assert rig.said == [f"access log {path}: No such file or directory"]
    path.parent.mkdir()
    assert rig.drain.drain(1 << 20) == 6
    assert path.read_text() == "waits\n"


def test_full_disk_keeps_lines_in_the_ring(rig_for: Callable[..., Rig]) -> None:
    rig = rig_for("/dev/full")
    rig.write(0, "kept")
    for _ in range(3):
        assert rig.drain.drain(1 << 20) == 0
    assert rig.said == ["access log /dev/full: No space left on device"]
    assert rig.drain.rings[0].waiting == 5 and rig.drain.sink.errors == 3


def test_slow_pipe_gets_whole_lines_in_order(rig_for: Callable[..., Rig], tmp_path: Path) -> None:
    """A line that a pipe took by half is ended before another ring's begins."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    rig = rig_for(fifo)
    for i in range(18):
        rig.write(0, f"a{i}" + "x" * 3000)
        rig.write(1, f"b{i}" + "y" * 3000)
    got = b""
    while any(ring.waiting for ring in rig.drain.rings):
        rig.drain.drain(1 << 20)
        got += os.read(reader, 1000)
    rig.drain.sink.close()
    while data := os.read(reader, 65536):
        got += data
    os.close(reader)
    lines = got.decode().splitlines()
    assert all(len(set(line.lstrip("ab0123456789"))) == 1 for line in lines)
    for ring in "ab":
        mine = [line for line in lines if line[0] == ring]
        assert [line.rstrip("xy")[1:] for line in mine] == [str(i) for i in range(18)]


def test_line_that_was_begun_is_ended_first(rig_for: Callable[..., Rig], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    rig = rig_for(fifo)
    rig.write(1, "b" * 6000)
    rig.drain.drain(1 << 20)
    rig.write(0, "a" * 100)
    got = os.read(reader, 65536)
    rig.drain.drain(1 << 20)
    got += os.read(reader, 65536)
    assert got == b"b" * 6000 + b"\n" + b"a" * 100 + b"\n"
    os.close(reader)


def test_half_a_line_is_not_gone_on_with_elsewhere(
    rig_for: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector goes away in the middle of a line; its successor gets whole ones."""
    monkeypatch.setattr("fastgw.control.sinks.RETRY_S", 0.0)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s"))
    server.listen(1)
    server.settimeout(DEADLINE_S)
    rig = rig_for(f"unix:{tmp_path}/s")
    rig.drain.sink.open()
    with socket.socket(fileno=os.dup(rig.drain.sink.fd)) as ours:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    peer, _ = server.accept()
    rig.write(0, "x" * 60_000)
    rig.drain.drain(1 << 20)
    assert 0 < rig.drain.bytes < 60_001
    peer.close()
    rig.drain.drain(1 << 20)
    rig.write(0, "whole")
    rig.drain.drain(1 << 20)
    peer, _ = server.accept()
    peer.settimeout(DEADLINE_S)
    assert peer.recv(65536) == b"whole\n"
    peer.close()
    server.close()


def test_nobody_reads_and_nothing_waits(rig_for: Callable[..., Rig], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    rig = rig_for(fifo)
    for _ in range(60):
        rig.writers[0].write(b"z" * 1000 + b"\n")
        rig.writers[1].write(b"z" * 1000 + b"\n")
    for _ in range(3):
        rig.drain.drain(1 << 20)
    assert rig.drain.bytes <= 65536 and rig.said == []
    os.close(reader)


def test_fifo_without_a_reader_is_an_error_not_a_wait(
    rig_for: Callable[..., Rig], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    rig = rig_for(tmp_path / "fifo")
    rig.write(0, "x")
    assert rig.drain.drain(1 << 20) == 0
    assert "No such device or address" in rig.said[0]


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_sockets(
    kind: str, rig_for: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that goes away and comes back gets whole lines from then on."""
    monkeypatch.setattr("fastgw.control.sinks.RETRY_S", 0.0)
    if kind == "unix":
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / "s"))
        target = f"unix:{tmp_path}/s"
    else:
        server = socket.create_server(("127.0.0.1", 0))
        target = f"tcp:127.0.0.1:{server.getsockname()[1]}"
    server.listen(1)
    server.settimeout(DEADLINE_S)
    rig = rig_for(target)
    rig.write(0, "first")
    rig.drain.drain(1 << 20)
    peer, _ = server.accept()
    assert peer.recv(100) == b"first\n"
    peer.close()
    got = b""
    for _ in range(100):
        rig.write(1, "more")
        rig.drain.drain(1 << 20)
        if rig.drain.sink.errors and rig.drain.sink.is_open:
            break
    peer, _ = server.accept()
    peer.settimeout(DEADLINE_S)
    got = peer.recv(65536)
    assert set(got.split(b"\n")) == {b"more", b""}
    peer.close()
    server.close()


# -- the gateway's own stdout ------------------------------------------------------------------


def test_inherited_pipe_keeps_its_flags() -> None:
    reader, writer = os.pipe()
    fd, is_socket = own_description(writer)
    assert not is_socket and not os.get_blocking(fd)
    assert os.get_blocking(writer)
    for one in (reader, writer, fd):
        os.close(one)


def test_inherited_socket_keeps_its_flags() -> None:
    """As under systemd: a socket can't be opened anew, and is never made non-blocking."""
    ours, theirs = socket.socketpair()
    fd, is_socket = own_description(theirs.fileno())
    assert is_socket and os.get_blocking(fd) and os.get_blocking(theirs.fileno())
    ring = create_ring(65536)
    writer, drain = RingWriter(ring), Drain(Sink("-"), lambda level, text: None)
    drain.add(ring)
    drain.sink.fd, drain.sink.is_socket = fd, True
    while writer.write(b"k" * 999 + b"\n"):
        drain.drain(1 << 20)
    assert drain.rings[0].waiting > 60000
    assert len(ours.recv(1000)) == 1000
    drain.sink.close()
    for one in (ours, theirs):
        one.close()
    os.close(ring)


# -- targets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "good",
    ["-", "stdout", "stderr", "/var/log/x", "unix:/run/s", "tcp:127.0.0.1:80", "tcp:[::1]:9"],
)
def test_targets(good: str) -> None:
    check_target(good)


@pytest.mark.parametrize(
    "bad", ["", "log.txt", "unix:s", "tcp:host:80", "tcp:1.2.3.4:99999", "unix:/" + "x" * 120]
)
def test_what_is_no_target(bad: str) -> None:
    with pytest.raises(ValueError, match="target|at most 107"):
        check_target(bad)


# -- when --------------------------------------------------------------------------------------


def test_doorbell_wakes_an_idle_drain(
    rig_for: Callable[..., Rig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle means that nothing is looked at until the bell rings."""
    monkeypatch.setattr("fastgw.control.drain.IDLE_AFTER_S", 0.0)
    monkeypatch.setattr("fastgw.control.drain.IDLE_S", 3600.0)
    rig = rig_for(tmp_path / "log")

    async def run() -> None:
        rig.drain.start()
        for n in (1, 2, 3):
            threading.Timer(0.01, rig.write, (0, "woken")).start()
            async with asyncio.timeout(DEADLINE_S):
                while rig.drain.bytes < 6 * n:
                    await asyncio.sleep(0.005)
        rig.write(1, "last")
        rig.drain.stop()

    asyncio.run(run())
    assert (tmp_path / "log").read_text() == "woken\n" * 3 + "last\n"


def test_error_numbers_that_close_the_sink(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "log"))
    sink.open()
    sink.failed(OSError(errno.ENOSPC, "full"))
    assert sink.is_open
    sink.failed(OSError(errno.EPIPE, "gone"))
    assert not sink.is_open
