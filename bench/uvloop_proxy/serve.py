"""One minimal proxy: `python -m bench.uvloop_proxy.serve KIND LISTEN ORIGIN`."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import uvloop

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / ".build"


def transports() -> ModuleType:
    """The compiled protocols of transports.pyx; compiled when missing or stale."""
    source = HERE / "transports.pyx"
    made = BUILD / ("transports" + sysconfig.get_config_var("EXT_SUFFIX"))
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(exist_ok=True)
        c_file, fresh = BUILD / "transports.c", BUILD / f"transports.{os.getpid()}"
        subprocess.run(
            [sys.executable, "-m", "cython", "-3", str(source), "-o", str(c_file)],
            check=True,
            timeout=120,
        )
        compiler = os.environ.get("CC", "cc").split()
        subprocess.run(
            [
                *compiler,
                "-O2",
                "-shared",
                "-fPIC",
                f"-I{sysconfig.get_path('include')}",
                str(c_file),
                "-o",
                str(fresh),
            ],
            check=True,
            timeout=120,
        )
        fresh.replace(made)
    spec = importlib.util.spec_from_file_location("transports", made)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listening(port: int) -> socket.socket:
    """A listening socket of the loopback."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(4096)
    s.setblocking(False)
    return s


async def serve_own(listen: int, origin: int) -> None:
    """Streams on an epoll set of our own."""
    from fastgw.ext.io.connection_limit import ConnectionLimit
    from fastgw.ext.io.engine import Engine
    from fastgw.ext.io.listener import Listener
    from fastgw.ext.testing.io_doors import ProxyAcceptor, sockaddr_of

    engine = Engine()
    for name in ("rounds", "busy"):
        if name.upper() in os.environ:
            setattr(engine, name, int(os.environ[name.upper()]))
    engine.attach(asyncio.get_running_loop())
    address = sockaddr_of(socket.AF_INET, ("127.0.0.1", origin))
    Listener(
        engine, listening(listen).detach(), ProxyAcceptor(engine, address), ConnectionLimit(20_000)
    )
    await stopped()
    print(
        {
            n: getattr(engine, n)
            for n in ("wakeups", "turns", "events", "sends", "receives", "arms")
        },
        flush=True,
    )


async def serve_transports(kind: str, listen: int, origin: int) -> None:
    """Compiled protocols on uvloop's transports."""
    loop = asyncio.get_running_loop()
    make = transports().client_of(kind, loop, origin)
    await loop.create_server(make, sock=listening(listen), backlog=4096)
    await stopped()


async def stopped() -> None:
    """Wait for TERM."""
    event = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, event.set)
    await event.wait()


if __name__ == "__main__":
    KIND, LISTEN, ORIGIN = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if KIND == "own":
        uvloop.run(serve_own(LISTEN, ORIGIN))
    else:
        uvloop.run(serve_transports(KIND, LISTEN, ORIGIN))
