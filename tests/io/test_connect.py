"""Connecting: what comes of it is told later, never from inside the call."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fastgw.ext.testing import io_doors
from fastgw.ext.testing.io_doors import EchoAcceptor
from tests.io.harness import Net, run


@pytest.mark.parametrize("family", ["tcp", "unix"])
def test_open_and_what_was_written_before(loop: str, family: str, tmp_path: Path) -> None:
    async def test(net: Net) -> None:
        address = net.listen(EchoAcceptor(), path=tmp_path / "s" if family == "unix" else None)
        door = net.connect_door(address)
        assert door.names() == []
        assert door.has("connecting")
        door.write(b"early")
        await net.until(lambda: door.received() == b"early")
        assert door.names() == ["open"]
        door.half_close()
        await net.until(lambda: "eof" in door.names())
        door.close()
        await net.until(lambda: door.events[-1] == ("gone", "none"))

    run(loop, test)


def test_refused(loop: str) -> None:
    async def test(net: Net) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            address = s.getsockname()  # bound, so nobody else may listen there
            door = net.connect_door(address)
            door.write(b"never sent")
            assert door.names() == []
            await net.until(lambda: "gone" in door.names())
            assert door.events == [("gone", "connect_refused")]

    run(loop, test)


def test_unix_paths_without_a_listener(loop: str, tmp_path: Path) -> None:
    async def test(net: Net) -> None:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(tmp_path / "dead"))
        for name in ("missing", "dead"):
            door = net.connect_door(str(tmp_path / name))
            assert door.names() == [], "a failure at once is told later too"
            await net.told(door, "gone")
            assert door.events == [("gone", "connect_refused")]

    run(loop, test)


def test_no_route(loop: str) -> None:
    """An address that can't be connected to fails with a reason of its own."""

    async def test(net: Net) -> None:
        door = net.connect_door(("255.255.255.255", 9))
        assert door.names() == []
        await net.until(lambda: "gone" in door.names())
        assert door.events == [("gone", "connect_failed")]

    run(loop, test)


def test_a_black_hole_until_it_is_given_up(loop: str) -> None:
    """A listener whose queue is full answers no SYN: connecting goes on until the abort."""

    async def test(net: Net) -> None:
        with socket.socket() as hole:
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            fill = [socket.socket() for _ in range(4)]
            for s in fill:
                s.setblocking(False)
                s.connect_ex(hole.getsockname())
            await net.turns(10)
            door = net.connect_door(hole.getsockname())
            door.write(b"into the void")
            await net.turns(50)
            assert door.has("connecting")
            assert door.names() == []
            door.abort()
            await net.until(lambda: door.events == [("gone", "none")])
            closed = net.connect_door(hole.getsockname())
            closed.close()  # closing while connecting gives up as well
            await net.until(lambda: closed.events == [("gone", "none")])
            for s in fill:
                s.close()

    run(loop, test)


def test_an_upstream_that_resets_is_named_so(loop: str) -> None:
    async def test(net: Net) -> None:
        address, acceptor = net.listen_doors()
        door = net.connect_door(address)
        await net.until(lambda: bool(acceptor.doors) and "open" in door.names())
        acceptor.doors[0].reset()
        await net.until(lambda: "gone" in door.names())
        assert door.events[-1] == ("gone", "upstream_reset")

    run(loop, test)


def test_options_on_our_side(loop: str) -> None:
    async def test(net: Net) -> None:
        import os

        address = net.listen(EchoAcceptor())
        door = net.connect_door(address)
        await net.until(lambda: "open" in door.names())
        with socket.socket(fileno=os.dup(door.fd)) as s:
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        assert door.peer == "{}:{}".format(*address)
        assert io_doors.pool_of(net.engine).in_use == 0

    run(loop, test)
