"""What systemd gives and is told: sockets, readiness, the watchdog.

The protocols are plain: descriptors stand at 3 and up (sd_listen_fds), states are datagrams
to $NOTIFY_SOCKET (sd_notify). What the manager stores for us is fd_store.py's. Without
systemd all of this does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, MutableMapping

from fastgw.master.addresses import AddressError, Bound, parse

FIRST_FD = 3


def take_descriptors(env: MutableMapping[str, str] = os.environ) -> list[tuple[str, int]]:
    """(name, descriptor) of all that the service manager gave to this process, once: nobody
    whom we start shall think that they are meant."""
    if env.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(env.get("LISTEN_FDS", "0"))
    names = env.get("LISTEN_FDNAMES", "").split(":")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        env.pop(name, None)
    fds = range(FIRST_FD, FIRST_FD + count)
    for fd in fds:
        os.set_inheritable(fd, False)
    return [(names[i] if i < len(names) else "", fd) for i, fd in enumerate(fds)]


def activated(addresses: list[str], fds: Iterable[int]) -> list[Bound]:
    """The sockets of socket activation, for those of the addresses that they are bound to.

    All workers accept from the same one. AddressError: one that nobody wants, since its
    clients would wait for ever."""
    by_place = {where: text for text in addresses for where in places(text)}
    found = []
    for fd in fds:
        s = socket.socket(fileno=fd)
        s.setblocking(False)
        text = by_place.get(place_of(s))
        if text is None:
            raise AddressError(f"systemd handed over {place_of(s)}, which is not listened on")
        found.append(Bound(-1, f"{text} (from systemd)", [s], text=text, shared=True))
    return found


def places(text: str) -> list[str]:
    """The sockets' names that an address may have."""
    address = parse(text)
    if address.path:
        return [address.path]
    host = f"[{address.host}]" if ":" in address.host else address.host
    if host:
        return [f"{host}:{address.port}"]
    return [f"0.0.0.0:{address.port}", f"[::]:{address.port}"]


def place_of(s: socket.socket) -> str:
    """Where a socket is bound."""
    name = s.getsockname()
    if s.family == socket.AF_UNIX:
        return str(name)
    return f"[{name[0]}]:{name[1]}" if s.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"


class Notifier:
    """Tells systemd how it goes."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self.address = env.get("NOTIFY_SOCKET", "")
        usec = env.get("WATCHDOG_USEC", "")
        mine = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: How often it wants to hear from us, in seconds; 0 = not at all.
        self.watchdog_s = int(usec) / 2e6 if usec.isdigit() and mine else 0.0
        self._told_s = 0.0

    def tell(self, **states: str | int) -> None:
        """READY=1, STOPPING=1, MAINPID=..., STATUS=...; never fails."""
        self.send([], states)

    def tell_with(self, fd: int, **states: str | int) -> None:
        """The same with a descriptor (FDSTORE=1, FDNAME=...)."""
        self.send([fd], states)

    def send(self, fds: list[int], states: Mapping[str, str | int]) -> None:
        """One datagram to the manager, if there is one."""
        if not self.address:
            return
        text = "\n".join(f"{name}={value}" for name, value in states.items())
        where = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s:
            try:
                s.connect(where)
                socket.send_fds(s, [text.encode()], fds)
            except OSError:
                pass

    def alive(self, now_s: float) -> None:
        """Called often: the watchdog hears of it as often as it wants to."""
        if self.watchdog_s and now_s - self._told_s >= self.watchdog_s:
            self._told_s = now_s
            self.tell(WATCHDOG=1)
