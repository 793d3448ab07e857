"""A worker: one uvloop loop with the data plane on it, and nothing else.

Forked by the master, which has imported everything that is needed. It says `ready` once
it accepts, drains on TERM or when the master is gone, and ends at once on QUIT.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import mmap
import os
import signal
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fastgw.log import Log
from fastgw.master.messages import BrokenMessage, Inbox, Message, pack

EXIT_OK = 0
EXIT_FAILED = 1


class DataPlane(Protocol):
    """What `fastgw.ext.worker.Worker` offers; tests of supervision put a fake here."""

    def listen(self, index: int, fd: int) -> None:
        """Accept from a bound, listening, non-blocking socket for a listener of the plan.

        The descriptor is the data plane's from then on; a drain closes it. A listener may
        have two, one for each family of addresses."""

    def drain(self, done: Callable[[], None]) -> None:
        """Stop accepting, finish what is under way, close what is idle, then call `done`."""

    def stop(self) -> None:
        """End at once."""

    def counters(self) -> dict[str, int]:
        """What was counted since the start."""


class MakeDataPlane(Protocol):
    """The constructor of a data plane."""

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        plan: mmap.mmap,
        *,
        memory: int,
        max_connections: int,
        log_options: dict[str, Any],
        log_ring: int,
        doorbell: int,
        slot: int,
        log: Callable[[str, str], None],
    ) -> DataPlane:
        """Map the plan and stand ready to listen."""


@dataclass(frozen=True)
class Shift:
    """All that a worker is born with."""

    slot: int
    control: socket.socket
    #: (listener's row in the plan, its socket)
    listeners: list[tuple[int, socket.socket]]
    plan_fd: int
    plan_size: int
    memory: int
    max_connections: int
    #: How a line of the access log looks, the ring it goes to (-1 = none) and the doorbell
    #: of who reads it.
    log_options: dict[str, Any]
    log_ring: int
    doorbell: int
    make: MakeDataPlane
    new_loop: Callable[[], asyncio.AbstractEventLoop]
    log: Log


def work(shift: Shift) -> int:
    """Run a worker until it is told to end; its exit code."""
    name_process(f"fastgw-w{shift.slot}")
    faulthandler.enable()
    # Ctrl-C goes to the whole process group: the master decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    loop = shift.new_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(shift, loop)
    try:
        worker.begin()
        loop.run_forever()
    except Exception as e:
        worker.fail(e)
    return worker.exit_code


class Worker:
    """The shell around the data plane: control socket and signals."""

    def __init__(self, shift: Shift, loop: asyncio.AbstractEventLoop) -> None:
        self.shift = shift
        self.loop = loop
        self.log = shift.log
        self.inbox = Inbox()
        self.plane: DataPlane | None = None
        self.draining = False
        self.exit_code = EXIT_OK

    def begin(self) -> None:
        """Build the data plane, listen, say that we are ready."""
        shift = self.shift
        shift.control.setblocking(False)
        self.say("hello", pid=os.getpid(), slot=shift.slot)
        self.loop.add_signal_handler(signal.SIGTERM, self.drain)
        self.loop.add_signal_handler(signal.SIGQUIT, self.quit)
        self.loop.add_reader(shift.control.fileno(), self.hear)
        plan = mmap.mmap(shift.plan_fd, shift.plan_size, prot=mmap.PROT_READ)
        self.plane = shift.make(
            self.loop,
            plan,
            memory=shift.memory,
            max_connections=shift.max_connections,
            log_options=shift.log_options,
            log_ring=shift.log_ring,
            doorbell=shift.doorbell,
            slot=shift.slot,
            log=self.log,
        )
        for index, listener in shift.listeners:
            self.plane.listen(index, listener.detach())
        # What is here now stays for the worker's life: never walk it again.
        gc.collect()
        gc.freeze()
        # From inside the loop: before it runs, uvloop loses a TERM that arrives.
        self.loop.call_soon(self.stand_ready)

    def stand_ready(self) -> None:
        """Tell the master that this worker accepts and hears its signals."""
        self.say("ready", pid=os.getpid(), slot=self.shift.slot)

    def say(self, kind: str, **fields: object) -> None:
        """Tell the master; a master that is gone is noticed by reading."""
        try:
            self.shift.control.send(pack(kind, **fields))
        except OSError as e:
            self.log.debug(f"control socket: {e.strerror}")

    def hear(self) -> None:
        """Take the master's messages; its end is a reason to drain."""
        try:
            data = self.shift.control.recv(65536)
            messages = self.inbox.feed(data)
        except BlockingIOError:
            return
        except (OSError, BrokenMessage):
            data, messages = b"", []
        for message in messages:
            self.told(message)
        if not data:
            self.loop.remove_reader(self.shift.control.fileno())
            self.log.warning("the master is gone; draining")
            self.drain()

    def told(self, message: Message) -> None:
        """Do as the master says."""
        if message["type"] == "drain":
            self.drain()
        elif message["type"] == "stats" and self.plane is not None:
            self.say("stats", id=message.get("id"), counters=self.plane.counters())

    def drain(self) -> None:
        """Accept no more; end when the last exchange has."""
        if self.draining or self.plane is None:
            return
        self.draining = True
        self.plane.drain(self.loop.stop)
        self.say("draining", pid=os.getpid(), slot=self.shift.slot)

    def quit(self) -> None:
        """End at once."""
        if self.plane is not None:
            self.plane.stop()
        self.loop.stop()

    def fail(self, e: Exception) -> None:
        """Leave word with the master and in the log; the slot is filled again."""
        self.exit_code = EXIT_FAILED
        self.log.error(traceback.format_exc())
        self.say("failed", text=f"{type(e).__name__}: {e}"[:1000])


def name_process(name: str) -> None:
    """The name that ps and top show; at most 15 bytes, and no harm if it can't be set."""
    try:
        with open("/proc/self/comm", "w") as f:
            f.write(name[:15])
    except OSError:
        pass
