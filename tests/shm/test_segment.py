"""Segments: what is sealed stays as it is, what is damaged is refused with its reason."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator

import pytest

from fastgw.ext.shm.segment import (
    SegmentError,
    check_published,
    create_segment,
    map_segment,
    seal_bytes,
    with_header,
)

MAGIC = b"FGWTEST\0"


@pytest.fixture
def sealed() -> Iterator[int]:
    fd = seal_bytes("test", with_header(MAGIC, 3, b"content", generation=7))
    yield fd
    os.close(fd)


def test_sealed_content_is_read_in_place(sealed: int) -> None:
    segment = map_segment(sealed, MAGIC, 3)
    assert (segment.magic, segment.layout, segment.generation) == (MAGIC, 3, 7)
    assert segment.sealed and not segment.writable
    assert bytes(segment.view()[40:]) == b"content"
    assert check_published(sealed, MAGIC, 3) == (47, 7)


def test_nobody_can_change_what_is_sealed(sealed: int) -> None:
    with pytest.raises(OSError):
        os.pwrite(sealed, b"x", 40)
    with pytest.raises(OSError):
        os.ftruncate(sealed, 10)
    with pytest.raises(PermissionError):
        mmap.mmap(sealed, 47)
    with pytest.raises(SegmentError, match="sealed and can't be written"):
        map_segment(sealed, MAGIC, 3, writable=True)
    segment = map_segment(sealed, MAGIC, 3)
    with pytest.raises(TypeError):
        segment.view()[40] = 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "0 bytes are less than a header"),
        (b"short", "5 bytes are less than a header"),
        (with_header(b"FGWOTHR\0", 3, b"content"), r"magic b'FGWOTHR\\x00'"),
        (with_header(MAGIC, 4, b"content"), "has layout 4: this program knows 3"),
        (with_header(MAGIC, 3, b"content") + b"more", "says 47 bytes and has 51"),
        (with_header(MAGIC, 3, b"content")[:-1], "says 47 bytes and has 46"),
        (with_header(MAGIC, 3, b"content")[:-1] + b"X", "damaged: checksum"),
    ],
)
def test_wrong_segment_is_refused(data: bytes, text: str) -> None:
    fd = seal_bytes("test", data)
    with pytest.raises(SegmentError, match=text):
        map_segment(fd, MAGIC, 3)
    os.close(fd)


def test_unsealed_is_not_published() -> None:
    segment = create_segment("test", MAGIC, 3, 4096)
    with pytest.raises(SegmentError, match="somebody could still change it"):
        check_published(segment.fd, MAGIC, 3)
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, with_header(MAGIC, 3, b""))
    with pytest.raises(SegmentError, match="not sealed against another size"):
        map_segment(fd, MAGIC, 3)
    os.close(fd)


def test_no_memfd_is_no_segment() -> None:
    read, write = os.pipe()
    with pytest.raises(SegmentError, match="is no segment"):
        map_segment(read, MAGIC, 3)
    os.close(read)
    os.close(write)


def test_mutable_segment_is_shared() -> None:
    one = create_segment("test", MAGIC, 3, 4096)
    other = map_segment(one.fd, MAGIC, 3, writable=True)
    one.view()[100] = 42
    assert other.view()[100] == 42
    assert fcntl.fcntl(one.fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_GROW


def mapped() -> int:
    with open("/proc/self/maps") as f:
        return sum("fastgw-pinned" in line for line in f)


def test_segment_is_unmapped_with_its_last_view() -> None:
    fd = seal_bytes("pinned", with_header(MAGIC, 3, b"content"))
    view = map_segment(fd, MAGIC, 3).view()
    os.close(fd)
    assert mapped() == 1
    assert bytes(view[40:]) == b"content"
    del view
    assert mapped() == 0


def test_close_with_a_view_is_refused(sealed: int) -> None:
    segment = map_segment(sealed, MAGIC, 3)
    view = segment.view()
    with pytest.raises(BufferError, match="1 view"):
        segment.close()
    view.release()
    segment.close()
    with pytest.raises(BufferError, match="closed"):
        segment.view()
