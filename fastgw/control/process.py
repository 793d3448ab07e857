"""The control process: it hears the master, drains the rings, serves the API."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.types import ASGIApp

from fastgw.control.api.app import admin_app, metrics_app
from fastgw.control.channel import Channel, MasterGone, as_socket, fields_of
from fastgw.control.drain import Drain
from fastgw.control.names import Names
from fastgw.control.node import Node
from fastgw.control.resolver import Resolver
from fastgw.control.serve import Server, new_server
from fastgw.control.sinks import Sink, SinkError
from fastgw.control.statistics import StatisticsReader
from fastgw.log import Log
from fastgw.master.messages import Message
from fastgw.names import SEGMENT, Addresses, read_names, seal_names
from fastgw.plan import PlanReader

EXIT_OK = 0
EXIT_FAILED = 1


class Control:
    """One control process, from its first message to its end."""

    def __init__(self, sock: socket.socket, log: Log) -> None:
        self.log = log
        self.node = Node()
        self.exit_code = EXIT_OK
        self.drain = Drain(None, self.say)
        self.names = Names(Resolver(), self.publish, self.say)
        #: Host names of the running configuration.
        self.hosts: set[str] = set()
        #: Version of the addresses of host names that were told last.
        self.version = 0
        self._dns: dict[str, Any] = {}
        self.statistics: StatisticsReader | None = None
        self.node.count = self.count
        self.node.addresses = self.addresses
        self._sock = sock
        self._token: str | None = None
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
        self.drain.stop()
        self.names.stop()
        for server in self._servers:
            server.end()
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
            if message["type"] in ("hello", "listen"):
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
        if "doorbell" in fds:
            self.drain.doorbell = os.dup(fds["doorbell"])
        self.drain.start()
        self._token = settings.get("admin_token") or None

    def told_listen(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """Serve these sockets."""
        self._serve_all(fds, self._token)
        assert self.node.channel is not None
        self.node.channel.say("ready", pid=os.getpid())

    def told_unlisten(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """Another gateway serves them from now on; requests under way are answered."""
        for server in self._servers:
            server.leave()

    def told_ring(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """One more ring."""
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
            view = memoryview(mmap.mmap(fds["plan"], 0, prot=mmap.PROT_READ))
            self.take_plan(self.node.set_plan(view))

    def take_plan(self, plan: PlanReader) -> None:
        """What the configuration says of this process."""
        said = plan.node()
        target = said.get("access_log", {}).get("to", "")
        if target != self.drain.target:
            self.drain.use(Sink(target) if target else None)
            self.drain.look()
        dns = said.get("dns", {})
        if dns != self._dns:
            self._dns = dns
            self.names.use(
                Resolver(dns["servers"], dns["timeout_ms"] / 1000) if dns else Resolver()
            )
        self.hosts = plan.hosts()
        self.names.watch(self.hosts)

    def told_resolve(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """Names that the next configuration will need."""
        new = set(said["hosts"])
        self.names.watch(self.hosts | new)
        self._spawn(self.resolve(new))

    async def resolve(self, hosts: set[str]) -> None:
        """Say so once they have been looked up."""
        await self.names.first_answers(hosts)
        assert self.node.channel is not None
        with contextlib.suppress(MasterGone):
            self.node.channel.say("resolved")

    def told_segment(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """What the control process before this one had found out."""
        if said["name"] == SEGMENT:
            addresses, self.version = read_names(fds["segment"])
            self.names.learn(addresses)

    def publish(self, addresses: Addresses) -> None:
        """Have every worker know these addresses of host names."""
        assert self.node.channel is not None
        self.version += 1
        fd = seal_names(addresses, self.version)
        try:
            self.node.channel.say("publish", {"segment": fd}, name=SEGMENT)
        except MasterGone as e:
            self.log.error(f"host names: {e}")
        finally:
            os.close(fd)

    def say(self, level: str, text: str) -> None:
        """The log, whatever its level is by now."""
        self.log(level, text)

    def told_drain(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """The gateway accepts no more."""
        self.node.draining = True

    def told_reopen(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """The log's file was moved away."""
        try:
            self.drain.reopen()
        except SinkError as e:
            self.log.error(f"{e}; the old file is written on")

    def told_end(self, said: dict[str, Any], fds: dict[str, int]) -> None:
        """The gateway has ended."""
        self._end.set()

    def addresses(self, host: str) -> list[str]:
        """What a host name resolves to now; empty for what is no name."""
        name = self.names.known.get(host)
        return [text for _, text in name.addresses] if name is not None else []

    def count(self) -> dict[str, int]:
        """Sums of this process, by the short names of their metrics."""
        sink = self.drain.sink
        return {
            "log_bytes": self.drain.bytes,
            "log_errors": self.drain.errors + (sink.errors if sink is not None else 0),
            "name_lookups": self.names.lookups,
            "name_lookup_failures": self.names.failures,
            "names_unresolved": self.names.unresolved,
        }

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
        self._spawn(server.serve(sockets=[listener]))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in a task that is waited for at the end."""
        task = asyncio.get_running_loop().create_task(work)
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
