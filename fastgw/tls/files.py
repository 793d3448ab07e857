"""Certificate files: read once, bounded, known by the digest of their content.

Plans name files by digest, so that a plan and what workers were handed always belong
together, and a certificate whose file did not change is the same one after a reload.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from fastgw.named_files import NAMED

#: Keys and indexes below a `tls:` map, the code of what is wrong there, and words.
Say = Callable[[tuple[str | int, ...], str, str], None]

#: No certificate, key, set of roots or revocation list is larger.
MOST_BYTES = 16 * 1024 * 1024


class FileError(Exception):
    """A file can't be read; the text names it and says why."""


def digest(content: bytes) -> str:
    """By which a content is known."""
    return blake2b(content, digest_size=16).hexdigest()


def twin_digest(content: bytes, path: str) -> str:
    """By which a file is known that holds the same as another one."""
    return digest(content + b"\0" + os.fsencode(path))


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file; FileError."""
    try:
        fd = NAMED.open(os.fspath(path))
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                raise FileError(f"{path}: is not a regular file")
            if facts.st_size > MOST_BYTES:
                raise FileError(f"{path}: is larger than {MOST_BYTES >> 20} MiB")
            return _read_all(fd, facts.st_size)
        finally:
            os.close(fd)
    except OSError as e:
        raise FileError(f"{path}: {e.strerror}") from None
    except ValueError:
        raise FileError(f"{str(path)!r} is no path") from None


def _read_all(fd: int, size: int) -> bytes:
    """All that a file holds, which may have grown since its size was asked for."""
    parts = [os.read(fd, size + 1)]
    while parts[-1] and sum(map(len, parts)) <= MOST_BYTES:
        parts.append(os.read(fd, 65536))
    return b"".join(parts)[:MOST_BYTES]


class TlsFiles:
    """The files of one configuration: digest -> bytes, and where each was."""

    def __init__(self, base: Path) -> None:
        """`base`: the folder that relative paths start from."""
        self.base = base
        self.paths: dict[str, str] = {}
        self._content: dict[str, bytes] = {}
        self._read: dict[str, str] = {}
        self._peeked: dict[str, bytes] = {}

    def __getitem__(self, key: str) -> bytes:
        return self._content[key]

    def path(self, text: str) -> str:
        """Where a file is that the configuration names."""
        return os.path.normpath(os.path.join(self.base, text))

    def peek(self, path: str) -> bytes:
        """What a file holds, which is not one of the configuration's until it is added."""
        if path not in self._peeked:
            self._peeked[path] = read_regular(path)
        return self._peeked[path]

    def add(self, text: str) -> str:
        """Read a file, once; its digest. FileError."""
        path = self.path(text)
        if path not in self._read:
            content = self._peeked.pop(path, b"") or read_regular(path)
            key = digest(content)
            if key in self.paths:
                # Each file has a key of its own: one of the two may change alone.
                key = twin_digest(content, path)
            self._read[path] = key
            self._content[key] = content
            self.paths[key] = path
        return self._read[path]
