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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from fastgw.equipment import Equipment, Names
from fastgw.ext.shm.addresses import Addresses
from fastgw.ext.shm.segment import SegmentError
from fastgw.health import serve
from fastgw.log import Log
from fastgw.master.addresses import Bound, Given
from fastgw.master.heritage import ADDRESSES, STATISTICS, TICKETS, Estate, hand_over
from fastgw.master.messages import Inbox, Message, Outbox, pack
from fastgw.names import SEGMENT, read_names
from fastgw.tls.bundle import open_bundle
from fastgw.tls.material import TlsMaterial
from fastgw.tls.tickets import NodeTickets

EXIT_OK = 0
EXIT_FAILED = 1

#: How long a plan is built at a time, before the loop gets its share.
SLICE_S = 0.001
#: From a switch to the collection of what it left.
TIDY_AFTER_S = 0.5
#: A replaced worker closes connections that stay idle for so long, and a little more.
IDLE_S = 5.0
IDLE_JITTER_S = 2.0
#: How long an orphan may take to hand over its sockets; it serves nobody meanwhile.
ADOPTION_S = 1.0


class DataPlane(Protocol):
    """What `fastgw.ext.worker.Worker` offers; tests of supervision put a fake here."""

    def listen(self, index: int, fd: int, shared: bool = False) -> None:
        """Accept from a bound, listening, non-blocking socket for a listener of the plan.

        The descriptor is the data plane's from then on; a drain closes it. A listener may
        have two, one for each family of addresses. `shared`: other workers accept, too."""

    def unlisten(self, fd: int) -> None:
        """Stop accepting from a socket and close it."""

    def prepare(self, plan: mmap.mmap, tls: TlsMaterial | None) -> Iterator[None]:
        """Build another plan's snapshot a little at a time; what is wrong with it raises.
        `tls`: its certificate files, if it needs some."""

    def forget(self) -> None:
        """What was prepared is not wanted."""

    def renew(self, tls: TlsMaterial, digests: Sequence[str]) -> None:
        """The files of these digests hold another content now."""

    def switch(self, indexes: Mapping[int, int]) -> None:
        """Serve what was prepared; `indexes`: rows of the listeners, -1 = not listened on."""

    def resolve(self, names: Names) -> None:
        """Host names of servers have these addresses from now on."""

    def retire(self, done: Callable[[], None]) -> None:
        """Accept no more, close each connection with its next answer, then call `done`."""

    def drain(self, done: Callable[[], None]) -> None:
        """Stop accepting, finish what is under way, close what is idle, then call `done`."""

    def end_requests(self) -> None:
        """While it drains: end what is under way, but not tunnels."""

    def stop(self) -> None:
        """End at once."""

    def connections(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Client connections in the order of their `id`, from the one behind `after` on."""

    def counters(self) -> dict[str, int]:
        """What was counted since the start."""


class MakeDataPlane(Protocol):
    """The constructor of a data plane."""

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        plan: mmap.mmap,
        born: Equipment,
        tls: TlsMaterial | None,
    ) -> DataPlane:
        """Map the plan and stand ready to listen."""


@dataclass
class Shift:
    """All that a worker is born with."""

    slot: int
    control: socket.socket
    listeners: list[Given]
    #: Accept at once, or wait for `begin`.
    listen: bool
    #: Connections by client address, of all workers.
    addresses: Addresses | None
    generation: int
    plan_fd: int
    #: Memory of the certificate files that the plan names, by name (generation.py).
    certificates: dict[str, int]
    #: Keys of session tickets, which all workers of the node share.
    tickets: NodeTickets
    #: What the data plane is born with.
    born: Equipment
    #: Segments that all processes read, by name (fastgw/master/published.py).
    segments: dict[str, int]
    #: Where a new master comes if ours dies; None: nobody does.
    adoption: socket.socket | None
    orphan_grace_s: float
    make: MakeDataPlane
    new_loop: Callable[[], asyncio.AbstractEventLoop]
    log: Log
    #: Sockets where probes of health are answered.
    health: list[Bound] = field(default_factory=list)


def work(shift: Shift) -> int:
    """Run a worker until it is told to end; its exit code."""
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
        #: It leaves because another worker has taken over.
        self.replaced = False
        self.exit_code = EXIT_OK
        #: The plan that is being built: its number and what is left to do.
        self.building: tuple[int, Iterator[None]] | None = None
        #: What we accept from: (address, row in the plan, descriptor).
        self.accepting: list[tuple[Bound, int, int]] = []
        self.orphaned = False
        #: Sockets of siblings that we accept from meanwhile, by the master's key.
        self.helping: dict[str, int] = {}
        #: Each becomes a server that answers probes of health.
        self.probes: list[asyncio.Task[asyncio.AbstractServer]] = []

    def begin(self) -> None:
        """Build the data plane, listen, say that we are ready."""
        shift = self.shift
        shift.control.setblocking(False)
        self.say("hello", pid=os.getpid(), slot=shift.slot)
        self.loop.add_signal_handler(signal.SIGTERM, self.drain)
        self.loop.add_signal_handler(signal.SIGQUIT, self.quit)
        self.loop.add_reader(shift.control.fileno(), self.hear)
        # What every generation stands on is never walked again (docs/adr/0004): a collection
        # looks at what plans and plugins bring, and at nothing else.
        gc.freeze()
        tls = self.material(shift.certificates)
        self.plane = shift.make(
            self.loop,
            map_plan(shift.plan_fd),
            replace(shift.born, names=self.known_names()),
            tls,
        )
        for fd in (shift.plan_fd, *shift.certificates.values()):
            os.close(fd)
        if shift.listen:
            self.listen()
        self.probes = [
            self.loop.create_task(serve(probed.sockets[0], self.is_ready))
            for probed in shift.health
        ]
        # From inside the loop: before it runs, uvloop loses a TERM that arrives.
        self.loop.call_soon(self.stand_ready)

    def is_ready(self) -> bool:
        """What /readyz says: of the gateway, so one that was replaced is no reason."""
        column = self.shift.born.column
        ends = self.draining and not self.replaced
        return not ends and not (column is not None and column.draining)

    def listen(self) -> None:
        """Accept from the slot's sockets."""
        if self.plane is not None:
            for given in self.shift.listeners:
                self.accept_from(given.bound, given.index, given.socket.detach())
            self.shift.listeners.clear()

    def material(self, fds: Mapping[str, int]) -> TlsMaterial | None:
        """What TLS needs besides the plan; None: nothing."""
        if "certificates" not in fds:
            return None
        files = open_bundle(fds["certificates"], fds.get("renewed", -1))
        return TlsMaterial(files, self.shift.tickets.keys())

    def accept_from(self, bound: Bound, index: int, fd: int) -> None:
        """Accept from a socket of an address."""
        assert self.plane is not None
        self.accepting.append((bound, index, fd))
        self.plane.listen(index, fd, bound.shared)

    def tidy(self) -> None:
        """Collect what the last generation has left in circles."""
        gc.collect()

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
        messages = self.inbox.receive(self.shift.control)
        for message in messages or ():
            self.told(message)
        if messages is None:
            self.loop.remove_reader(self.shift.control.fileno())
            self.be_orphan()

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

    def told_connections(self, plane: DataPlane, message: Message) -> None:
        """Somebody wants to see our connections, a page of them."""
        found = plane.connections(message["after"], message["limit"])
        self.say("connections", id=message["id"], connections=found)

    def told_segment(self, plane: DataPlane, message: Message) -> None:
        """Another version of a segment: addresses of host names are the only ones so far."""
        name, fd = message["name"], message["fds"].pop("segment")
        old, self.shift.segments[name] = self.shift.segments.get(name, -1), fd
        if old >= 0:
            os.close(old)
        if name == SEGMENT:
            plane.resolve(self.known_names())

    def known_names(self) -> Names:
        """Addresses of host names as they were told last."""
        fd = self.shift.segments.get(SEGMENT, -1)
        if fd < 0:
            return {}
        try:
            return read_names(fd)[0]
        except (SegmentError, OSError) as e:
            self.log.error(f"host names: {e}")
            return {}

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
            tls = self.material(message["fds"])
            steps = plane.prepare(map_plan(message["fds"]["plan"]), tls)
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

    def told_renew(self, plane: DataPlane, message: Message) -> None:
        """Certificate files were renewed; nothing else of the plan has changed."""
        tls = self.material(message["fds"])
        if tls is not None:
            plane.renew(tls, message["digests"])

    def told_forget(self, plane: DataPlane, _message: Message) -> None:
        """Somebody else refused it."""
        self.building = None
        plane.forget()

    def told_switch(self, plane: DataPlane, message: Message) -> None:
        """Everybody is prepared: serve from the new snapshot."""
        begin = time.perf_counter()
        indexes = dict(message["indexes"])
        plane.switch(indexes)
        moved = [(b, indexes.get(i, i), fd) for b, i, fd in self.accepting]
        self.accepting = [row for row in moved if row[1] >= 0]
        fds, message["fds"] = message["fds"], {}
        for name, fd in fds.items():
            bound = Bound.from_facts(message["added"][int(name)])
            if self.draining:
                os.close(fd)
            else:
                self.accept_from(bound, bound.index, fd)
        took_us = int((time.perf_counter() - begin) * 1e6)
        self.say("switched", generation=message["generation"], took_us=took_us)
        # Not now: requests that waited for the switch come first.
        self.loop.call_later(TIDY_AFTER_S, self.tidy)

    # -- without a master ------------------------------------------------------------------

    def be_orphan(self) -> None:
        """The master is gone: serve on for a while, for another one may take us over."""
        grace_s, adoption = self.shift.orphan_grace_s, self.shift.adoption
        if self.replaced and adoption is not None:
            # We end with our last connection; until then somebody has to know of us.
            self.loop.add_reader(adoption.fileno(), self.be_adopted)
        if self.draining:
            return
        if adoption is None or grace_s <= 0 or self.orphaned:
            self.log.warning("the master is gone; draining")
            self.drain()
            return
        self.orphaned = True
        self.log.warning(f"the master is gone; serving on for {grace_s:g} s")
        self.loop.add_reader(adoption.fileno(), self.be_adopted)
        self.loop.call_later(grace_s, self.end_of_grace)

    def end_of_grace(self) -> None:
        """Nobody came."""
        if self.shift.adoption is not None:
            self.log.warning("no master has come; draining")
            self.close_adoption()
            self.drain()

    def close_adoption(self) -> None:
        """Be adopted no more; the last orphan to do so ends the waiting of the new master."""
        if self.shift.adoption is not None:
            self.loop.remove_reader(self.shift.adoption.fileno())
            self.shift.adoption.close()
            self.shift.adoption = None

    def be_adopted(self) -> None:
        """A new master is there: hand over what we accept from; it tells when to leave."""
        assert self.shift.adoption is not None
        try:
            master, _ = self.shift.adoption.accept()
        except BlockingIOError:
            return  # a sibling was faster
        self.close_adoption()
        shift, column = self.shift, self.shift.born.column
        outbox = Outbox()
        hand_over(
            outbox,
            [(bound, {shift.slot: fd}) for bound, _, fd in self.accepting],
            self.estate().fds(),
            generation=shift.generation,
            pid=os.getpid(),
            slot=shift.slot,
            column=column.index if column is not None else 0,
        )
        master.settimeout(ADOPTION_S)
        try:
            outbox.flush(master)
        except OSError as e:
            self.log.warning(f"adoption: {e}")
        master.setblocking(False)
        shift.control.close()
        shift.control, self.inbox = master, Inbox()
        self.loop.add_reader(master.fileno(), self.hear)
        self.log.info("adopted by another master")

    def estate(self) -> Estate:
        """What a master has to have besides our listening sockets."""
        shift, column = self.shift, self.shift.born.column
        memory = {TICKETS: shift.tickets.fd}
        if column is not None:
            memory[STATISTICS] = column.statistics.segment.fd
        if shift.addresses is not None:
            memory[ADDRESSES] = shift.addresses.segment.fd
        return Estate(memory, shift.health, shift.segments)

    # -- the end ---------------------------------------------------------------------------

    def told_retire(self, plane: DataPlane, message: Message) -> None:
        """Another worker has taken over: leave without a client noticing."""
        if self.draining:
            return
        self.draining = self.replaced = True
        self.leave_probes()
        plane.retire(self.loop.stop)
        self.accepting.clear()
        # Its sockets are closed: the master closes its own after ours.
        self.say("draining", pid=os.getpid(), slot=self.shift.slot)
        idle_s = IDLE_S + random.uniform(0.0, IDLE_JITTER_S)
        self.loop.call_later(idle_s, plane.drain, self.loop.stop)
        self.loop.call_later(message["requests_s"], plane.end_requests)

    def leave_probes(self) -> None:
        """The gateway goes on: who takes our place answers them, and is ready."""
        for probe in self.probes:
            probe.add_done_callback(lambda done: done.result().close())
        self.probes.clear()

    def drain(self) -> None:
        """Accept no more; end when the last exchange has."""
        if self.draining or self.plane is None:
            return
        self.draining = True
        # A new master must not wait for us.
        self.close_adoption()
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
