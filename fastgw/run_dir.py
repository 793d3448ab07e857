"""The run directory: where a running gateway is found, and the lock of its master.

--run-dir, else $RUNTIME_DIRECTORY, else /run/fastgw (root) or
$XDG_RUNTIME_DIR/fastgw, else fastgw-UID in the temporary directory
    NAME/           --name, `default` unless told otherwise
        lock        held by flock for the master's whole life; its pid inside
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

#: How long a fresh holder of the lock may take to write its pid, in seconds.
PID_WAIT_S = 0.2


class RunDirError(Exception):
    """The run directory can't be used; the text says why."""


class HeldError(RunDirError):
    """Another live master holds the lock."""

    def __init__(self, name: str, pid: int | None, folder: Path) -> None:
        who = f"pid {pid}" if pid else "pid unknown"
        super().__init__(f"gateway '{name}' is already running ({who}, run directory {folder})")
        self.pid = pid


def base_folder(option: str | None, env: Mapping[str, str], uid: int) -> tuple[Path, bool]:
    """The folder that holds all gateways' folders, and whether others may write beside it."""
    if option:
        return Path(option), False
    if given := env.get("RUNTIME_DIRECTORY"):
        # systemd separates several with colons; the first is ours.
        return Path(given.split(":")[0]), False
    if uid == 0:
        return Path("/run/fastgw"), False
    if session := env.get("XDG_RUNTIME_DIR"):
        return Path(session, "fastgw"), False
    return Path(tempfile.gettempdir(), f"fastgw-{uid}"), True


def run_folder(option: str | None, name: str, env: Mapping[str, str] = os.environ) -> Path:
    """The folder of one gateway, made if it is not there."""
    if not NAME.fullmatch(name):
        raise RunDirError(
            f"--name {name!r}: letters a-z, digits, '.', '_' and '-' only, at most 63"
        )
    uid = os.geteuid()
    base, shared = base_folder(option, env, uid)
    try:
        base.mkdir(mode=0o700, parents=not shared, exist_ok=True)
        if shared:
            check_private(base, uid)
        folder = base / name
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as e:
        raise RunDirError(f"run directory {base}: {e.strerror}") from e
    return folder


def check_private(folder: Path, uid: int) -> None:
    """Refuse a folder in the temporary directory that somebody else prepared."""
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise RunDirError(f"run directory {folder}: is not a directory")
    if facts.st_uid != uid:
        raise RunDirError(f"run directory {folder}: belongs to uid {facts.st_uid}, not to {uid}")
    if facts.st_mode & 0o077:
        raise RunDirError(f"run directory {folder}: is open to others; make it 0700")


class Lock:
    """The master's lock; let go by `release` or by the end of the process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "lock"
        self.fd = -1
        self.owned = False

    def take(self) -> None:
        """Take the lock and write our pid, or raise HeldError."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as e:
            raise RunDirError(f"{self.path}: {e.strerror}") from e
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(fd)
            if e.errno != errno.EWOULDBLOCK:
                raise RunDirError(f"{self.path}: {e.strerror}") from e
            raise HeldError(self.folder.name, self.holder(), self.folder) from e
        self.fd = fd
        self.own()

    def inherit(self, fd: int) -> None:
        """The lock that another master holds and hands over: the same open file. It is ours to
        let go of once we `own` it."""
        self.fd = fd
        self.owned = False

    def own(self) -> None:
        """Write our pid into the lock."""
        self.owned = True
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def holder(self) -> int | None:
        """The pid that stands in the lock; a holder that has just begun is waited for."""
        end = time.monotonic() + PID_WAIT_S
        while True:
            text = self.path.read_text().strip()
            if text.isdigit():
                return int(text)
            if time.monotonic() > end:
                return None
            time.sleep(0.01)

    def release(self) -> None:
        """Let go; the file stays, since removing it would let two masters lock two files."""
        if self.fd >= 0:
            if self.owned:
                os.ftruncate(self.fd, 0)
            os.close(self.fd)
            self.fd = -1

    def forget(self) -> None:
        """Close our copy in a forked worker; the master's stays locked."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def holder_of(folder: Path) -> int | None:
    """Pid of the master that holds the lock of a gateway's folder; None: there is none."""
    lock = Lock(folder)
    try:
        fd = os.open(lock.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return lock.holder()
    finally:
        os.close(fd)
    return None


def private_socket(path: Path) -> socket.socket:
    """A listening unix socket in a run directory, which only its owner may connect to. The
    directory's lock is ours, so whatever stands at `path` is left over. OSError: not possible."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        s.bind(str(path))
        s.listen(64)
        s.setblocking(False)
    except OSError:
        s.close()
        raise
    finally:
        os.umask(mask)
    return s
