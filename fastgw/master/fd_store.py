"""The service manager's descriptor store: sockets and shared memory outlive a dead master.

With `FileDescriptorStoreMax` systemd keeps what it is sent and hands it to the next start, by
name, behind the sockets of socket activation. So clients that connect between two masters
wait in the sockets' queues, counters go on, and sessions of TLS are resumed, also where no
worker has lived to be adopted.

Each descriptor is stored under a name of its own; what they mean stands in one of them, a
*manifest* (JSON), which is written again whenever something changes.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from fastgw.log import Log
from fastgw.master.addresses import Bound, Listening
from fastgw.master.heritage import Estate, Heritage
from fastgw.master.messages import BrokenMessage
from fastgw.master.systemd import Notifier

#: Names of what is ours begin so; others are of socket activation.
PREFIX = "fastgw-"
MANIFEST = PREFIX + "manifest"
#: After an upgrade the manager hears the new master only once the old one has named it.
NAMED_S = 2.0


def new_manifest() -> int:
    """Memory for a manifest."""
    return os.memfd_create(MANIFEST, os.MFD_CLOEXEC)


class FdStore:
    """What the manager keeps for us: brought up to date by `look`, once a round."""

    def __init__(
        self,
        notifier: Notifier,
        manifest_fd: int,
        listening: Listening,
        estate: Estate,
        present: set[str],
    ) -> None:
        self.notifier, self.manifest_fd = notifier, manifest_fd
        self.listening = listening
        #: What is kept besides the listening sockets.
        self.estate = estate
        #: Names that the manager has.
        self.present = present
        #: Nothing is told before; on the monotonic clock.
        self.begin_s = float("inf")
        self._known: tuple[list[Any], dict[str, str]] | None = None

    def begin(self, after_s: float = 0.0) -> None:
        """This master serves, and the manager listens to it after a while."""
        self.begin_s = time.monotonic() + after_s

    def look(self) -> None:
        """Tell the manager what has changed."""
        if not self.notifier.address or time.monotonic() < self.begin_s:
            return
        sockets = [(b.name, b.index, [s.fileno() for s in b.sockets]) for b in self.kept()]
        # Not the descriptors' numbers: a segment's next version may have that of one before.
        known = (sockets, {name: name_of(fd) for name, fd in self.estate.fds().items()})
        if known != self._known:
            self._known = known
            self.update()

    def kept(self) -> list[Bound]:
        """Addresses whose sockets are ours; those of socket activation are the manager's."""
        return [b for b in self.listening.bound if b.path or not b.shared]

    def update(self) -> None:
        """Write what it all means, store what is new, then take away what is gone: whenever this
        master dies, what is stored is known."""
        wanted = {MANIFEST: self.manifest_fd}
        rows: list[dict[str, Any]] = []
        for b in self.kept():
            names = {str(slot): name_of(s.fileno()) for slot, s in enumerate(b.sockets)}
            wanted |= {names[str(slot)]: s.fileno() for slot, s in enumerate(b.sockets)}
            order = b.steering.order if b.steering is not None and b.steering.works else []
            rows.append({**b.facts(), "slots": [*range(len(names))], "order": order, "fds": names})
        fds = self.estate.fds()
        more = {name: name_of(fd) for name, fd in fds.items()}
        wanted |= {more[name]: fd for name, fd in fds.items()}
        self._write({"sockets": rows, "more": more})
        for name in sorted(wanted.keys() - self.present, key=lambda name: name != MANIFEST):
            self.notifier.tell_with(wanted[name], FDSTORE=1, FDNAME=name, FDPOLL=0)
        for name in self.present - wanted.keys():
            self.notifier.tell(FDSTOREREMOVE=1, FDNAME=name)
        self.present = set(wanted)

    def leave(self) -> None:
        """Another master looks after it from now on."""
        self.begin_s = float("inf")

    def empty(self) -> None:
        """The gateway ends: nobody shall wait in a socket that no one will accept from."""
        for name in self.present:
            self.notifier.tell(FDSTOREREMOVE=1, FDNAME=name)
        self.present = set()
        self.leave()

    def _write(self, manifest: dict[str, Any]) -> None:
        data = json.dumps(manifest).encode()
        os.pwrite(self.manifest_fd, data, 0)
        os.ftruncate(self.manifest_fd, len(data))


def name_of(fd: int) -> str:
    """A name that stays the same for as long as the socket or the memory is the same."""
    about = os.fstat(fd)
    return f"{PREFIX}{about.st_dev:x}-{about.st_ino}"


def restore(heritage: Heritage, given: list[tuple[str, int]], log: Log) -> None:
    """Take what the manager gave to this process: add what it has stored to what others have
    handed over. A manifest that can't be used is said, and what it was about is closed: the
    gateway begins as if nothing had been kept."""
    left = {name: fd for name, fd in given if name.startswith(PREFIX)}
    heritage.activated = [fd for name, fd in given if not name.startswith(PREFIX)]
    heritage.stored = set(left)
    heritage.manifest_fd = left.pop(MANIFEST, heritage.manifest_fd)
    try:
        if left:
            for message in messages_of(read_manifest(heritage.manifest_fd), left):
                heritage.take(message)
            log.info(f"{len(heritage.stored)} descriptors from the service manager's store")
        elif heritage.manifest_fd >= 0:
            heritage.stored = names_in(read_manifest(heritage.manifest_fd))
    except (ValueError, KeyError, TypeError, OSError, BrokenMessage) as e:
        log.warning(f"the descriptor store is of no use: {type(e).__name__}: {e}")
    close_all(left)


def read_manifest(fd: int) -> dict[str, Any]:
    """What was written last; ValueError, OSError."""
    manifest: dict[str, Any] = json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    return manifest


def names_in(manifest: dict[str, Any]) -> set[str]:
    """The names of all that a manifest is about, itself included."""
    found = {MANIFEST, *manifest["more"].values()}
    for row in manifest["sockets"]:
        found |= set(row["fds"].values())
    return found


def messages_of(manifest: dict[str, Any], left: dict[str, int]) -> list[dict[str, Any]]:
    """What a peer would have said (heritage.py); descriptors are taken out of `left`."""
    found: list[dict[str, Any]] = []
    more = {what: left.pop(name) for what, name in manifest["more"].items() if name in left}
    found.append({"type": "heritage", "generation": 0, "fds": more})
    for row in manifest["sockets"]:
        fds = {slot: left.pop(name) for slot, name in row["fds"].items() if name in left}
        if fds:
            found.append({**row, "type": "sockets", "slots": [int(s) for s in fds], "fds": fds})
    return found


def close_all(fds: dict[str, int]) -> None:
    """Give up what nobody wants."""
    for fd in fds.values():
        os.close(fd)
    fds.clear()
