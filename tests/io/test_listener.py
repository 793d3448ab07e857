"""Accepting: options, bounds, running out of descriptors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.io.engine import Engine
from fastgw.ext.io.listener import Listener
from fastgw.ext.testing.io_doors import DoorAcceptor, EchoAcceptor
from tests.io.harness import Net, run

ROOT = Path(__file__).resolve().parents[2]


def test_accepted_sockets_have_the_options(loop: str) -> None:
    """They are inherited from the listening socket."""

    async def test(net: Net) -> None:
        address, acceptor = net.listen_doors(user_timeout_ms=12_345)
        await net.peer(address)
        await net.until(lambda: bool(acceptor.doors))
        with socket.socket(fileno=os.dup(acceptor.doors[0].fd)) as s:
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
            assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 12_345
            assert not os.get_blocking(s.fileno())
            assert not os.get_inheritable(acceptor.doors[0].fd)

    run(loop, test)


def test_a_burst_is_accepted_in_shares(loop: str) -> None:
    async def test(net: Net) -> None:
        turns: list[int] = []
        address, acceptor = net.listen_doors(
            lambda d, n, v: turns.append(net.engine.turns) if n == "accepted" else None
        )
        net.listeners[0].pause()
        assert not net.listeners[0].accepting
        for _ in range(200):
            await net.peer(address)
        assert acceptor.doors == []
        net.listeners[0].resume()
        await net.until(lambda: len(acceptor.doors) == 200)
        assert max(turns.count(t) for t in set(turns)) <= 64
        assert net.listeners[0].accepted == 200

    run(loop, test)


def test_at_the_limit_nobody_is_accepted_and_closed(loop: str) -> None:
    """Two listeners share the limit; those past it wait in the queue until one leaves."""

    async def test(net: Net) -> None:
        one, first = net.listen_doors()
        two, second = net.listen_doors()
        peers = [await net.peer(one) for _ in range(5)]
        waiting = [await net.peer(one), await net.peer(two)]
        await net.until(lambda: len(first.doors) == 5)
        await net.until(lambda: not any(listener.accepting for listener in net.listeners))
        assert net.limit.current == 5
        assert net.limit.reached == 1
        assert sum(listener.at_limit for listener in net.listeners) == 2
        assert [event for event, _ in net.logged] == ["connection_limit"] * 2
        await net.send(waiting[1], b"patience")
        peers[0].close()
        await net.until(lambda: "eof" in first.doors[0].names())
        first.doors[0].close()
        await net.until(lambda: len(first.doors) + len(second.doors) == 6)
        first.doors[1].close()
        await net.until(lambda: len(first.doors) + len(second.doors) == 7)
        assert net.limit.current == 5
        await net.until(lambda: second.doors[0].received() == b"patience")

    run(loop, test, limit=5)


def test_a_limit_gives_back_what_ended_by_itself(loop: str) -> None:
    async def test(net: Net) -> None:
        address = net.listen(EchoAcceptor())
        for i in range(20):
            peer = await net.peer(address)
            await net.send(peer, b"%d" % i)
            assert await net.recv(peer, len(b"%d" % i)) == b"%d" % i
            peer.close()
        await net.until(lambda: net.limit.current == 0)

    run(loop, test, limit=2)


def test_an_acceptor_that_wants_nothing(loop: str) -> None:
    """A stream without a codec is closed."""

    async def test(net: Net) -> None:
        address = net.listen(DoorAcceptor(lambda: None))
        peer = await net.peer(address)
        assert await net.recv_all(peer) == b""
        assert net.limit.current == 0

    run(loop, test)


def test_a_shared_socket_is_watched_exclusively(loop: str) -> None:
    """Stopping and going on works where the kernel refuses to modify the interest."""

    async def test(net: Net) -> None:
        address, acceptor = net.listen_doors(shared=True)
        await net.peer(address)
        await net.until(lambda: len(acceptor.doors) == 1)
        net.listeners[0].pause()
        await net.peer(address)
        await net.turns(20)
        assert len(acceptor.doors) == 1
        net.listeners[0].resume()
        await net.until(lambda: len(acceptor.doors) == 2)

    run(loop, test)


def test_addresses(loop: str, tmp_path: Path) -> None:
    async def test(net: Net) -> None:
        net.listen(EchoAcceptor(), path=tmp_path / "s")
        assert net.listeners[0].address == "unix"
        any_v4 = socket.socket()
        any_v4.bind(("0.0.0.0", 0))
        any_v4.listen()
        any_v4.setblocking(False)
        port = any_v4.getsockname()[1]
        acceptor = DoorAcceptor(net.door)
        net.listeners.append(Listener(net.engine, any_v4.detach(), acceptor, net.limit, index=3))
        await net.peer(("127.0.0.1", port))
        await net.until(lambda: bool(acceptor.doors))
        door = acceptor.doors[0]
        assert door.local == "", "behind a wildcard only the port is free of charge"
        door.learn_local()
        assert door.local == f"127.0.0.1:{port}"

    run(loop, test)


def test_ipv6_and_mapped_addresses(loop: str) -> None:
    async def test(net: Net) -> None:
        try:
            s = socket.socket(socket.AF_INET6)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.bind(("::", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        s.listen()
        s.setblocking(False)
        port = s.getsockname()[1]
        acceptor = DoorAcceptor(net.door)
        net.listeners.append(Listener(net.engine, s.detach(), acceptor, net.limit))
        v4 = await net.peer(("127.0.0.1", port))
        await net.until(lambda: len(acceptor.doors) == 1)
        assert acceptor.doors[0].peer == f"127.0.0.1:{v4.getsockname()[1]}"

    run(loop, test)


def test_a_listener_refuses_what_is_no_socket() -> None:
    with open(os.devnull) as file, pytest.raises(OSError):
        Listener(Engine(), file.fileno(), EchoAcceptor(), _limit())


def _limit() -> Any:
    from fastgw.ext.io.connection_limit import ConnectionLimit

    return ConnectionLimit(1)


def test_running_out_of_descriptors() -> None:
    """At EMFILE it stops, tries again by deadline, and loses nobody (see out_of_files.py)."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.io.out_of_files"],
        cwd=ROOT,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["stopped", "logged", "idle", "served"]
