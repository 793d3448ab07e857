"""The files that a configuration names: opened by this process, or by one that may read more.

The compiler runs as `--user`, and keys belong to root. What it may not open it asks its
parent for, over a socket that is closed before any plugin is imported. Every file that was
asked for is remembered with what it was when it was read, so that `--watch` knows what to
look at, also after a configuration that could not be used.

Requests and answers are datagrams of a socketpair (SOCK_SEQPACKET):

    ["open", PATH]      -> {} and a descriptor, or {"errno": N}
    ["find", PATTERN]   -> {"paths": [...]}; a plain path is a pattern that fits itself
"""

from __future__ import annotations

import errno
import glob
import json
import os
import socket
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: Never waits for a writer: whether it is a regular file is looked at afterwards.
FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
#: Paths of one answer, and bytes of one datagram.
MOST_PATHS = 12_000
MOST_BYTES = 2 << 20
_SO_SNDBUFFORCE = 32
#: Not allowed, or hidden in a folder that we may not look into.
_HIDDEN = (errno.EACCES, errno.EPERM)

#: inode, size and time of a file's last change in nanoseconds; zeros: it is not there.
Facts = tuple[int, int, int]
NO_FILE: Facts = (0, 0, 0)


@dataclass(slots=True)
class Read:
    """What a configuration was read from."""

    #: Every file that it names, as it was when it was opened.
    files: dict[str, Facts] = field(default_factory=dict)
    #: Patterns of names, with the files that fitted.
    patterns: dict[str, list[str]] = field(default_factory=dict)

    def as_map(self) -> dict[str, Any]:
        """For another process; nothing is copied, there may be thousands."""
        return {"files": self.files, "patterns": self.patterns}


@dataclass(slots=True)
class NamedFiles:
    """What was asked for so far, and who is asked for what we may not read; None: nobody."""

    helper: socket.socket | None = None
    opened: dict[str, Facts] = field(default_factory=dict)
    patterns: dict[str, list[str]] = field(default_factory=dict)

    def open(self, path: str) -> int:
        """A descriptor for reading; OSError."""
        self.opened[path] = NO_FILE
        try:
            fd = os.open(path, FLAGS)
        except OSError as e:
            if e.errno not in _HIDDEN or self.helper is None:
                raise
            fd = self._asked_open(path)
        self.opened[path] = facts_of(os.fstat(fd))
        return fd

    def find(self, pattern: str) -> list[str]:
        """The regular files that a pattern fits, in the order of their names."""
        found = find(pattern)
        if not found and self.helper is not None:
            answer, _ = self._ask("find", pattern)
            found = list(answer.get("paths", ()))
        if glob.has_magic(pattern):
            self.patterns[pattern] = found
        return found

    def close(self) -> None:
        """From here on nobody is asked."""
        if self.helper is not None:
            self.helper.close()
            self.helper = None

    def _asked_open(self, path: str) -> int:
        answer, fds = self._ask("open", path)
        if not fds:
            number = int(answer.get("errno", errno.EACCES))
            raise OSError(number, os.strerror(number), path)
        return fds[0]

    def _ask(self, what: str, text: str) -> tuple[dict[str, Any], list[int]]:
        """One question; an end of the channel is a refusal."""
        assert self.helper is not None
        self.helper.send(json.dumps([what, text]).encode())
        data, fds, _, _ = socket.recv_fds(self.helper, MOST_BYTES, 1)
        for fd in fds:
            # `recv_fds` does not pass flags on, so that MSG_CMSG_CLOEXEC would be lost.
            os.set_inheritable(fd, False)
        answer = json.loads(data) if data else {}
        return answer if isinstance(answer, dict) else {}, list(fds)


#: Of this process.
NAMED = NamedFiles()


def facts_of(about: os.stat_result) -> Facts:
    """By which a change is seen."""
    return about.st_ino, about.st_size, about.st_mtime_ns


def find(pattern: str) -> list[str]:
    """The regular files that a pattern fits and that this process can see."""
    if not glob.has_magic(pattern):
        return [pattern] if os.path.isfile(pattern) else []
    return sorted(p for p in glob.glob(pattern, recursive=True) if os.path.isfile(p))


# -- the other side ------------------------------------------------------------------------


class Helper:
    """Opens for the compiler what it may not open itself: regular files that belong to root or
    to whoever owns the configuration, and nothing else."""

    def __init__(self, main: str | None) -> None:
        self.owners = {0}
        try:
            self.owners |= {os.stat(main).st_uid} if main else set()
        except OSError:
            pass  # the compiler says what is wrong with it

    def answer(self, sock: socket.socket) -> bool:
        """Answer one question; False at the end."""
        try:
            data = sock.recv(MOST_BYTES)
            if not data:
                return False
            what, text = json.loads(data)
            if what == "find":
                self._send(sock, {"paths": self.found(str(text))})
            else:
                self._open(sock, str(text))
        except (OSError, ValueError, TypeError):
            return False
        return True

    def found(self, pattern: str) -> list[str]:
        """The files of a pattern that may be opened for somebody else."""
        return [path for path in find(pattern) if self.may(os.stat(path))][:MOST_PATHS]

    def may(self, about: os.stat_result) -> bool:
        """Whether a file may be read by the compiler."""
        return stat.S_ISREG(about.st_mode) and about.st_uid in self.owners

    def _open(self, sock: socket.socket, path: str) -> None:
        try:
            fd = os.open(path, FLAGS)
        except (OSError, ValueError) as e:
            self._send(sock, {"errno": getattr(e, "errno", None) or errno.EINVAL})
            return
        try:
            if self.may(os.fstat(fd)):
                self._send(sock, {}, [fd])
            else:
                self._send(sock, {"errno": errno.EACCES})
        finally:
            os.close(fd)

    def _send(
        self, sock: socket.socket, answer: dict[str, object], fds: Iterable[int] = ()
    ) -> None:
        socket.send_fds(sock, [json.dumps(answer).encode()], list(fds))


def channel() -> tuple[socket.socket, socket.socket]:
    """The two ends: the helper's and the compiler's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        # A long list of paths is one datagram. Only root may have so much, and needs it.
        ours.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, MOST_BYTES)
    except PermissionError:
        pass
    return ours, theirs
