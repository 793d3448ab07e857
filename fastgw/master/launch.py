"""From settings to a running gateway: lock, plan, sockets, then the master's loop.

0  ended as it was told to
1  could not start, or a worker could not
2  the configuration or the command line is wrong
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
from typing import NoReturn

from fastgw.ext.shm.statistics import Column, Statistics, create_statistics
from fastgw.log import Log
from fastgw.master import machine
from fastgw.master.addresses import AddressError, bind_all
from fastgw.master.compile_job import Compile
from fastgw.master.compiler import CompileError, compile_plan
from fastgw.master.control import ControlProcess
from fastgw.master.control_link import ControlLink
from fastgw.master.generation import from_compiled
from fastgw.master.master import EXIT_FAILED, Master
from fastgw.master.settings import Compiled, Settings
from fastgw.master.signals import SignalQueue
from fastgw.master.workforce import Birth, Workforce
from fastgw.run_dir import Lock, RunDirError, run_folder
from fastgw.tls.bundle import BundleError
from fastgw.tls.tickets import NodeTickets
from fastgw.worker import MakeDataPlane, Shift, work

EXIT_CONFIG = 2
#: Columns of the statistics: workers, those that leave and those that are to come.
COLUMNS_A_WORKER = 4
COLUMNS_MORE = 16


def run(
    settings: Settings,
    *,
    compile_source: Compile = compile_plan,
    make: MakeDataPlane | None = None,
) -> int:
    """Run a gateway until it is told to end; the process's exit code."""
    log = Log("master", settings.log_level)
    faulthandler.enable()
    lock: Lock | None = None
    try:
        folder = run_folder(settings.run_dir, settings.name)
        lock = Lock(folder)
        lock.take()
        compiled = compile_source(settings.source)
        control = None
        if settings.control is not None:
            control = ControlProcess(settings.control, folder, log)
        try:
            return supervise(
                settings, compiled, compile_source, make or data_plane(), lock, log, control
            )
        finally:
            if control is not None:
                control.end()
    except CompileError as e:
        for line in e.lines:
            log.error(line)
        return EXIT_CONFIG
    except (RunDirError, AddressError, BundleError) as e:
        log.error(str(e))
        return EXIT_FAILED
    finally:
        if lock is not None:
            lock.release()


def data_plane() -> MakeDataPlane:
    """The compiled worker; imported before the fork, so that all workers share its pages."""
    import uvloop  # noqa: F401  (imported here for the workers, never started here)

    from fastgw.ext.worker import Worker

    return Worker


def supervise(
    settings: Settings,
    compiled: Compiled,
    compile_source: Compile,
    make: MakeDataPlane,
    lock: Lock,
    log: Log,
    control: ControlProcess | None,
) -> int:
    """Listen, fork and keep the workers."""
    descriptors = machine.raise_descriptors()
    listening = bind_all(compiled.listen, settings.workers)
    signals = SignalQueue()
    try:
        for bound in listening.bound:
            log.info(f"listening on {bound.name}")
        generation = from_compiled(1, compiled)
        tickets = NodeTickets()
        tickets.take(generation)
        statistics = create_statistics(COLUMNS_A_WORKER * settings.workers + COLUMNS_MORE)
        most = machine.connections_for(descriptors)
        log.info(f"descriptors {descriptors}, client connections a worker {most}")

        def become(birth: Birth) -> NoReturn:
            lock.forget()
            bell = -1
            if control is not None:
                control.rings.forget(birth.ring)
                bell = control.rings.doorbell
            raise SystemExit(
                work(new_shift(settings, birth, bell, statistics, tickets, make, most, log))
            )

        workforce = Workforce(settings, listening, statistics, generation, become, signals, log)
        workforce.forget_more.append(lock.forget)
        workforce.assign_rows(generation)
        master = Master(settings, workforce, compile_source, log)
        master.reload.on_switched.append(tickets.take)
        if control is not None:
            ControlLink(control, master, lock.folder)
            for line in control.sockets.describe():
                log.info(line)
        # Pages of the parent's objects stay shared: no collection touches them in a child.
        gc.collect()
        gc.freeze()
        return master.run()
    finally:
        listening.close()
        signals.close()


def new_shift(
    settings: Settings,
    birth: Birth,
    doorbell: int,
    statistics: Statistics,
    tickets: NodeTickets,
    make: MakeDataPlane,
    max_connections: int,
    log: Log,
) -> Shift:
    """All that a forked worker needs."""
    return Shift(
        slot=birth.slot,
        control=birth.control,
        listeners=birth.listeners,
        listen=birth.listen,
        column=Column(statistics, birth.column),
        generation=birth.generation.number,
        plan_fd=birth.generation.plan_fd,
        bundle_fd=birth.generation.bundle_fd,
        tickets=tickets.ring,
        memory=birth.generation.memory,
        max_connections=max_connections,
        log_options=settings.log_options,
        log_ring=birth.ring,
        doorbell=doorbell,
        make=make,
        new_loop=new_loop,
        log=log.sibling(f"worker-{birth.slot}"),
    )


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop of a worker."""
    import uvloop

    return uvloop.new_event_loop()
