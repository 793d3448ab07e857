"""The control process: it hears the master, drains the rings, serves the API."""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from fastgw.control.api.app import admin_app, metrics_app
from fastgw.control.channel import Channel, MasterGone, as_socket, fields_of
from fastgw.control.drain import Drain
from fastgw.control.node import Node
from fastgw.control.serve import Server, new_server
from fastgw.control.sinks import Sink, SinkError
from fastgw.control.statistics import StatisticsReader
from fastgw.log import Log
from fastgw.master.messages import Message

EXIT_OK = 0
EXIT_FAILED = 1


class Control:
    """One control process, from its first message to its end."""

    def __init__(self, sock: socket.socket, log: Log) -> None:
        self.log = log
        self.node = Node()
        self.exit_code = EXIT_OK
        self.drain: Drain | None = None
        self.statistics: StatisticsReader | None = None
        self.node.count = self.count
        self._sock = sock
        self._servers: list[Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._end = asyncio.Event()

    async def run(self) -> int:
        """Serve until told to end, or until the master is gone; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGQUIT):
            loop.add_signal_handler(number, self._end.set)
        self.node.channel = Channel(self._sock, self.told, self._end.set)
        await self._end.wait()
        await self._stop()
        return self.exit_code

    async def _stop(self) -> None:
        """Write what is left of the log, let requests under way end."""
        if self.drain is not None:
            self.drain.stop()
        for server in self._servers:
            server.should_exit = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=3.0)
        if self.node.channel is not None:
            self.node.channel.close()

    # -- what the master says --------------------------------------------------------------

    def told(self, message: Message, fds: dict[str, int]) -> None:
        """Do as the master says. A fault here must not end the log's way to its sink."""
        take: Callable[[dict[str, Any], dict[str, int]], None] | None
        take = getattr(self, "told_" + message["type"], None)
        try:
            if take is None:
                self.log.warning(f"unknown message {message['type']!r}")
            else:
                take(fields_of(message), fds)
        except (OSError, ValueError) as e:
            self.log.error(f"{message['type']}: {e}")
            if message["type"] == "hello":
                self.exit_code = EXIT_FAILED
                self._end.set()
        finally:
            for fd in fds.values():
                os.close(fd)

    def told_hello(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """Everything that this process is made of."""
        settings = said["settings"]
        self.log = Log("control", settings.get("log_level", "info"))
        self.node.log_level = self.log.level
        if "statistics" in fds:
            self.statistics = StatisticsReader(fds["statistics"])
            self.node.source = self.statistics
        if settings.get("access_log"):
            bell = os.dup(fds["doorbell"]) if "doorbell" in fds else -1
            self.drain = Drain(Sink(settings["access_log"]), self.log, bell)
            self.drain.start()
        self._serve_all(fds, settings.get("admin_token") or None)
        assert self.node.channel is not None
        self.node.channel.say("ready", pid=os.getpid())

    def told_ring(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """One more ring."""
        if self.drain is not None:
            self.drain.add(fds["ring"])
            self.drain.look()

    def told_workers(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """How the workers are, and the sums that the master keeps."""
        self.node.workers = said["workers"]
        self.node.totals = said.get("totals", {})

    def told_generation(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """Another configuration runs."""
        if self.statistics is not None:
            self.statistics.forget_labels()
        self.node.generation = {
            "generation": said["number"],
            "hash": said["hash"],
            "source": said["source"],
            "loaded_s": said["loaded_s"],
        }
        if "plan" in fds:
            self.node.set_plan(memoryview(mmap.mmap(fds["plan"], 0, prot=mmap.PROT_READ)))

    def told_drain(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """The gateway accepts no more."""
        self.node.draining = True

    def told_reopen(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """The log's file was moved away."""
        if self.drain is None:
            return
        try:
            self.drain.reopen()
        except SinkError as e:
            self.log.error(f"{e}; the old file is written on")

    def told_end(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """The gateway has ended."""
        self._end.set()

    def count(self) -> dict[str, int]:
        """Sums of this process, by the short names of their metrics."""
        if self.drain is None:
            return {}
        return {"log_bytes": self.drain.bytes, "log_errors": self.drain.sink.errors}

    # -- serving ---------------------------------------------------------------------------

    def _serve_all(self, fds: dict[str, int], token: str | None) -> None:
        """Each listening socket's application, by the first word of its name."""
        for name, fd in fds.items():
            if name == "admin":
                self._serve(admin_app(self.node), fd)
            elif name.startswith("admin-tcp"):
                if token is None:
                    raise ValueError("the admin API has no token for its TCP listener")
                self._serve(admin_app(self.node, token, hosts_of(fd)), fd)
            elif name.startswith("metrics"):
                self._serve(metrics_app(self.node), fd)

    def _serve(self, app: ASGIApp, fd: int) -> None:
        """Serve an application on a listening socket."""
        server = new_server(app)
        listener = as_socket(os.dup(fd))
        self._servers.append(server)
        task = asyncio.get_running_loop().create_task(server.serve(sockets=[listener]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def hosts_of(fd: int) -> list[str]:
    """The address that a listening socket may be called by."""
    with as_socket(os.dup(fd)) as listener:
        return [str(listener.getsockname()[0])]


def main(fd: int) -> int:
    """Run the control process on its end of the socket pair."""
    log = Log("control")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)

    async def serve() -> int:
        return await Control(socket.socket(fileno=fd), log).run()

    try:
        return asyncio.run(serve())
    except MasterGone:
        return EXIT_OK
