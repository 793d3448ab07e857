"""The bundle: every file that plans name by digest, in one piece of memory that workers share.

    magic, layout, count | rows {digest, offset, length} sorted by digest | content

A file that is renewed in place (renewal.py) keeps the digest by which the plan names it; its
new content stands behind the old.

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
        if key not in (digest(found), twin_digest(found, path)):
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


def renew_bundle(bundle: bytes, content: Mapping[str, bytes]) -> bytes:
    """The bundle with another content for some digests; KeyError for one that it has not."""
    old, at, added = Bundle(bundle), len(bundle), []
    table = _HEADER.size + _ROW.size * len(old)
    made = bytearray(bundle[:table])
    for key, new in content.items():
        i = old.find(key)
        _ROW.pack_into(made, _HEADER.size + i * _ROW.size, bytes.fromhex(key), at, len(new))
        added.append(new)
        at += len(new)
    return b"".join((made, memoryview(bundle)[table:], *added))


class Bundle:
    """digest -> bytes, read in place."""

    def __init__(self, memory: bytes | memoryview | mmap.mmap) -> None:
        self._memory = memoryview(memory)
        self._count: int
        magic, layout, self._count = _HEADER.unpack_from(self._memory)
        if magic != MAGIC or layout != LAYOUT:
            raise BundleError("not a bundle of certificate files")

    def __getitem__(self, key: str) -> bytes:
        _, at, n = self._row(self.find(key))
        return bytes(self._memory[at : at + n])

    def find(self, key: str) -> int:
        """The row of a digest; KeyError."""
        wanted = bytes.fromhex(key)
        i = bisect_left(range(self._count), wanted, key=lambda i: self._row(i)[0])
        if i == self._count or self._row(i)[0] != wanted:
            raise KeyError(key)
        return i

    def __len__(self) -> int:
        return int(self._count)

    def _row(self, i: int) -> tuple[bytes, int, int]:
        row: tuple[bytes, int, int] = _ROW.unpack_from(self._memory, _HEADER.size + i * _ROW.size)
        return row


def mapped(fd: int) -> mmap.mmap:
    """A sealed bundle for reading, left out of core dumps."""
    memory = mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ)
    memory.madvise(mmap.MADV_DONTDUMP)
    return memory
