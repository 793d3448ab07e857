"""Heritage: listening sockets and shared memory that go from one master to the next.

upgrade     the old master starts the new program and sends them over a socketpair
adoption    a master has died: its orphans, the workers, wait on the run directory's
            `adopt.sock` and send what they accept from

In both cases the new master starts workers of its own on the same sockets and, when they
are ready, tells the old ones to leave. Messages:

    heritage {generation, pid, slot, column} and the fds of an `Estate`, from a master also
             `lock` and `manifest`
    sockets {text, name, path, inode, shared, slots, order} and an fd for each slot
    that_is_all
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastgw.master.addresses import Bound, Listening
from fastgw.master.messages import BrokenMessage, Inbox, Message, Outbox, receive
from fastgw.master.state_file import read_orders
from fastgw.master.steering import Steering
from fastgw.run_dir import private_socket

ADOPT_SOCKET = "adopt.sock"
#: How long whoever hands over may take.
ANSWER_S = 5.0
#: Descriptors of one message; the kernel takes 253.
FDS_A_MESSAGE = 60
#: Names of the control process's sockets begin so.
MORE = "control."
#: Names of the sockets for probes begin so; their address follows.
HEALTH = "health."
#: Names of segments that all processes read begin so.
PUBLISHED = "segment."
#: Mutable segments: statistics, the ring of ticket keys, connections by client address.
STATISTICS, TICKETS, ADDRESSES = MEMORY = ("statistics", "tickets", "addresses")


@dataclass(frozen=True)
class Estate:
    """All that goes from one master to the next besides its listening sockets: one list for an
    old master, for an orphan and for the service manager's store."""

    #: Mutable segments, by the names in MEMORY.
    memory: Mapping[str, int]
    #: Where probes of health are answered.
    health: Sequence[Bound] = ()
    #: Segments that all processes read, by name, as they are when somebody asks.
    segments: Mapping[str, int] = field(default_factory=dict)
    #: Sockets of the control process by its names; an orphan has none of them.
    control: Mapping[str, socket.socket] = field(default_factory=dict)

    def fds(self) -> dict[str, int]:
        """Descriptors by their names in a heritage; they stay the estate's."""
        fds = dict(self.memory)
        fds |= {HEALTH + b.text: b.sockets[0].fileno() for b in self.health}
        fds |= {PUBLISHED + name: fd for name, fd in self.segments.items()}
        fds |= {MORE + name: s.fileno() for name, s in self.control.items()}
        return fds


@dataclass
class Peer:
    """Who has handed over, and leaves when we are ready."""

    control: socket.socket
    pid: int
    slot: int = -1
    column: int = 0


@dataclass
class Heritage:
    """All that was handed over."""

    peers: list[Peer] = field(default_factory=list)
    listening: Listening = field(default_factory=Listening)
    #: Mutable segments, by the names in MEMORY.
    memory: dict[str, int] = field(default_factory=dict)
    #: What the service manager's descriptor store means (fd_store.py).
    manifest_fd: int = -1
    #: Names of what that store has.
    stored: set[str] = field(default_factory=set)
    #: Descriptors of socket activation.
    activated: list[int] = field(default_factory=list)
    lock_fd: int = -1
    generation: int = 0
    #: Sockets of the control process by its names.
    more: dict[str, int] = field(default_factory=dict)
    #: Sockets where probes of health are answered.
    health: list[Bound] = field(default_factory=list)
    #: Segments that all processes read, by name.
    segments: dict[str, int] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """One message of a peer."""
        fds = message["fds"]
        if message["type"] == "heritage":
            self.generation = max(self.generation, message["generation"])
            for name, fd in fds.items():
                self._take_fd(name, fd)
        elif message["type"] == "sockets":
            self._take_sockets(message, fds)
        else:
            raise BrokenMessage(f"a heritage of {message['type']!r}")

    def _take_fd(self, name: str, fd: int) -> None:
        """One descriptor of an estate, or of an old master."""
        if name in MEMORY:
            keep(self.memory, name, fd)
        elif name.startswith(PUBLISHED):
            keep(self.segments, name.removeprefix(PUBLISHED), fd)
        elif name.startswith(MORE):
            keep(self.more, name.removeprefix(MORE), fd)
        elif name.startswith(HEALTH):
            self._take_health(name.removeprefix(HEALTH), socket.socket(fileno=fd))
        elif name == "manifest" and self.manifest_fd < 0:
            self.manifest_fd = fd
        elif name == "lock" and self.lock_fd < 0:
            self.lock_fd = fd
        else:
            os.close(fd)  # of a later version, or the same once more

    def _take_health(self, text: str, probed: socket.socket) -> None:
        if text in [b.text for b in self.health]:
            probed.close()
        else:
            self.health.append(Bound(-1, f"http://{text}", [probed], text=text))

    def _take_sockets(self, message: Message, fds: dict[str, int]) -> None:
        bound = self._bound(message)
        for slot in message["slots"]:
            s = socket.socket(fileno=fds[str(slot)])
            if slot in bound.found or (bound.shared and bound.sockets):
                s.close()
            else:
                bound.found[slot] = s
                bound.sockets = list(bound.found.values())
        if message["order"]:
            bound.known_order = list(message["order"])

    def _bound(self, message: Message) -> Found:
        for b in self.listening.bound:
            if isinstance(b, Found) and b.name == message["name"]:
                return b
        b = Found(
            index=-1,
            name=message["name"],
            sockets=[],
            path=message["path"],
            inode=(message["inode"][0], message["inode"][1]),
            text=message["text"],
            shared=message["shared"],
        )
        self.listening.bound.append(b)
        return b

    def complete(self, workers: int, folder: Path) -> int:
        """Fill the places of slots whose worker is dead, and find out about the steering; how
        many workers there are: as many as before, or as are wanted of a new gateway."""
        found = [b for b in self.listening.bound if isinstance(b, Found) and not b.shared]
        orders = read_orders(folder)
        for b in found:
            b.complete(orders.get(b.name))
        if self.lock_fd < 0 or not found:
            workers = max([workers, *(len(b.sockets) for b in found)])
        else:
            workers = max(len(b.sockets) for b in found)
        for b in found:
            while len(b.sockets) < workers:
                b.add_slot()
        return workers


@dataclass
class Found(Bound):
    """Sockets of one address, as they come in."""

    found: dict[int, socket.socket] = field(default_factory=dict)
    known_order: list[int] | None = None

    def complete(self, order: list[int] | None) -> None:
        """A socket for each slot up to the last one; steered if the group's order is known."""
        order = self.known_order or order
        gone = [slot for slot in order or () if slot not in self.found]
        self.steering = Steering(order or [])
        if order is None or len(gone) > 1 or set(order) - set(gone) != set(self.found):
            # Which socket took which index when several were closed can't be known.
            self.steering.works = False
        for slot in gone[:1]:
            self.steering.removed(slot)
        first = next(iter(self.found.values()))
        self.sockets = []
        for slot in range(max(self.found) + 1):
            if slot not in self.found:
                self.sockets.append(first)
                self.found[slot] = self.beside(first)
                self.steering.added(slot)
                self.sockets.pop()
            self.sockets.append(self.found[slot])


def keep(had: dict[str, int], name: str, new: int) -> None:
    """Take a descriptor, unless there is one of the same."""
    if name in had:
        os.close(new)
    else:
        had[name] = new


# -- handing over --------------------------------------------------------------------------


def hand_over(
    outbox: Outbox,
    bound: Iterable[tuple[Bound, dict[int, int]]],
    fds: dict[str, int],
    **facts: int,
) -> None:
    """Queue all messages: for each address its {slot: descriptor}."""
    outbox.put("heritage", fds, **facts)
    for b, by_slot in bound:
        slots = sorted(by_slot)
        for at in range(0, len(slots), FDS_A_MESSAGE):
            part = slots[at : at + FDS_A_MESSAGE]
            outbox.put(
                "sockets",
                {str(slot): by_slot[slot] for slot in part},
                text=b.text,
                name=b.name,
                path=b.path,
                inode=list(b.inode),
                shared=b.shared,
                slots=part,
                order=b.steering.order if b.steering is not None and b.steering.works else [],
            )
    outbox.put("that_is_all")


# -- receiving -----------------------------------------------------------------------------


def take_from(heritage: Heritage, sock: socket.socket) -> bool:
    """Take all that one peer hands over; False if it has not come to an end in time."""
    inbox = Inbox()
    end_s = time.monotonic() + ANSWER_S
    facts: Message = {}
    try:
        while time.monotonic() < end_s:
            sock.settimeout(max(0.01, end_s - time.monotonic()))
            data, fds = receive(sock)
            if not data:
                return False
            for message in inbox.feed(data, fds):
                if message["type"] == "that_is_all":
                    sock.setblocking(False)
                    heritage.peers.append(
                        Peer(sock, facts["pid"], facts.get("slot", -1), facts.get("column", 0))
                    )
                    return True
                if message["type"] == "heritage":
                    facts = message
                heritage.take(message)
    except (OSError, BrokenMessage, KeyError):
        pass
    finally:
        inbox.close()
    return False


def adopt(folder: Path) -> Heritage:
    """What the orphans of a dead master hand over; nothing if there are none."""
    heritage = Heritage()
    path = folder / ADOPT_SOCKET
    end_s = time.monotonic() + ANSWER_S
    while time.monotonic() < end_s:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(path))
        except OSError as e:
            sock.close()
            # Each orphan closes its copy once it was adopted; the last one ends this.
            if e.errno in (errno.ECONNREFUSED, errno.ENOENT):
                break
            raise
        if not take_from(heritage, sock):
            sock.close()
    path.unlink(missing_ok=True)
    return heritage


def open_adoption(folder: Path) -> socket.socket:
    """The socket by which workers will be adopted if the master dies; they inherit it."""
    return private_socket(folder / ADOPT_SOCKET)
