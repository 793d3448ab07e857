"""Where the access log goes: files, pipes, sockets; each without ever waiting.

    -, stdout, stderr       the gateway's own; its flags are left as they are
    /path                   a file, appended to; or a FIFO
    unix:/path              a unix stream socket
    tcp:ip:port             a TCP connection

A sink that can't be written to is tried again later, and the rings keep what they can.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import time

#: Between two tries to open what could not be opened, or that broke.
RETRY_S = 1.0
CONNECT_S = 0.5
FILE_MODE = 0o640
STANDARD = {"-": 1, "stdout": 1, "stderr": 2}
_TCP = re.compile(r"tcp:(\[[0-9a-fA-F:.]+\]|[0-9.]+):(\d{1,5})")


class SinkError(Exception):
    """The sink can't be opened; the text says which and why."""


def check_target(target: str) -> None:
    """Refuse what is no target, before anything is started; ValueError says why."""
    if target in STANDARD or target.startswith("/"):
        return
    if target.startswith("unix:/"):
        if len(os.fsencode(target[5:])) > 107:
            raise ValueError(f"{target}: a unix socket's path has at most 107 bytes")
        return
    found = _TCP.fullmatch(target)
    if found is None or int(found[2]) > 65535:
        raise ValueError(
            f"{target!r} is no target: '-', 'stderr', a path that begins with '/', "
            "'unix:/path' or 'tcp:ip:port'"
        )


class Sink:
    """A descriptor of our own that never blocks."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.fd = -1
        #: Written with send(MSG_DONTWAIT): the description is not ours alone.
        self.is_socket = False
        self.errors = 0
        self._next_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether there is something to write to."""
        return self.fd >= 0

    def open(self) -> None:
        """Open it, or raise SinkError; what is open stays open."""
        if self.fd >= 0:
            return
        try:
            self._open()
        except OSError as e:
            self.errors += 1
            self._next_s = time.monotonic() + RETRY_S
            raise SinkError(f"access log {self.target}: {e.strerror or e}") from e

    def _open(self) -> None:
        if self.target in STANDARD:
            self.fd, self.is_socket = own_description(STANDARD[self.target])
        elif self.target.startswith("unix:"):
            self.fd, self.is_socket = connected(socket.AF_UNIX, self.target[5:]), True
        elif self.target.startswith("tcp:"):
            host, _, port = self.target[4:].rpartition(":")
            family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
            self.fd, self.is_socket = connected(family, (host.strip("[]"), int(port))), True
        else:
            self.fd, self.is_socket = open_path(self.target), False

    def may_try(self) -> bool:
        """Whether enough time has passed since it could not be opened."""
        return self.fd >= 0 or time.monotonic() >= self._next_s

    def failed(self, error: OSError) -> str:
        """A write failed: close what is broken for good, and say why, for the log."""
        self.errors += 1
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            self.close()
        self._next_s = time.monotonic() + RETRY_S
        return f"access log {self.target}: {error.strerror}"

    def reopen(self) -> None:
        """Open the path again, where a rotation has put another file (or none); the old one
        is kept if that fails."""
        if self.target in STANDARD or ":" in self.target[:5]:
            return
        old, self.fd = self.fd, -1
        try:
            self.open()
        except SinkError:
            self.fd = old
            raise
        if old >= 0:
            os.close(old)

    def close(self) -> None:
        """Let the descriptor go."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def own_description(fd: int) -> tuple[int, bool]:
    """A descriptor for what `fd` is, whose flags are ours: O_NONBLOCK set on an inherited
    pipe would hold for the parent's end of it, too. A socket can't be opened anew; it is
    written to with a flag for each call."""
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        return os.dup(fd), True
    return open_path(f"/proc/self/fd/{fd}"), False


def open_path(path: str) -> int:
    """A file to append to. A FIFO without a reader is an error (ENXIO), not a wait."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    return os.open(path, flags, FILE_MODE)


def connected(family: int, address: str | tuple[str, int]) -> int:
    """A connected stream socket's descriptor."""
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(CONNECT_S)
        s.connect(address)
        s.setblocking(False)
        return s.detach()
