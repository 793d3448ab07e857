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
import random
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fastgw.ext.io.tls.tickets import TicketKeys
from fastgw.ext.shm.statistics import Column
from fastgw.log import Log
from fastgw.master.addresses import Given
from fastgw.master.messages import BrokenMessage, Inbox, Message, pack, receive
from fastgw.tls.bundle import open_bundle
from fastgw.tls.material import Files, TlsMaterial

EXIT_OK = 0
EXIT_FAILED = 1

#: How long a plan is built at a time, before the loop gets its share.
SLICE_S = 0.001
#: From a switch to the collection of what it left.
TIDY_AFTER_S = 0.5
#: A replaced worker closes connections that stay idle for so long, and a little more.
IDLE_S = 5.0
IDLE_JITTER_S = 2.0


class DataPlane(Protocol):
    """What `fastgw.ext.worker.Worker` offers; tests of supervision put a fake here."""

    def listen(self, index: int, fd: int, shared: bool = False) -> None:
        """Accept from a bound, listening, non-blocking socket for a listener of the plan.

        The descriptor is the data plane's from then on; a drain closes it. A listener may
        have two, one for each family of addresses. `shared`: other workers accept, too."""

    def unlisten(self, fd: int) -> None:
        """Stop accepting from a socket and close it."""

    def prepare(self, plan: mmap.mmap, files: Files) -> Iterator[None]:
        """Build another plan's snapshot a little at a time; what is wrong with it raises.
        `files`: those that it names by digest."""

    def forget(self) -> None:
        """What was prepared is not wanted."""

    def switch(self, indexes: Mapping[int, int]) -> None:
        """Serve what was prepared; `indexes`: rows of the listeners, -1 = not listened on."""

    def retire(self, done: Callable[[], None]) -> None:
        """Accept no more, close each connection with its next answer, then call `done`."""

    def drain(self, done: Callable[[], None]) -> None:
        """Stop accepting, finish what is under way, close what is idle, then call `done`."""

    def end_requests(self) -> None:
        """While it drains: end what is under way, but not tunnels."""

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
        column: Column | None,
        tls: TlsMaterial,
    ) -> DataPlane:
        """Map the plan and stand ready to listen."""


@dataclass(frozen=True)
class Shift:
    """All that a worker is born with."""

    slot: int
    control: socket.socket
    listeners: list[Given]
    #: Accept at once, or wait for `begin`.
    listen: bool
    #: Own cells of the statistics.
    column: Column | None
    generation: int
    plan_fd: int
    #: Files that the plan names by digest; -1: it names none.
    bundle_fd: int
    #: The node's keys of session tickets.
    tickets: mmap.mmap
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
        #: The plan that is being built: its number and what is left to do.
        self.building: tuple[int, Iterator[None]] | None = None
        #: Sockets of siblings that we accept from meanwhile, by the master's key.
        self.helping: dict[str, int] = {}

    def begin(self) -> None:
        """Build the data plane, listen, say that we are ready."""
        shift = self.shift
        shift.control.setblocking(False)
        self.say("hello", pid=os.getpid(), slot=shift.slot)
        self.loop.add_signal_handler(signal.SIGTERM, self.drain)
        self.loop.add_signal_handler(signal.SIGQUIT, self.quit)
        self.loop.add_reader(shift.control.fileno(), self.hear)
        self.plane = shift.make(
            self.loop,
            map_plan(shift.plan_fd),
            memory=shift.memory,
            max_connections=shift.max_connections,
            log_options=shift.log_options,
            log_ring=shift.log_ring,
            doorbell=shift.doorbell,
            slot=shift.slot,
            log=self.log,
            column=shift.column,
            tls=TlsMaterial(open_bundle(shift.bundle_fd), TicketKeys(shift.tickets)),
        )
        for fd in (shift.plan_fd, shift.bundle_fd):
            if fd >= 0:
                os.close(fd)
        if shift.listen:
            self.listen()
        self.tidy()
        # From inside the loop: before it runs, uvloop loses a TERM that arrives.
        self.loop.call_soon(self.stand_ready)

    def listen(self) -> None:
        """Accept from the slot's sockets."""
        if self.plane is not None:
            for given in self.shift.listeners:
                self.plane.listen(given.index, given.socket.detach(), given.shared)
            self.shift.listeners.clear()

    def tidy(self) -> None:
        """Collect what is garbage; what is left stays for long: never walk it again."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def stand_ready(self) -> None:
        """Tell the master that this worker accepts and hears its signals."""
        self.say("ready", pid=os.getpid(), slot=self.shift.slot)

    # -- the master ------------------------------------------------------------------------

    def say(self, kind: str, **fields: object) -> None:
        """Tell the master; a master that is gone is noticed by reading."""
        try:
            self.shift.control.send(pack(kind, **fields))
        except OSError as e:
            self.log.debug(f"control socket: {e.strerror}")

    def hear(self) -> None:
        """Take the master's messages; its end is a reason to drain."""
        try:
            data, fds = receive(self.shift.control)
            messages = self.inbox.feed(data, fds)
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
        """Do as the master says; descriptors that nobody took are closed."""
        handler = getattr(self, "told_" + message["type"], None)
        if handler is None:
            self.log.debug(f"the master says {message['type']!r}: not in this version")
        elif self.plane is not None:
            handler(self.plane, message)
        for fd in message["fds"].values():
            os.close(fd)

    def told_drain(self, _plane: DataPlane, _message: Message) -> None:
        """The gateway ends."""
        self.drain()

    def told_stats(self, plane: DataPlane, message: Message) -> None:
        """Somebody asks for our counters."""
        self.say("stats", id=message.get("id"), counters=plane.counters())

    def told_log_level(self, _plane: DataPlane, message: Message) -> None:
        """Another level of our own log."""
        self.log.set_level(message["level"])

    def told_begin(self, _plane: DataPlane, _message: Message) -> None:
        """The whole new set is ready: accept."""
        self.listen()

    def told_accept(self, plane: DataPlane, message: Message) -> None:
        """A sibling hangs: serve its queue."""
        if not self.draining:
            fd = message["fds"].pop("listener")
            self.helping[message["key"]] = fd
            plane.listen(message["index"], fd, True)

    def told_unaccept(self, plane: DataPlane, message: Message) -> None:
        """It, or its successor, does so itself again."""
        for key in [k for k in self.helping if k.startswith(message["prefix"])]:
            plane.unlisten(self.helping.pop(key))

    def told_end_requests(self, plane: DataPlane, _message: Message) -> None:
        """The time for requests is over; tunnels have more."""
        plane.end_requests()

    # -- another generation ----------------------------------------------------------------

    def told_prepare(self, plane: DataPlane, message: Message) -> None:
        """Build the snapshot of another plan beside the running one."""
        number = message["generation"]
        try:
            files = open_bundle(message["fds"].get("bundle", -1))
            steps = plane.prepare(map_plan(message["fds"]["plan"]), files)
            self.building = (number, iter(steps))
        except Exception as e:
            self.refuse(number, e)
            return
        self.build()

    def build(self) -> None:
        """Build for a millisecond, then let the loop have its share."""
        if self.building is None:
            return
        number, steps = self.building
        end = time.perf_counter() + SLICE_S
        try:
            for _ in steps:
                if time.perf_counter() > end:
                    self.loop.call_soon(self.build)
                    return
        except Exception as e:
            self.refuse(number, e)
            return
        self.building = None
        self.say("prepared", generation=number)

    def refuse(self, number: int, e: Exception) -> None:
        """The plan can't be used; the running one goes on."""
        self.building = None
        self.log.debug(traceback.format_exc())
        self.say("refused", generation=number, text=f"{type(e).__name__}: {e}"[:1000])

    def told_forget(self, plane: DataPlane, _message: Message) -> None:
        """Somebody else refused it."""
        self.building = None
        plane.forget()

    def told_switch(self, plane: DataPlane, message: Message) -> None:
        """Everybody is prepared: serve from the new snapshot."""
        begin = time.perf_counter()
        plane.switch(dict(message["indexes"]))
        fds, message["fds"] = message["fds"], {}
        for name, fd in fds.items():
            index, _, shared = name.split(".")
            if self.draining:
                os.close(fd)
            else:
                plane.listen(int(index), fd, shared == "1")
        took_us = int((time.perf_counter() - begin) * 1e6)
        self.say("switched", generation=message["generation"], took_us=took_us)
        # Not now: requests that waited for the switch come first.
        self.loop.call_later(TIDY_AFTER_S, self.tidy)

    # -- the end ---------------------------------------------------------------------------

    def told_retire(self, plane: DataPlane, message: Message) -> None:
        """Another worker has taken over: leave without a client noticing."""
        if self.draining:
            return
        self.draining = True
        self.say("draining", pid=os.getpid(), slot=self.shift.slot)
        plane.retire(self.loop.stop)
        idle_s = IDLE_S + random.uniform(0.0, IDLE_JITTER_S)
        self.loop.call_later(idle_s, plane.drain, self.loop.stop)
        self.loop.call_later(message["requests_s"], plane.end_requests)

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


def map_plan(fd: int) -> mmap.mmap:
    """A plan's memory, which goes with the last object that looks into it."""
    plan = mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ)
    plan.madvise(mmap.MADV_DONTDUMP)
    return plan


def name_process(name: str) -> None:
    """The name that ps and top show; at most 15 bytes, and no harm if it can't be set."""
    try:
        with open("/proc/self/comm", "w") as f:
            f.write(name[:15])
    except OSError:
        pass
