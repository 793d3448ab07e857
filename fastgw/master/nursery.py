"""The nursery: what every worker is born with, and what it gives up before it works."""

from __future__ import annotations

import asyncio
import socket
from typing import NoReturn

from fastgw import privileges
from fastgw.equipment import Equipment
from fastgw.ext.shm.addresses import AddressColumn, Addresses
from fastgw.ext.shm.statistics import Column, Statistics
from fastgw.log import Log
from fastgw.master import machine
from fastgw.master.addresses import Listening
from fastgw.master.control import ControlProcess
from fastgw.master.process import WORKER_NAME
from fastgw.master.published import Published
from fastgw.master.settings import Settings
from fastgw.master.workforce import Birth
from fastgw.tls.tickets import NodeTickets
from fastgw.worker import MakeDataPlane, Shift, name_process, work


class Nursery:
    """Turns a forked process into a worker."""

    def __init__(
        self,
        settings: Settings,
        statistics: Statistics,
        addresses: Addresses,
        tickets: NodeTickets,
        adoption: socket.socket,
        health: Listening,
        make: MakeDataPlane,
        control: ControlProcess | None,
        published: Published,
        log: Log,
    ) -> None:
        self.settings, self.statistics, self.log = settings, statistics, log
        #: Connections by client address, on the whole node.
        self.addresses = addresses
        #: Keys of session tickets: one ring for all workers, however often they are replaced.
        self.tickets = tickets
        self.published = published
        self.adoption, self.health, self.make, self.control = adoption, health, make, control
        self.who = privileges.identity(settings.user, settings.group)
        descriptors = machine.raise_descriptors()
        self.connections = machine.connections_for(descriptors)
        clients = self.connections.clients
        log.info(f"descriptors {descriptors}, client connections a worker {clients}")

    def work(self, birth: Birth) -> NoReturn:
        """In the forked process: work until the end."""
        bell = -1
        if self.control is not None:
            self.control.rings.forget(birth.ring)
            bell = self.control.rings.doorbell
        shift = self.shift(birth, bell)
        # All of this is root's to do, and the name can't be set by somebody else either.
        name_process(f"{WORKER_NAME}{birth.slot}")
        privileges.set_oom_score(privileges.OOM_WORKER)
        if self.settings.cpu_affinity:
            privileges.pin(birth.slot)
        privileges.drop(self.who)
        raise SystemExit(work(shift))

    def shift(self, birth: Birth, doorbell: int) -> Shift:
        """All that it needs."""
        log = self.log.sibling(f"worker-{birth.slot}")
        born = Equipment(
            memory=birth.generation.memory,
            max_connections=self.connections.clients,
            idle_upstreams=self.connections.idle_upstreams,
            log=log,
            slot=birth.slot,
            column=Column(self.statistics, birth.column),
            addresses=AddressColumn(self.addresses, birth.column),
            log_ring=birth.ring,
            doorbell=doorbell,
        )
        return Shift(
            slot=birth.slot,
            control=birth.control,
            listeners=birth.listeners,
            listen=birth.listen,
            addresses=self.addresses,
            generation=birth.generation.number,
            plan_fd=birth.generation.plan_fd,
            certificates=birth.generation.certificates(),
            born=born,
            segments=self.published.fds,
            adoption=self.adoption,
            orphan_grace_s=self.settings.orphan_grace_s,
            make=self.make,
            new_loop=new_loop,
            log=log,
            health=self.health.bound,
            tickets=self.tickets,
        )


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop of a worker."""
    import uvloop

    return uvloop.new_event_loop()
