"""The ring of log lines: whole lines, bounds, and memory that is no ring."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fastgw.ext.record.ring import RingReader, RingWriter, create_ring, describe

SIZE = 65536


@pytest.fixture
def ring() -> Iterator[int]:
    fd = create_ring(SIZE)
    yield fd
    os.close(fd)


def read_all(reader: RingReader) -> bytes:
    data = reader.peek(SIZE)
    reader.take(len(data))
    return data


def test_lines_come_out_as_they_went_in(ring: int) -> None:
    writer, reader = RingWriter(ring), RingReader(ring)
    assert reader.waiting == 0 and reader.at_line()
    assert writer.write(b"one\n") and writer.write(b"two\n")
    assert read_all(reader) == b"one\ntwo\n"
    assert (reader.written, reader.dropped, reader.waiting) == (2, 0, 0)


def test_a_line_over_the_end_is_one_piece(ring: int) -> None:
    """Mapped twice: neither end sees where the ring begins again."""
    writer, reader = RingWriter(ring), RingReader(ring)
    line = b"x" * 999 + b"\n"
    for _ in range(200):
        assert writer.write(line)
        assert reader.peek(SIZE) == line
        reader.take(1000)


def test_full_ring_drops_and_counts(ring: int) -> None:
    writer, reader = RingWriter(ring), RingReader(ring)
    line = b"y" * 1023 + b"\n"
    taken = sum(writer.write(line) for _ in range(100))
    assert taken == SIZE // 1024
    assert (writer.dropped, reader.dropped, writer.lines) == (100 - taken, 100 - taken, taken)
    assert read_all(reader) == line * taken
    assert writer.write(b"again\n")
    assert read_all(reader) == b"again\n"


def test_next_writer_goes_on_where_the_last_one_ended(ring: int) -> None:
    reader = RingReader(ring)
    for text in (b"first\n", b"second\n"):
        assert RingWriter(ring).write(text)
    assert read_all(reader) == b"first\nsecond\n"
    assert describe(ring)["lines"] == 2


def test_next_reader_goes_on_where_the_last_one_ended(ring: int) -> None:
    writer = RingWriter(ring)
    writer.write(b"abc\ndef\n")
    RingReader(ring).take(4)
    assert read_all(RingReader(ring)) == b"def\n"


def test_killed_writer_leaves_whole_lines(ring: int) -> None:
    """Whatever it was doing, what can be read ends in a newline."""
    code = (
        "import sys; from fastgw.ext.record.ring import RingWriter\n"
        "w = RingWriter(int(sys.argv[1]))\n"
        "print('begun', flush=True)\n"
        "while True: w.write(b'a' * 300 + b'\\n')\n"
    )
    os.set_inheritable(ring, True)
    reader = RingReader(ring)
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(ring)], pass_fds=[ring], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        while reader.waiting < SIZE // 2:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
        assert set(read_all(reader).split(b"\n")) == {b"a" * 300, b""}


def test_partial_write_is_gone_on_with(ring: int) -> None:
    writer, reader = RingWriter(ring), RingReader(ring)
    for i in range(60):
        writer.write(b"%04d" % i + b"z" * 1000 + b"\n")
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    got = b""
    while reader.waiting:
        try:
            reader.write_to(ours.fileno(), True)
        except BlockingIOError:
            got += theirs.recv(65536)
    ours.close()
    while data := theirs.recv(65536):
        got += data
    theirs.close()
    assert [line[:4] for line in got.splitlines()] == [b"%04d" % i for i in range(60)]
    assert len(got) == 60 * 1005


def test_half_a_line_can_be_skipped(ring: int) -> None:
    writer, reader = RingWriter(ring), RingReader(ring)
    writer.write(b"abcdef\n")
    writer.write(b"next\n")
    reader.take(3)
    assert not reader.at_line()
    reader.skip_line()
    assert reader.at_line() and read_all(reader) == b"next\n"


def test_errors_of_the_sink_lose_nothing(ring: int) -> None:
    writer, reader = RingWriter(ring), RingReader(ring)
    writer.write(b"kept\n")
    with pytest.raises(OSError) as e:
        reader.write_to(os.open("/dev/full", os.O_WRONLY | os.O_CLOEXEC))
    assert e.value.errno == errno.ENOSPC
    assert read_all(reader) == b"kept\n"


def test_doorbell_rings_once_for_a_sleeping_reader(ring: int) -> None:
    bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    writer, reader = RingWriter(ring, bell), RingReader(ring)
    reader.wake_above(100)
    writer.write(b"a" * 99 + b"\n")
    with pytest.raises(BlockingIOError):
        os.eventfd_read(bell)
    for _ in range(5):
        writer.write(b"b" * 99 + b"\n")
    assert os.eventfd_read(bell) == 1
    read_all(reader)
    reader.wake_above(0)
    writer.write(b"c\n")
    assert os.eventfd_read(bell) == 1
    os.close(bell)


def changed(at: int, data: bytes) -> int:
    fd = create_ring(SIZE)
    os.pwrite(fd, data, at)
    return fd


@pytest.mark.parametrize(
    ("at", "data", "says"),
    [
        (0, b"NOTRING", "does not begin with FGWRING"),
        (8, (99).to_bytes(4, "little"), "layout 99"),
        (16, (1 << 40).to_bytes(8, "little"), "header says"),
        (16, (SIZE - 1).to_bytes(8, "little"), "header says"),
        (16, bytes(8), "header says"),
    ],
)
def test_what_is_no_ring_is_refused(at: int, data: bytes, says: str) -> None:
    fd = changed(at, data)
    for make in (RingWriter, RingReader):
        with pytest.raises(ValueError, match=says):
            make(fd)
    os.close(fd)


def test_short_memory_is_refused() -> None:
    fd = os.memfd_create("short", os.MFD_CLOEXEC)
    with pytest.raises(ValueError, match="shorter than its header"):
        RingReader(fd)
    os.close(fd)


@pytest.mark.parametrize("size", [0, 1000, SIZE + 1])
def test_sizes_are_powers_of_two(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        create_ring(size)


def test_memory_can_not_be_cut_away_under_a_mapping(ring: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(ring, 4096)


@pytest.mark.parametrize("field", ["head", "tail"])
def test_mad_counters_read_and_write_nothing(field: str) -> None:
    """The other process can write anything into the header; we stay within the ring."""
    fd = changed(64 if field == "head" else 128, (1 << 50).to_bytes(8, "little"))
    writer, reader = RingWriter(fd), RingReader(fd)
    assert reader.waiting == 0 and reader.peek(100) == b""
    assert not writer.write(b"lost\n") and writer.dropped == 1
    os.close(fd)
