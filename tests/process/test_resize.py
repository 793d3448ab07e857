"""TTIN and TTOU: one worker more or less, and nobody notices."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fastgw.master.holders import tcp_inodes
from tests.process.gateway import Gateway
from tests.process.service import Load, Tunnel, ask, connect, run
from tests.process.sizes import size


def until_workers(gateway: Gateway, n: int) -> None:
    end = time.monotonic() + 20
    while len(gateway.workers()) != n:
        assert time.monotonic() < end, gateway.workers()
        time.sleep(0.02)


def test_workers_come_and_go_under_load(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        with Load(address, fresh=True) as fresh, Load(address) as kept:
            for n in (2, 3):
                gateway.signal(signal.SIGTTIN)
                gateway.wait_for(f"TTIN: {n} workers")
            gateway.wait_for("worker 2 .* ready")
            fresh.more(100)
            for n in (2, 1):
                gateway.signal(signal.SIGTTOU)
                gateway.wait_for(f"TTOU: {n} workers")
                fresh.more(100)
            until_workers(gateway, 1)
            fresh.more(100)
            gateway.signal(signal.SIGTTIN)
            gateway.wait_for("worker 1 .* ready")
            fresh.more(100)
        assert fresh.failures == []
        assert kept.failures == []


def listening_sockets(pid: int, port: int) -> int:
    """How many sockets a process has that listen on a port."""
    inodes = tcp_inodes(port)
    links = (os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if os.path.lexists(fd))
    return sum(link[8:-1] in inodes for link in links if link.startswith("socket:["))


def test_slot_that_comes_back_before_its_socket_is_closed(tmp_path: Path, file: Path) -> None:
    """The old socket gets no connections though a new one stands for the same slot, and no
    process that was started meanwhile keeps it: its place in the kernel's group goes with it."""
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        with Load(address, fresh=True, clients=4) as fresh:
            for _ in range(size(2, 20)):
                gateway.signal(signal.SIGTTOU)
                gateway.wait_for("TTOU: 1 workers")
                gateway.signal(signal.SIGTTIN)
                gateway.wait_for("worker 1 .* ready")
                fresh.more(20)
            until_workers(gateway, 2)
            fresh.more(100)
            end = time.monotonic() + 10
            while len(tcp_inodes(address[1])) != 2:
                assert time.monotonic() < end, "a socket is kept"
                time.sleep(0.02)
            fresh.more(100)
        assert fresh.failures == []
        assert all(listening_sockets(pid, address[1]) == 1 for pid in gateway.workers())


def test_new_worker_gets_its_share(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        gateway.signal(signal.SIGTTIN)
        gateway.wait_for("worker 1 .* ready")
        tunnels = [Tunnel(address) for _ in range(40)]
        old, new = gateway.workers()
        assert min(sockets(old), sockets(new)) > 5
        for t in tunnels:
            t.close()


def sockets(pid: int) -> int:
    found = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(fd.readlink()).startswith("socket:")
        except OSError:
            pass
    return found


def test_idle_connections_of_a_worker_that_leaves_are_served_once_more(
    tmp_path: Path, file: Path
) -> None:
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        clients = [connect(address) for _ in range(12)]
        assert all(ask(c).endswith(b"ok") for c in clients)
        gateway.signal(signal.SIGTTOU)
        time.sleep(5.3)  # so long nobody may notice
        closing = [b"connection: close" in ask(c).lower() for c in clients]
        assert any(closing) and not all(closing)
        for c in clients:
            c.close()


def test_last_worker_stays(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        gateway.signal(signal.SIGTTOU)
        gateway.wait_for("the last worker stays")
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
