"""The bundle: every file that plans name by digest, in one piece of memory that workers share.

    magic, layout, count | rows {digest, offset, length} sorted by digest | content

A file that is renewed in place (renewal.py) keeps the digest by which the plan names it: its
new content is in a second bundle, of what was renewed alone, which is asked first.

It holds private keys, so it is kept out of core dumps, and is no part of the plan, which
may be shown. A generation gets a bundle of its own.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Any, Final

from fastgw.tls.files import FileError, digest, read_regular, twin_digest

MAGIC: Final = b"FGWCERT\0"
LAYOUT: Final = 1
_HEADER: Final = Struct("<8sII")
_ROW: Final = Struct("<16sQQ")


class BundleError(Exception):
    """The files are not what the plan was made from; the text says which."""


def files_of(options: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """digest -> path of every file that these `tls` options name."""
    found: dict[str, str] = {}
    for one in options:
        found.update(one.get("files", {}))
    return found


def patterns_of(options: Iterable[Mapping[str, Any]]) -> list[str]:
    """Patterns of certificate files in these `tls` options."""
    return sorted({pattern for one in options for pattern in one.get("patterns", ())})


def read_bundle(files: Mapping[str, str]) -> bytes:
    """Read the files again, and check that they are still those; BundleError."""
    content = {}
    for key, path in files.items():
        try:
            found = read_regular(path)
        except FileError as e:
            raise BundleError(str(e)) from None
        if key != digest(found) and key != twin_digest(found, path):
            raise BundleError(f"{path}: was changed while the configuration was read")
        content[key] = found
    return pack_bundle(content)


def pack_bundle(content: Mapping[str, bytes]) -> bytes:
    """The bundle of digest -> bytes."""
    at = _HEADER.size + _ROW.size * len(content)
    rows, parts = [], []
    for key in sorted(content):
        rows.append(_ROW.pack(bytes.fromhex(key), at, len(content[key])))
        parts.append(content[key])
        at += len(content[key])
    return b"".join((_HEADER.pack(MAGIC, LAYOUT, len(content)), *rows, *parts))


class Bundle:
    """digest -> bytes, read in place. `renewed`: what is asked before it."""

    def __init__(
        self, memory: bytes | memoryview | mmap.mmap, renewed: Bundle | None = None
    ) -> None:
        self.memory = memoryview(memory)
        self.renewed = renewed
        self._count: int
        magic, layout, self._count = _HEADER.unpack_from(self.memory)
        if magic != MAGIC or layout != LAYOUT:
            raise BundleError("not a bundle of certificate files")

    def __getitem__(self, key: str) -> bytes:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: str) -> bytes | None:
        """What a file holds; None: there is none of this digest."""
        newer = self.renewed.get(key) if self.renewed is not None else None
        if newer is not None:
            return newer
        wanted = bytes.fromhex(key)
        i = bisect_left(range(self._count), wanted, key=lambda i: self._row(i)[0])
        if i == self._count:
            return None
        name, at, n = self._row(i)
        return bytes(self.memory[at : at + n]) if name == wanted else None

    def content(self) -> dict[str, bytes]:
        """All its own files."""
        rows = map(self._row, range(self._count))
        return {name.hex(): bytes(self.memory[at : at + n]) for name, at, n in rows}

    def __len__(self) -> int:
        return int(self._count)

    def _row(self, i: int) -> tuple[bytes, int, int]:
        row: tuple[bytes, int, int] = _ROW.unpack_from(self.memory, _HEADER.size + i * _ROW.size)
        return row


def open_bundle(fd: int, renewed_fd: int = -1) -> Bundle:
    """A sealed bundle for reading, left out of core dumps, and the one of what was renewed."""
    memory = mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ)
    memory.madvise(mmap.MADV_DONTDUMP)
    return Bundle(memory, open_bundle(renewed_fd) if renewed_fd >= 0 else None)
