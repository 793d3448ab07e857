"""A gateway with a fake data plane, for tests of supervision: `python -m ... JSON`.

The fake accepts, answers each connection with its pid and keeps it open until the client
leaves, so that a drain has something to wait for.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastgw.equipment import Equipment, Names
from fastgw.master.compiler import CompileError
from fastgw.master.launch import run
from fastgw.master.settings import Compiled, Settings

ORDERS: dict[str, Any] = {}


class FakePlane:
    """Binds and accepts; `ORDERS` may tell it to misbehave."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        plan: Any,
        born: Equipment,
        tls: Any,
    ) -> None:
        self.loop = loop
        self.open: dict[int, socket.socket] = {}
        self.listening: list[int] = []
        self.done: Callable[[], None] | None = None
        if ORDERS.get("fail_start"):
            raise RuntimeError("this plan can't be mapped")
        if ORDERS.get("die_start"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if ORDERS.get("die_after_s") is not None:
            loop.call_later(ORDERS["die_after_s"], os._exit, 7)

    def listen(self, index: int, fd: int, shared: bool = False) -> None:
        """Accept from a socket."""
        self.listening.append(fd)
        self.loop.add_reader(fd, self.accept, fd)

    def accept(self, fd: int) -> None:
        """Greet one client."""
        listener = socket.socket(fileno=os.dup(fd))
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        finally:
            listener.close()
        client.setblocking(False)
        client.send(f"{os.getpid()}\n".encode())
        self.open[client.fileno()] = client
        self.loop.add_reader(client.fileno(), self.leave, client)

    def leave(self, client: socket.socket) -> None:
        """The client has left."""
        self.loop.remove_reader(client.fileno())
        del self.open[client.fileno()]
        client.close()
        if self.done and not self.open:
            self.done()

    def drain(self, done: Callable[[], None]) -> None:
        """Wait for the clients that are there."""
        for fd in self.listening:
            self.loop.remove_reader(fd)
            os.close(fd)
        self.done = done
        if not self.open:
            done()

    def unlisten(self, fd: int) -> None:
        """Stop accepting from a socket."""
        self.loop.remove_reader(fd)
        self.listening.remove(fd)
        os.close(fd)

    def prepare(self, plan: Any, tls: Any) -> Iterator[None]:
        """Takes any plan, unless it is told to refuse."""
        if ORDERS.get("refuse"):
            raise RuntimeError("this plan can't be used")
        yield

    def forget(self) -> None:
        """Nothing was prepared."""

    def switch(self, indexes: Mapping[int, int]) -> None:
        """Serves as before."""

    def resolve(self, names: Names) -> None:
        """It goes nowhere."""

    def retire(self, done: Callable[[], None]) -> None:
        """As a drain."""
        self.drain(done)

    def end_requests(self) -> None:
        """Close all clients."""
        for client in list(self.open.values()):
            self.leave(client)

    def stop(self) -> None:
        """At once."""

    def connections(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Nobody asks."""
        return []

    def counters(self) -> dict[str, int]:
        """Clients that are there."""
        return {"open": len(self.open)}


def compiled(source: dict[str, Any]) -> Compiled:
    """A plan of nothing."""
    if "errors" in source:
        raise CompileError(source["errors"])
    return Compiled(plan=b"plan", listen=source["listen"])


def main() -> int:
    """Run with the settings given as JSON."""
    given = json.loads(sys.argv[1])
    ORDERS.update(given.pop("orders", {}))
    return run(Settings(**given), compile_source=compiled, make=FakePlane)


if __name__ == "__main__":
    sys.exit(main())
