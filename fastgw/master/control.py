"""The control process as the master sees it: kept alive, told what happens, never needed.

The master binds its sockets and makes its shared memory, so that both outlive it: what a
client asks while it is down waits in the sockets' queues, and log lines wait in the rings.
What is said is listed in fastgw/control/channel.py.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastgw.log import Log
from fastgw.master.addresses import AddressError, bind_all
from fastgw.master.messages import Inbox, Message, pack
from fastgw.master.signals import HANDLED
from fastgw.master.slot import SETTLED_S, backoff_s, describe_end
from fastgw.privileges import Identity
from fastgw.run_dir import private_socket

#: Where the control process finds its end of the socket pair.
CHILD_FD = 3
SOCKET_NAME = "admin.sock"
#: How long it may take to write what is left of the log and end.
END_S = 3.0

#: Answers a request of the control process: `answer(ok=True, ...)`.
Answer = Callable[..., None]


@dataclass(frozen=True)
class ControlSettings:
    """What `fastgw run` was told about the control process."""

    #: `ip:port` of the admin API besides its unix socket, and its token.
    admin_listen: str = ""
    admin_token: str = ""
    #: `ip:port` that serves /metrics alone.
    metrics_listen: str = ""
    log_level: str = "info"
    #: Whom it runs as; None = as the master.
    run_as: Identity | None = None

    def as_message(self) -> dict[str, str]:
        """As the control process is told it."""
        return {
            "admin_token": self.admin_token,
            "log_level": self.log_level,
        }


class Sockets:
    """The listening sockets of the control process, by the names it knows them by."""

    def __init__(
        self, folder: Path, settings: ControlSettings, inherited: Mapping[str, int] | None = None
    ) -> None:
        self.path = folder / SOCKET_NAME
        self.named = {name: socket.socket(fileno=fd) for name, fd in (inherited or {}).items()}
        if self.named:
            return
        try:
            self.named["admin"] = bind_private(self.path)
            for kind, text in (
                ("admin-tcp", settings.admin_listen),
                ("metrics", settings.metrics_listen),
            ):
                bound = bind_all([text], 1).bound if text else []
                for i, one in enumerate(bound):
                    self.named[f"{kind}-{i}"] = one.sockets[0]
        except BaseException:
            self.close()
            raise

    def describe(self) -> list[str]:
        """A line for each TCP address."""
        found = []
        for name, s in self.named.items():
            if s.family != socket.AF_UNIX:
                host, port = s.getsockname()[:2]
                shown = f"[{host}]" if ":" in host else host
                found.append(f"{name.rpartition('-')[0]} on http://{shown}:{port}")
        return found

    def close(self) -> None:
        """Close all of them and take the path away."""
        if "admin" in self.named:
            self.path.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Close this process's copies."""
        for s in self.named.values():
            s.close()
        self.named.clear()


def bind_private(path: Path) -> socket.socket:
    """The admin API's socket; AddressError: it can't be made."""
    try:
        return private_socket(path)
    except OSError as e:
        raise AddressError(f"admin socket {path}: {e.strerror or e}") from e


class Rings:
    """Rings of log lines: one for each worker process, gone over to its successors.

    A ring outlives who wrote to it, since whoever reads it need not know who that was. There
    is one whether lines are written or not, since a reload may want some: memory that nobody
    has written to takes no room."""

    def __init__(self) -> None:
        self.doorbell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.all: list[int] = []
        self._free: list[int] = []

    def take(self) -> tuple[int, bool]:
        """(a ring nobody writes to, whether it is new)."""
        if self._free:
            return self._free.pop(), False
        from fastgw.ext.record.ring import create_ring

        self.all.append(create_ring())
        return self.all[len(self.all) - 1], True

    def give_back(self, fd: int) -> None:
        """Its writer is dead."""
        if fd >= 0:
            self._free.append(fd)

    def forget(self, keep: int) -> None:
        """In a worker: close the rings of others."""
        for fd in self.all:
            if fd != keep:
                os.close(fd)

    def close(self) -> None:
        """Close everything."""
        for fd in (*self.all, self.doorbell):
            if fd >= 0:
                os.close(fd)
        self.all, self.doorbell = [], -1


class ControlProcess:
    """Supervises the control process of one gateway."""

    def __init__(
        self,
        settings: ControlSettings,
        folder: Path,
        log: Log,
        inherited: Mapping[str, int] | None = None,
    ) -> None:
        self.settings, self.log = settings, log
        self.sockets = Sockets(folder, settings, inherited)
        self.rings = Rings()
        #: Descriptor of the statistics segment; -1 = none.
        self.statistics_fd = -1
        self.pid = 0
        self.sock: socket.socket | None = None
        self.restarts = 0
        #: When the gateway was started, in seconds since the epoch.
        self.begun_s = time.time()
        self.is_ready = False
        #: What a request of the control process is answered by, by its type.
        self.on_request: dict[str, Callable[[dict[str, Any], Answer], None]] = {}
        self._inbox = Inbox()
        self._started_s = self._due_s = 0.0
        self._deaths = 0
        self._ending = False
        #: The newest of each message that a new process has to be told.
        self._facts: dict[str, tuple[dict[str, Any], dict[str, int]]] = {}
        #: What it has not been told yet, since it reads nothing before it has begun.
        self._late: list[str] = []
        self._late_rings: list[int] = []
        self._listens = False
        if not inherited:
            self.listen()

    # -- its life --------------------------------------------------------------------------

    @property
    def due_s(self) -> float | None:
        """When the next one is to be started, on the monotonic clock; None = it runs."""
        return None if self.pid or self._ending else self._due_s

    def fill(self) -> None:
        """Start it if it does not run and is due."""
        if self.due_s is not None and self.due_s <= time.monotonic():
            self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-m", "fastgw.control", "--fd", str(CHILD_FD)]
        if (who := self.settings.run_as) is not None:
            command += ["--run-as", f"{who.uid}:{who.gid}:{who.name}"]
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                command,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), CHILD_FD),
                ],
                setsigmask=[],
                setsigdef=HANDLED,
            )
        except OSError as e:
            ours.close()
            self._due_s = time.monotonic() + 1.0
            self.log.error(f"control process: {e.strerror}; trying again in 1 s")
            return
        finally:
            theirs.close()
        self.sock, self._inbox, self.is_ready = ours, Inbox(), False
        self._started_s = time.monotonic()
        self._tell_all()

    def reap(self) -> None:
        """Bury it if it has ended; another one comes later."""
        if not self.pid:
            return
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if pid:
            self._buried(status)

    def _buried(self, status: int) -> None:
        lived_s = time.monotonic() - self._started_s
        pid, self.pid = self.pid, 0
        self._close_channel()
        if self._ending:
            return
        self._deaths = 1 if lived_s >= SETTLED_S else self._deaths + 1
        wait_s = backoff_s(self._deaths)
        self._due_s = time.monotonic() + wait_s
        self.restarts += 1
        when = f"in {wait_s:g} s" if wait_s else "at once"
        self.log.error(f"control (pid {pid}) ended: {describe_end(status)}; next one {when}")

    def end(self) -> None:
        """Have it write what is left of the log and end; then everything of it is closed."""
        self._ending = True
        self._say("end", {}, {})
        limit_s = time.monotonic() + END_S
        while self.pid and time.monotonic() < limit_s:
            self.reap()
            if self.pid:
                time.sleep(0.01)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        self._close_channel()
        self.sockets.close()
        self.rings.close()

    def forget(self) -> None:
        """In a forked child: close what is the master's."""
        self._close_channel()
        self.sockets.forget()

    def _close_channel(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None
        self._inbox.close()

    def fileno(self) -> int:
        """What the master polls; -1 = nothing."""
        return self.sock.fileno() if self.sock is not None else -1

    # -- telling it ------------------------------------------------------------------------

    def take_ring(self) -> int:
        """A ring for a worker that is about to be started."""
        fd, new = self.rings.take()
        if new and self.is_ready:
            self._say("ring", {}, {"ring": fd})
        elif new and self.pid:
            self._late_rings.append(fd)
        return fd

    def give_ring_back(self, ring: int) -> None:
        """The ring's writer is dead."""
        self.rings.give_back(ring)

    def tell(self, kind: str, fds: Mapping[str, int] | None = None, **fields: Any) -> None:
        """Tell it something, now and whenever it is started again: `workers`, `generation`,
        `drain`. Descriptors stay the caller's and must stay open."""
        self.remember(kind, fds, **fields)
        if self.is_ready or kind == "listen":
            self._say(kind, *self._facts[kind])
        elif kind not in self._late:
            self._late.append(kind)

    def remember(self, kind: str, fds: Mapping[str, int] | None = None, **fields: Any) -> None:
        """Have it told when it is started again; the one that runs knows."""
        self._facts[kind] = (fields, dict(fds or {}))

    def tell_workers(self, workers: list[dict[str, Any]], totals: dict[str, int]) -> None:
        """Tell it how the workers are, and the sums that the master keeps."""
        begun = {"start_time_seconds": int(self.begun_s)}
        self.tell("workers", workers=workers, totals={**totals, **begun})

    def listen(self) -> None:
        """Have it serve its sockets; those of an older gateway not before that one leaves."""
        if not self._listens:
            self._listens = True
            self.tell("listen", {name: s.fileno() for name, s in self.sockets.named.items()})

    def set_log_level(self, level: str) -> None:
        """What a new process is told; the one that asked knows."""
        self.settings = replace(self.settings, log_level=level)

    def tell_once(self, kind: str, **fields: Any) -> None:
        """Tell it something that only holds now: `reopen`."""
        self._say(kind, fields, {})

    def _tell_all(self) -> None:
        """Everything that one has to know who has just begun; what changes until it listens is
        told then, once, so that a slow beginning does not fill the socket."""
        self._late, self._late_rings = [], []
        fds = {}
        if self.statistics_fd >= 0:
            fds["statistics"] = self.statistics_fd
        fds["doorbell"] = self.rings.doorbell
        self._say("hello", {"settings": self.settings.as_message()}, fds)
        for ring in self.rings.all:
            self._say("ring", {}, {"ring": ring})
        for kind, (fields, named) in self._facts.items():
            self._say(kind, fields, named)

    def _tell_late(self) -> None:
        """What has changed since `_tell_all`."""
        rings, self._late_rings = self._late_rings, []
        for ring in rings:
            self._say("ring", {}, {"ring": ring})
        kinds, self._late = self._late, []
        for kind in kinds:
            self._say(kind, *self._facts[kind])

    def _say(self, kind: str, fields: dict[str, Any], fds: dict[str, int]) -> None:
        """Never waits: one that does not read is killed, and its successor is told all."""
        if self.sock is None:
            return
        data = pack(kind, fds=list(fds), **fields)
        try:
            sent = socket.send_fds(self.sock, [data], list(fds.values()))
        except BlockingIOError:
            sent = 0
        except OSError:
            return
        if sent < len(data) and self.pid:
            self.log.error(f"control (pid {self.pid}) does not read; ending it")
            os.kill(self.pid, signal.SIGKILL)

    # -- hearing it ------------------------------------------------------------------------

    def hear(self) -> None:
        """Take its messages."""
        assert self.sock is not None
        messages = self._inbox.receive(self.sock)
        for message in messages or ():
            self._take(message)
        if messages is None:
            if self._inbox.broken:
                self.log.error(f"control (pid {self.pid}): broken message: {self._inbox.broken}")
            self._close_channel()

    def _take(self, message: Message) -> None:
        fds = message["fds"]
        try:
            if message["type"] == "ready":
                self.is_ready = True
                self.log.info(f"control (pid {self.pid}) serves {self.sockets.path}")
                self._tell_late()
            else:
                self._requested(message)
        finally:
            for fd in fds.values():
                os.close(fd)

    def _requested(self, message: Message) -> None:
        """Something that it wants to be done."""
        number = message.get("id", 0)

        def answer(**fields: Any) -> None:
            self._say("answer", {"id": number, **fields}, {})

        call = self.on_request.get(message["type"])
        if call is None:
            answer(ok=False, errors=[f"{message['type']}: not in this version"])
        else:
            call(message, answer)
