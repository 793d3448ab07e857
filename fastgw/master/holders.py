"""Who holds an address: the processes behind a listening socket, from /proc.

Only for the text of an error, so whatever can't be read is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
_LISTEN = "0A"


def tcp_inodes(port: int, proc: Path = PROC) -> set[str]:
    """Inodes of the sockets that listen on a TCP port, on any address."""
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        for row in _rows(proc / table):
            if len(row) > 9 and row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port:
                found.add(row[9])
    return found


def unix_inodes(path: str, proc: Path = PROC) -> set[str]:
    """Inodes of the sockets bound to a path."""
    return {row[6] for row in _rows(proc / "net/unix") if len(row) > 7 and row[7] == path}


def _rows(table: Path) -> Iterator[list[str]]:
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        yield line.split()


def processes_with(inodes: set[str], proc: Path = PROC) -> list[tuple[int, str]]:
    """(pid, command) of the processes that have one of the sockets open, lowest pid first."""
    links = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for pid in sorted(int(p.name) for p in proc.iterdir() if p.name.isdigit()):
        try:
            fds = list((proc / str(pid) / "fd").iterdir())
            if any(_link(fd) in links for fd in fds):
                found.append((pid, (proc / str(pid) / "comm").read_text().strip()))
        except OSError:
            continue
    return found


def _link(fd: Path) -> str:
    try:
        return os.readlink(fd)
    except OSError:
        return ""


def describe(inodes: set[str]) -> str:
    """` by nginx (pid 12)`, or nothing when it can't be found."""
    if not inodes:
        return ""
    found = processes_with(inodes)
    if not found:
        return ""
    pid, command = found[0]
    return f" by {command} (pid {pid})"
