"""/etc/hosts: addresses of names that need no DNS (hosts(5))."""

from __future__ import annotations

import os
import socket
from pathlib import Path

PATH = Path("/etc/hosts")
#: A file that is larger is no such file.
MOST_BYTES = 4 << 20

_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_Stamp = tuple[int, int, int]


class HostsFile:
    """What the file says, read again when it has changed. A file that can't be read says
    nothing; a line that is no `address name ...` is passed over."""

    def __init__(self, path: Path = PATH) -> None:
        self.path = path
        self._stamp: _Stamp | None = None
        self._found: dict[str, list[tuple[int, str]]] = {}

    def find(self, host: str) -> list[tuple[int, str]]:
        """(family, address) of a name, in the order of the file."""
        self._refresh()
        return list(self._found.get(host.lower(), ()))

    def _refresh(self) -> None:
        try:
            said = os.stat(self.path)
            stamp = (said.st_mtime_ns, said.st_size, said.st_ino)
            if stamp == self._stamp:
                return
            with open(self.path, "rb") as f:
                text = f.read(MOST_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError):
            self._stamp, self._found = None, {}
            return
        self._stamp, self._found = stamp, read_hosts(text)


def read_hosts(text: str) -> dict[str, list[tuple[int, str]]]:
    """Addresses by name, in lower case."""
    found: dict[str, list[tuple[int, str]]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        family = family_of(address)
        for name in names if family else ():
            rows = found.setdefault(name.lower(), [])
            if (family, address) not in rows:
                rows.append((family, address))
    return found


def family_of(address: str) -> int:
    """The family of an IP address as text; 0 = it is none that can be connected to as it is."""
    for family in _FAMILIES:
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        return int(family)
    return 0
