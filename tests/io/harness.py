"""An engine in a running loop, listeners with doors on it, and raw peers of the loopback."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from fastgw.ext.io.connection_limit import ConnectionLimit
from fastgw.ext.io.engine import Engine
from fastgw.ext.io.listener import Acceptor, Listener
from fastgw.ext.testing import io_doors
from fastgw.ext.testing.io_doors import Door, DoorAcceptor

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
Reply = Callable[[Door, str, Any], object]


class Net:
    """An engine attached to the running loop, and all that a test opened with it."""

    def __init__(self, limit: int = 10_000) -> None:
        self.loop = asyncio.get_running_loop()
        self.engine = Engine()
        self.engine.attach(self.loop)
        self.limit = ConnectionLimit(limit)
        self.changed = asyncio.Event()
        self.listeners: list[Listener] = []
        self.doors: list[Door] = []
        self.peers: list[socket.socket] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []

    # -- the gateway's side ----------------------------------------------------------------

    def door(self, reply: Reply | None = None, keep_bytes: bool = True) -> Door:
        """A door whose events wake `until`."""

        def told(door: Door, name: str, value: Any) -> None:
            self.changed.set()
            if reply is not None:
                reply(door, name, value)

        door = Door(told, keep_bytes)
        self.doors.append(door)
        return door

    def listen(
        self, acceptor: Acceptor, path: Path | None = None, backlog: int = 256, **options: Any
    ) -> Any:
        """Listen on a free port of the loopback, or on `path`; the address."""
        family = socket.AF_UNIX if path else socket.AF_INET
        s = socket.socket(family, socket.SOCK_STREAM)
        s.setblocking(False)
        s.bind(str(path) if path else ("127.0.0.1", 0))
        s.listen(backlog)
        address = s.getsockname()
        listener = Listener(
            self.engine,
            s.detach(),
            acceptor,
            self.limit,
            log=lambda event, details: self.logged.append((event, details)),
            **options,
        )
        self.listeners.append(listener)
        return address

    def listen_doors(self, reply: Reply | None = None, **options: Any) -> tuple[Any, DoorAcceptor]:
        """Listen with a door for each connection: (address, acceptor)."""
        acceptor = DoorAcceptor(lambda: self.door(reply))
        return self.listen(acceptor, **options), acceptor

    def connect_door(self, address: Any, reply: Reply | None = None) -> Door:
        """A door on an upstream stream."""
        return io_doors.connect(self.engine, packed(address), self.door(reply))

    async def pair(
        self, reply: Reply | None = None, path: Path | None = None
    ) -> tuple[Door, socket.socket]:
        """A door on an accepted stream, and the peer's raw socket."""
        address, acceptor = self.listen_doors(reply, path=path)
        peer = await self.peer(address)
        await self.until(lambda: bool(acceptor.doors))
        return acceptor.doors[0], peer

    # -- the peers' side -------------------------------------------------------------------

    async def peer(self, address: Any, rcvbuf: int = 0) -> socket.socket:
        """A connected socket that does not block."""
        s = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        s.setblocking(False)
        if rcvbuf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.peers.append(s)
        await self.within(self.loop.sock_connect(s, address))
        return s

    async def send(self, s: socket.socket, data: bytes) -> None:
        """All of `data`."""
        await self.within(self.loop.sock_sendall(s, data))

    async def recv(self, s: socket.socket, n: int) -> bytes:
        """Exactly `n` bytes, or fewer at the end."""
        got = bytearray()
        while len(got) < n:
            data = await self.within(self.loop.sock_recv(s, min(n - len(got), 1 << 18)))
            if not data:
                break
            got += data
        return bytes(got)

    async def recv_all(self, s: socket.socket) -> bytes:
        """Everything up to the end."""
        return await self.recv(s, 1 << 40)

    # -- waiting ---------------------------------------------------------------------------

    async def within(self, awaitable: Awaitable[Any], seconds: float = 10.0) -> Any:
        """Await with a deadline."""
        return await asyncio.wait_for(awaitable, seconds)

    async def until(self, true: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something holds; it is looked at after each event, and now and then."""
        end = self.loop.time() + seconds
        while not true():
            assert self.loop.time() < end, "what was waited for did not come"
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), 0.02)
            except TimeoutError:
                continue

    async def told(self, door: Door, name: str) -> None:
        """Wait for an event."""
        await self.until(lambda: name in door.names())

    async def received(self, door: Door, n: int) -> None:
        """Wait until at least `n` bytes were delivered."""
        await self.until(lambda: len(door.received()) >= n)

    async def flushed(self, door: Door) -> None:
        """Wait until nothing is queued."""
        await self.until(lambda: door.queued == 0)

    async def turns(self, n: int = 3) -> None:
        """Let the loop go round."""
        for _ in range(n):
            await asyncio.sleep(0)

    async def close(self) -> None:
        """End everything and see it ended."""
        for listener in self.listeners:
            listener.close()
        for peer in self.peers:
            peer.close()
        for door in self.doors:
            if door.opened:
                door.abort()
        await self.until(lambda: all("gone" in d.names() for d in self.doors if d.opened))
        await self.until(lambda: self.limit.current == 0)
        await self.turns()
        self.engine.detach()
        for door in self.doors:
            assert door.names().count("gone") == (1 if door.opened else 0)
            door.forget()
        assert io_doors.pool_of(self.engine).in_use == 0


def run(loop: str, test: Callable[[Net], Awaitable[None]], limit: int = 10_000) -> None:
    """Run `test` in a fresh loop with a fresh net."""

    async def whole() -> None:
        net = Net(limit)
        try:
            await asyncio.wait_for(test(net), 60)
        finally:
            await net.close()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(whole())


def packed(address: Any) -> bytes:
    """The struct sockaddr of an address."""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    return io_doors.sockaddr_of(family, address)


def send_rst(s: socket.socket) -> None:
    """Close with a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def noise(n: int) -> bytes:
    """Bytes that show when they are changed, mixed up or lost."""
    return os.urandom(4096) * (n // 4096) + os.urandom(n % 4096)
