"""From settings to a running gateway: lock, plan, sockets, then the master's loop.

0  ended as it was told to
1  could not start, or a worker could not
2  the configuration or the command line is wrong
"""

from __future__ import annotations

import faulthandler
import gc
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

from fastgw import privileges
from fastgw.ext.shm.addresses import Addresses, create_addresses, map_addresses
from fastgw.ext.shm.segment import SegmentError
from fastgw.ext.shm.statistics import Statistics, create_statistics, map_statistics
from fastgw.log import Log
from fastgw.master.addresses import AddressError, Listening, bind_all
from fastgw.master.compile_job import Compile
from fastgw.master.compiler import CompileError, compile_plan
from fastgw.master.control import ControlProcess
from fastgw.master.control_link import ControlLink
from fastgw.master.fd_store import NAMED_S, FdStore, new_manifest, restore
from fastgw.master.generation import from_compiled
from fastgw.master.heritage import (
    ADDRESSES,
    STATISTICS,
    TICKETS,
    Estate,
    Heritage,
    adopt,
    open_adoption,
)
from fastgw.master.master import EXIT_FAILED, Master
from fastgw.master.nursery import Nursery
from fastgw.master.published import Published
from fastgw.master.settings import Compiled, Settings
from fastgw.master.signals import SignalQueue
from fastgw.master.state_file import write_orders, write_outcome
from fastgw.master.succession import Successor, Upgrade, inherited
from fastgw.master.systemd import activated, take_descriptors
from fastgw.master.workforce import Workforce
from fastgw.privileges import PrivilegeError
from fastgw.run_dir import Lock, RunDirError, run_folder
from fastgw.tls.tickets import NodeTickets
from fastgw.worker import MakeDataPlane

EXIT_CONFIG = 2
#: Columns of the statistics: workers, those that leave and those that are to come.
COLUMNS_A_WORKER = 4
COLUMNS_MORE = 16


def run(
    settings: Settings,
    *,
    compile_source: Compile | None = None,
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
        who = privileges.identity(settings.user, settings.group)
        compile_source = compile_source or partial(compile_plan, who=who)
        compiled = compile_source(settings.source)
        # Not before there is a plan: orphans must not be taken over by one that ends at once.
        heritage = heritage or adopt(folder)
        restore(heritage, take_descriptors(), log)
        control = None
        if settings.control is not None:
            told = replace(settings.control, run_as=who)
            control = ControlProcess(told, folder, log, heritage.more)
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
    except (RunDirError, AddressError, PrivilegeError, OSError) as e:
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
    settings = replace(settings, workers=heritage.complete(settings.workers, lock.folder))
    listening, health = listen(settings, compiled, heritage, log)
    signals = SignalQueue()
    adoption = open_adoption(lock.folder)
    try:
        generation = from_compiled(heritage.generation + 1, compiled)
        statistics = open_statistics(settings, heritage, log)
        tickets = open_tickets(heritage, log)
        addresses = open_addresses(heritage, statistics.column_most, log)
        published = Published(log, heritage.segments)
        nursery = Nursery(
            settings,
            statistics,
            addresses,
            tickets,
            adoption,
            health,
            make,
            control,
            published,
            log,
        )
        force = Workforce(settings, listening, statistics, generation, nursery.work, signals, log)
        force.addresses = addresses
        force.forget_more.append(lock.forget)
        force.assign_rows(generation)
        force.on_steer = partial(keep_orders, lock.folder, listening, log)
        published.readers = force.everyone
        memory = {
            STATISTICS: statistics.segment.fd,
            TICKETS: tickets.fd,
            ADDRESSES: addresses.segment.fd,
        }
        named = control.sockets.named if control is not None else {}
        estate = Estate(memory, health.bound, published.fds, named)
        upgrade = Upgrade(force, lock.fd, estate, log)
        upgrade.on_outcome = partial(keep_outcome, lock.folder, log)
        successor = Successor(heritage, force, lock, log)
        master = Master(settings, force, compile_source, upgrade, successor, log)
        upgrade.manifest_fd = keep_store(master, heritage, estate)
        if control is not None:
            ControlLink(control, master, published, lock.folder)
            for line in control.sockets.describe():
                log.info(line)
        # Pages of the parent's objects stay shared: no collection touches them in a child.
        gc.collect()
        gc.freeze()
        code = master.run()
        if master.left:
            leave(lock, control)
        return code
    finally:
        listening.close()
        signals.close()
        adoption.close()


def keep_store(master: Master, heritage: Heritage, estate: Estate) -> int:
    """Have the service manager keep what another master would need; the manifest of it."""
    manifest_fd = heritage.manifest_fd if heritage.manifest_fd >= 0 else new_manifest()
    listening = master.workforce.listening
    store = FdStore(master.notifier, manifest_fd, listening, estate, heritage.stored)
    after_s = NAMED_S if heritage.lock_fd >= 0 else 0.0
    master.on_announced.append(lambda: store.begin(after_s))
    master.rounds.append(store.look)
    master.on_end.append(store.empty)
    master.on_left.append(store.leave)
    return manifest_fd


def leave(lock: Lock, control: ControlProcess | None) -> None:
    """What belongs to our successor now is not ours to take away."""
    lock.forget()
    if control is not None:
        control.sockets.forget()


def listen(
    settings: Settings, compiled: Compiled, heritage: Heritage, log: Log
) -> tuple[Listening, Listening]:
    """Sockets for clients and for probes of health: bound, handed over or from systemd."""
    given = [*heritage.listening.bound, *activated(compiled.listen, heritage.activated)]
    listening = bind_all(compiled.listen, settings.workers, given)
    try:
        health = bind_all(settings.health_listen, 1, heritage.health)
    except AddressError:
        listening.close()
        raise
    for bound in listening.bound:
        log.info(f"listening on {bound.name}")
    for bound in health.bound:
        log.info(f"health on {bound.name}")
    for bound in listening.inherited:
        bound.close()
    return listening, health


def keep_orders(folder: Path, listening: Listening, log: Log) -> None:
    """Leave word for the next master about the sockets' groups."""
    try:
        write_orders(folder, listening)
    except OSError as e:
        log.warning(f"run directory {folder}: {e.strerror}; another master could not steer")


def keep_outcome(folder: Path, log: Log, pid: int, failed: str) -> None:
    """Leave word for `fastgw upgrade`."""
    try:
        write_outcome(folder, pid, failed)
    except OSError as e:
        log.warning(f"run directory {folder}: {e.strerror}")


def open_statistics(settings: Settings, heritage: Heritage, log: Log) -> Statistics:
    """The statistics that were handed over, else new ones."""
    fd = heritage.memory.pop(STATISTICS, -1)
    if fd >= 0:
        try:
            return map_statistics(fd)
        except SegmentError as e:
            log.warning(f"statistics begin at 0: {e}")
        finally:
            os.close(fd)
    # Columns of the table of addresses are those of the statistics that it came with.
    if (addresses := heritage.memory.pop(ADDRESSES, -1)) >= 0:
        os.close(addresses)
    return create_statistics(COLUMNS_A_WORKER * settings.workers + COLUMNS_MORE)


def open_addresses(heritage: Heritage, columns: int, log: Log) -> Addresses:
    """The table of client addresses that was handed over, else a new one; its columns are those
    of the statistics."""
    fd = heritage.memory.pop(ADDRESSES, -1)
    if fd >= 0:
        try:
            return map_addresses(fd, columns)
        except (SegmentError, ValueError) as e:
            log.warning(f"connections by address are counted from 0: {e}")
        finally:
            os.close(fd)
    return create_addresses(columns)


def open_tickets(heritage: Heritage, log: Log) -> NodeTickets:
    """The ring of ticket keys that was handed over, else a new one."""
    fd = heritage.memory.pop(TICKETS, -1)
    if fd >= 0:
        try:
            return NodeTickets(fd)
        except (OSError, ValueError) as e:
            log.warning(f"sessions of TLS begin anew: {e}")
            os.close(fd)
    return NodeTickets()
