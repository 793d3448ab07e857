"""Listening addresses: how they are written, and how their sockets are made.

    https://...     any of these, with TLS
    ip:port         one IPv4 address; names are not looked up
    [v6]:port       one IPv6 address
    :port           all of IPv4 and all of IPv6, as two sockets
    unix:/path      one socket, shared by all workers

A TCP address gets one SO_REUSEPORT socket for each worker slot. They all live in the
master, so what waits in a dead worker's queue is still there for its replacement.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from fastgw.master import holders
from fastgw.master.steering import Steering, accept_new, refuse_new

#: Bytes of a unix socket's path; the kernel's sun_path less its NUL.
UNIX_PATH_MOST = 107
BACKLOG_MOST = 4096
#: rw for owner and group: whoever may send requests shares the group.
UNIX_MODE_MASK = 0o117


class AddressError(Exception):
    """An address that can't be read or bound; the text says which and why."""


@dataclass(frozen=True)
class Address:
    """A listening address as it was written."""

    text: str
    host: str = ""
    port: int = 0
    path: str = ""
    scheme: str = "http"


@dataclass
class Bound:
    """The sockets of one address: one a slot, or one for all (unix, or handed over)."""

    index: int
    name: str
    sockets: list[socket.socket]
    path: str = ""
    inode: tuple[int, int] = (0, 0)
    #: As it was written, by which it is found again in another configuration.
    text: str = ""
    shared: bool = False
    steering: Steering | None = None
    #: When it will be closed, on the monotonic clock; 0 = it is listened on.
    closes_s: float = 0.0

    @property
    def place(self) -> str:
        """The address without its scheme: with TLS or not, it is the same socket."""
        return place(self.text)

    def of_slot(self, slot: int) -> socket.socket:
        """The socket that a slot's worker accepts from."""
        return self.sockets[0 if self.shared else slot]

    def facts(self) -> dict[str, object]:
        """All but the sockets, for a message."""
        return {
            "index": self.index,
            "text": self.text,
            "name": self.name,
            "path": self.path,
            "inode": list(self.inode),
            "shared": self.shared,
        }

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Bound:
        """The address of `facts`, without sockets."""
        return cls(sockets=[], **{**facts, "inode": tuple(facts["inode"])})

    def add_slot(self) -> None:
        """One more socket on the same address, for one more slot."""
        if self.shared:
            return
        s = self.beside(self.sockets[0])
        self.sockets.append(s)
        if self.steering is not None:
            self.steering.added(len(self.sockets) - 1)

    @staticmethod
    def beside(other: socket.socket) -> socket.socket:
        """A socket of its own in the group of another."""
        s = _tcp_socket(other.family, reuse_port=True)
        try:
            s.bind(other.getsockname()[:2])
            s.listen(backlog())
        except BaseException:
            s.close()
            raise
        return s

    def drop_slot(self) -> socket.socket | None:
        """Give the last slot's socket out of hand; whoever gets it closes it."""
        return None if self.shared else self.sockets.pop()

    def begin_closing(self, at_s: float) -> None:
        """Take no new connections; the handshakes that have begun come to their end."""
        self.closes_s = at_s
        for s in self.sockets:
            if not self.shared:
                refuse_new(s)
        self.unlink()

    def revive(self, index: int, slots: int) -> None:
        """It is listened on again after all, by so many slots."""
        self.closes_s, self.index = 0.0, index
        for s in self.sockets:
            accept_new(s)
        for _ in range(len(self.sockets), slots):
            self.add_slot()
        if self.steering is not None:
            self.steering.moved()

    def close(self) -> None:
        """Close this process's copies; nothing is unlinked."""
        for s in self.sockets:
            s.close()

    def unlink(self) -> None:
        """Take our unix path away."""
        if self.path and _inode(self.path) == self.inode:
            os.unlink(self.path)
        self.path = ""


@dataclass(frozen=True)
class Given:
    """A socket that a worker accepts from."""

    #: Row of its listener in the plan.
    index: int
    socket: socket.socket
    bound: Bound

    @property
    def shared(self) -> bool:
        """Whether other workers accept from it, too."""
        return self.bound.shared


@dataclass
class Change:
    """What another list of addresses means for what is listened on."""

    #: Row in the old plan -> row in the new one, of the addresses that stay.
    indexes: dict[int, int] = field(default_factory=dict)
    added: list[Bound] = field(default_factory=list)
    removed: list[Bound] = field(default_factory=list)
    #: Those of the added ones that were about to be closed, and when.
    revived: dict[int, float] = field(default_factory=dict)

    def undo(self) -> None:
        """It does not come to that: close what was bound for it."""
        for b in self.added:
            if id(b) in self.revived:
                b.begin_closing(self.revived[id(b)])
            else:
                b.close()
                b.unlink()


@dataclass
class Listening:
    """Everything that is listened on."""

    bound: list[Bound] = field(default_factory=list)
    #: Sockets that somebody handed over, and that no address has claimed yet.
    inherited: list[Bound] = field(default_factory=list)
    #: Not listened on any more, and not closed yet.
    closing: list[Bound] = field(default_factory=list)
    #: Sockets of slots that are gone, until nobody can be waiting in them.
    leaving: list[socket.socket] = field(default_factory=list)

    def of_slot(self, slot: int, change: Change | None = None) -> list[Given]:
        """What a slot's worker accepts from, as things are or after a change."""
        change = change or Change({b.index: b.index for b in self.bound})
        return [
            Given(change.indexes.get(b.index, b.index), b.of_slot(slot), b)
            for b in (*self.bound, *change.added)
            if b not in change.removed
        ]

    def change_to(self, addresses: list[str], slots: int) -> Change:
        """Bind what is new in a list of addresses; AddressError leaves everything as it was."""
        change = Change()
        try:
            for index, text in enumerate(addresses):
                # Several may be written alike (port 0): each stands for one of those there are.
                here = [b.index for b in self.bound if b.place == place(text)]
                left = [i for i in here if i not in change.indexes]
                if left:
                    change.indexes[left[0]] = index
                else:
                    change.added += (
                        self.claim(index, text)
                        or self.revive(index, text, slots, change)
                        or bind_address(index, text, slots, self.inodes())
                    )
        except BaseException:
            change.undo()
            raise
        change.removed = [b for b in self.bound if b.index not in change.indexes]
        return change

    def inodes(self) -> set[str]:
        """Inodes of our TCP sockets."""
        ours = [s for b in (*self.bound, *self.closing) if not b.path for s in b.sockets]
        return {str(os.fstat(s.fileno()).st_ino) for s in ours}

    def claim(self, index: int, text: str) -> list[Bound]:
        """Sockets for an address that were handed over."""
        found = [b for b in self.inherited if b.place == place(text)]
        self.inherited = [b for b in self.inherited if b.place != place(text)]
        for b in found:
            b.index = index
        return found

    def revive(self, index: int, text: str, slots: int, change: Change) -> list[Bound]:
        """Sockets of an address that were about to be closed. New ones beside them would join
        their group in the kernel, where nobody could tell which is which."""
        here = [b for b in self.closing if b.place == place(text) and len(b.sockets) <= slots]
        for b in here:
            if not b.shared:
                change.revived[id(b)] = b.closes_s
                b.revive(index, slots)
        return [b for b in here if not b.shared]

    def end_closing(self, now_s: float) -> None:
        """Close what has had its time."""
        for b in [b for b in self.closing if b.closes_s <= now_s]:
            self.closing.remove(b)
            b.close()

    def commit(self, change: Change) -> None:
        """The change holds; what is removed is the caller's to close."""
        self.closing = [b for b in self.closing if id(b) not in change.revived]
        self.bound = [b for b in self.bound if b not in change.removed]
        for b in self.bound:
            b.index = change.indexes[b.index]
        self.bound += change.added

    def close_others(self, kept: list[Given], change: Change | None = None) -> None:
        """In a worker: close every socket but its own."""
        mine = {given.socket for given in kept}
        self.close_leaving()
        for b in (*self.bound, *self.closing, *(change.added if change else ())):
            for s in b.sockets:
                if s not in mine:
                    s.close()

    def close_leaving(self) -> None:
        """Close this process's copies of the sockets of slots that are gone."""
        for s in self.leaving:
            s.close()

    def forget(self) -> None:
        """In a child: close every copy; nothing is unlinked."""
        self.close_leaving()
        for b in (*self.bound, *self.closing):
            b.close()

    def close(self) -> None:
        """Close every socket of this process and take our unix paths away."""
        self.close_leaving()
        for b in (*self.bound, *self.closing):
            b.close()
            b.unlink()


def parse(text: str) -> Address:
    """Read an address as it stands in --listen or the configuration."""
    if text.startswith("https://"):
        return replace(parse(text.removeprefix("https://")), text=text, scheme="https")
    if text.startswith("unix:"):
        path = text[5:]
        if not path.startswith("/"):
            raise AddressError(f"{text}: a unix address is unix:/absolute/path")
        if len(os.fsencode(path)) > UNIX_PATH_MOST:
            raise AddressError(f"{text}: the path is longer than {UNIX_PATH_MOST} bytes")
        return Address(text, path=path)
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise AddressError(f"{text}: an address is ip:port, [v6]:port, :port or unix:/path")
    v6 = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if v6 else host
    try:
        right = (not host and not v6) or ip_address(host).version == (6 if v6 else 4)
    except ValueError:
        right = False
    if not right:
        raise AddressError(f"{text}: is no IP address; an IPv6 address stands in brackets")
    return Address(text, host=host, port=int(port))


def place(text: str) -> str:
    """An address as it was written, without its scheme."""
    return text.removeprefix("https://")


def backlog() -> int:
    """As deep a queue as the kernel gives, 4096 at the most."""
    try:
        most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        most = socket.SOMAXCONN
    return min(most, BACKLOG_MOST)


def bind_all(addresses: list[str], slots: int, inherited: list[Bound] | None = None) -> Listening:
    """Bind every address for every slot, or take it from what was handed over; AddressError
    leaves nothing open."""
    listening = Listening(inherited=inherited or [])
    listening.commit(listening.change_to(addresses, slots))
    return listening


def bind_address(index: int, text: str, slots: int, ours: set[str]) -> list[Bound]:
    """Bind one address, which may be several sockets a slot, or raise with nothing left.
    `ours`: inodes of sockets that may have it already, in a wider or narrower form."""
    address = parse(text)
    bound = [_bind_unix(index, address)] if address.path else _bind_tcp(index, address, slots, ours)
    for b in bound:
        b.text = text
    return bound


# -- TCP -----------------------------------------------------------------------------------


def _bind_tcp(index: int, address: Address, slots: int, ours: set[str]) -> list[Bound]:
    bound: list[Bound] = []
    for family, host in _places(address):
        # Port 0: the second family gets the port that the first was given.
        port = address.port or (bound[0].sockets[0].getsockname()[1] if bound else 0)
        try:
            place = (family, host, port)
            bound.append(_bind_place(index, address.scheme, place, slots, ours))
        except OSError as e:
            # `:port` is IPv4 alone where IPv6 is switched off.
            if bound and e.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue
            for b in bound:
                b.close()
            raise AddressError(_why(address, e)) from e
    return bound


def _places(address: Address) -> list[tuple[socket.AddressFamily, str]]:
    """The (family, address) pairs that an address stands for."""
    if not address.host:
        return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    return [(socket.AF_INET6 if ":" in address.host else socket.AF_INET, address.host)]


def _bind_place(
    index: int,
    scheme: str,
    place: tuple[socket.AddressFamily, str, int],
    slots: int,
    ours: set[str],
) -> Bound:
    family, host, port = place
    # SO_REUSEPORT binds beside whoever else uses it, without an error, so ask without it.
    with _tcp_socket(family, reuse_port=False) as probe:
        try:
            probe.bind((host, port))
            port = int(probe.getsockname()[1])
        except OSError as e:
            if e.errno != errno.EADDRINUSE or not _only_ours(port, ours):
                raise
    sockets: list[socket.socket] = []
    try:
        for _ in range(slots):
            s = _tcp_socket(family, reuse_port=True)
            sockets.append(s)
            s.bind((host, port))
            s.listen(backlog())
    except BaseException:
        for s in sockets:
            s.close()
        raise
    shown = f"[{host}]" if family == socket.AF_INET6 else host
    steering = Steering([*range(slots)])
    return Bound(index, f"{scheme}://{shown}:{port}", sockets, steering=steering)


def _only_ours(port: int, ours: set[str]) -> bool:
    """Whether a port is taken by nobody but ourselves: `:80` becomes `127.0.0.1:80`."""
    holding = holders.tcp_inodes(port)
    return bool(holding) and holding <= ours


def _tcp_socket(family: socket.AddressFamily, reuse_port: bool) -> socket.socket:
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setblocking(False)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        # IPv4 has a socket of its own, so that no client is called ::ffff:a.b.c.d.
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return s


def _why(address: Address, e: OSError) -> str:
    if e.errno == errno.EADDRINUSE:
        return f"{address.text}: address in use{holders.describe(holders.tcp_inodes(address.port))}"
    return f"{address.text}: {e.strerror}"


# -- unix ----------------------------------------------------------------------------------


def _bind_unix(index: int, address: Address) -> Bound:
    path = address.path
    _remove_stale(address)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(UNIX_MODE_MASK)
    try:
        s.setblocking(False)
        s.bind(path)
        s.listen(backlog())
    except OSError as e:
        s.close()
        raise AddressError(f"{address.text}: {e.strerror}") from e
    finally:
        os.umask(mask)
    return Bound(index, address.text, [s], path, _inode(path), shared=True)


def _remove_stale(address: Address) -> None:
    """Take away a socket file that nobody listens on any more; refuse a live one."""
    path = address.path
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as e:
        raise AddressError(f"{address.text}: {e.strerror}") from e
    if not stat.S_ISSOCK(mode):
        raise AddressError(f"{address.text}: exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its queue is full: somebody listens
        except OSError as e:
            raise AddressError(f"{address.text}: {e.strerror}") from e
    raise AddressError(
        f"{address.text}: address in use{holders.describe(holders.unix_inodes(path))}"
    )


def _inode(path: str) -> tuple[int, int]:
    try:
        facts = os.lstat(path)
    except OSError:
        return (0, 0)
    return (facts.st_dev, facts.st_ino)
