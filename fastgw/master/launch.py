"""From settings to a running gateway: lock, plan, sockets, then the master's loop.

0  ended as it was told to
1  could not start, or a worker could not
2  the configuration or the command line is wrong
"""

from __future__ import annotations

import asyncio
import faulthandler
import fcntl
import gc
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from fastgw.log import Log
from fastgw.master import machine
from fastgw.master.addresses import AddressError, bind_all
from fastgw.master.compiler import CompileError, compile_plan
from fastgw.master.master import EXIT_FAILED, Master
from fastgw.master.settings import Compiled, Settings
from fastgw.master.signals import SignalQueue
from fastgw.run_dir import Lock, RunDirError, run_folder
from fastgw.tls.bundle import BundleError
from fastgw.tls.material import tls_memory
from fastgw.worker import MakeDataPlane, Shift, work

EXIT_CONFIG = 2
Compile = Callable[[dict[str, Any]], Compiled]


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
        lock = Lock(run_folder(settings.run_dir, settings.name))
        lock.take()
        compiled = compile_source(settings.source)
        return supervise(settings, compiled, make or data_plane(compiled), lock, log)
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


def data_plane(compiled: Compiled) -> MakeDataPlane:
    """The compiled worker; imported before the fork, so that all workers share its pages, and
    with memory for certificates and ticket keys that they share as well."""
    import uvloop  # noqa: F401  (imported here for the workers, never started here)

    from fastgw.ext.worker import Worker

    memory = tls_memory(compiled.tls)
    return partial(Worker, tls=memory.material()) if memory else Worker


def supervise(
    settings: Settings, compiled: Compiled, make: MakeDataPlane, lock: Lock, log: Log
) -> int:
    """Listen, fork and keep the workers."""
    descriptors = machine.raise_descriptors()
    listening = bind_all(compiled.listen, settings.workers)
    signals = SignalQueue()
    try:
        for bound in listening.bound:
            log.info(f"listening on {bound.name}")
        plan_fd = sealed_plan(compiled.plan)
        most = machine.connections_for(descriptors)
        log.info(f"descriptors {descriptors}, client connections a worker {most}")

        def become(slot: int, control: socket.socket) -> None:
            lock.forget()
            shift = Shift(
                slot=slot,
                control=control,
                listeners=listening.of_slot(slot),
                plan_fd=plan_fd,
                plan_size=len(compiled.plan),
                memory=compiled.memory,
                max_connections=most,
                access_log=settings.access_log,
                make=make,
                new_loop=new_loop,
                log=log.sibling(f"worker-{slot}"),
            )
            raise SystemExit(work(shift))

        # Pages of the parent's objects stay shared: no collection touches them in a child.
        gc.collect()
        gc.freeze()
        return Master(settings, listening, become, signals, log).run()
    finally:
        listening.close()
        signals.close()


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop of a worker."""
    import uvloop

    return uvloop.new_event_loop()


def sealed_plan(plan: bytes) -> int:
    """The plan in memory that nobody can change any more; its descriptor."""
    fd = os.memfd_create("fastgw-plan", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    write_all(fd, plan)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


def write_all(fd: int, data: bytes) -> None:
    """Write every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
