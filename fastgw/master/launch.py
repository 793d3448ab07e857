"""From settings to a running gateway: lock, plan, sockets, then the master's loop.

0  ended as it was told to
1  could not start, or a worker could not
2  the configuration or the command line is wrong
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import mmap
import os
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from fastgw.ext.shm.segment import SegmentError
from fastgw.ext.shm.statistics import Column, Statistics, create_statistics, map_statistics
from fastgw.log import Log
from fastgw.master import machine
from fastgw.master.addresses import AddressError, Listening, bind_all
from fastgw.master.compile_job import Compile
from fastgw.master.compiler import CompileError, compile_plan
from fastgw.master.control import ControlProcess
from fastgw.master.control_link import ControlLink
from fastgw.master.generation import from_compiled
from fastgw.master.heritage import Heritage, adopt, open_adoption
from fastgw.master.master import EXIT_FAILED, Master
from fastgw.master.settings import Compiled, Settings
from fastgw.master.signals import SignalQueue
from fastgw.master.state_file import write_orders
from fastgw.master.succession import Successor, Upgrade, inherited
from fastgw.master.workforce import Birth, Workforce
from fastgw.run_dir import Lock, RunDirError, run_folder
from fastgw.tls.tickets import shared_ring
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
        heritage = inherited()
        folder = run_folder(settings.run_dir, settings.name)
        lock = Lock(folder)
        if heritage is not None:
            lock.inherit(heritage.lock_fd)
        else:
            lock.take()
        compiled = compile_source(settings.source)
        # Not before there is a plan: orphans must not be taken over by one that ends at once.
        heritage = heritage or adopt(folder)
        control = None
        if settings.control is not None:
            control = ControlProcess(settings.control, folder, log, heritage.more)
        try:
            return supervise(
                settings, compiled, compile_source, make or data_plane(), lock, heritage, control
            )
        finally:
            if control is not None:
                control.end()
    except CompileError as e:
        for line in e.lines:
            log.error(line)
        return EXIT_CONFIG
    except (RunDirError, AddressError, OSError) as e:
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
    heritage: Heritage,
    control: ControlProcess | None,
) -> int:
    """Listen, fork and keep the workers."""
    log = Log("master", settings.log_level)
    descriptors = machine.raise_descriptors()
    settings = replace(settings, workers=heritage.complete(settings.workers, lock.folder))
    listening = bind_all(compiled.listen, settings.workers, heritage.listening.bound)
    signals = SignalQueue()
    adoption = open_adoption(lock.folder)
    try:
        for bound in listening.bound:
            log.info(f"listening on {bound.name}")
        tickets = shared_ring()
        for bound in listening.inherited:
            bound.close()
        generation = from_compiled(heritage.generation + 1, compiled)
        statistics = open_statistics(settings, heritage, log)
        most = machine.connections_for(descriptors)
        log.info(f"descriptors {descriptors}, client connections a worker {most}")

        def become(birth: Birth) -> NoReturn:
            bell = -1
            if control is not None:
                control.rings.forget(birth.ring)
                bell = control.rings.doorbell
            shift = new_shift(settings, birth, bell, statistics, tickets, adoption, make, most, log)
            raise SystemExit(work(shift))

        workforce = Workforce(settings, listening, statistics, generation, become, signals, log)
        workforce.forget_more.append(lock.forget)
        workforce.assign_rows(generation)
        workforce.on_steer = partial(keep_orders, lock.folder, listening, log)
        successor = Successor(heritage, workforce, lock, log)
        upgrade = Upgrade(workforce, lock.fd, log)
        master = Master(settings, workforce, compile_source, upgrade, successor, log)
        if control is not None:
            upgrade.more = control.sockets.named
            ControlLink(control, master, lock.folder)
            for line in control.sockets.describe():
                log.info(line)
        # Pages of the parent's objects stay shared: no collection touches them in a child.
        gc.collect()
        gc.freeze()
        code = master.run()
        if master.left:
            lock.forget()
            if control is not None:
                control.sockets.forget()
        return code
    finally:
        listening.close()
        signals.close()
        adoption.close()


def keep_orders(folder: Path, listening: Listening, log: Log) -> None:
    """Leave word for the next master about the sockets' groups."""
    try:
        write_orders(folder, listening)
    except OSError as e:
        log.warning(f"run directory {folder}: {e.strerror}; another master could not steer")


def open_statistics(settings: Settings, heritage: Heritage, log: Log) -> Statistics:
    """The statistics that were handed over, else new ones."""
    if heritage.statistics_fd >= 0:
        try:
            return map_statistics(heritage.statistics_fd)
        except SegmentError as e:
            log.warning(f"statistics begin at 0: {e}")
        finally:
            os.close(heritage.statistics_fd)
    return create_statistics(COLUMNS_A_WORKER * settings.workers + COLUMNS_MORE)


def new_shift(
    settings: Settings,
    birth: Birth,
    doorbell: int,
    statistics: Statistics,
    tickets: mmap.mmap,
    adoption: socket.socket,
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
        tickets=tickets,
        memory=birth.generation.memory,
        max_connections=max_connections,
        log_options=settings.log_options,
        log_ring=birth.ring,
        doorbell=doorbell,
        adoption=adoption,
        orphan_grace_s=settings.orphan_grace_s,
        make=make,
        new_loop=new_loop,
        log=log.sibling(f"worker-{birth.slot}"),
    )


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop of a worker."""
    import uvloop

    return uvloop.new_event_loop()
