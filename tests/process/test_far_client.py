"""Clients with 200 ms between SYN-ACK and ACK: handshakes outlive whatever happens to sockets."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.process.far_client import NEAR, FarClient, elsewhere
from tests.process.gateway import Gateway
from tests.process.service import GET, run
from tests.process.test_succession import terminate

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/dev/net/tun"), reason="needs root and a TUN device"
)
PORT, OTHER = 8080, 8081
CLIENTS = 16


def text(*ports: int) -> str:
    listen = ", ".join(f"l{port}: '{NEAR}:{port}'" for port in ports)
    return (
        f"version: 1\nlisten: {{{listen}}}\n"
        "routes: {all: {match: /*, respond: {body: near}}}\n"
    )


def begun(tun: int, port: int) -> list[FarClient]:
    """Clients that have got their SYN-ACK, spread over all slots."""
    clients = [FarClient(tun, port, 20_000 + i) for i in range(CLIENTS)]
    for client in clients:
        client.begin()
    return clients


def all_served(clients: list[FarClient]) -> None:
    for client in clients:
        client.end_handshake()
        assert client.ask(GET).startswith(b"HTTP/1.1 200")


def with_gateway(tmp_path: Path, work: Callable[[Gateway, Path, int], None], *ports: int) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(text(*ports))

    def main(tun: int) -> None:
        with run(tmp_path, str(file), "--workers", "4") as gateway:
            gateway.ready()
            work(gateway, file, tun)

    elsewhere(main)


def test_worker_less(tmp_path: Path) -> None:
    def work(gateway: Gateway, file: Path, tun: int) -> None:
        clients = begun(tun, PORT)
        for left in (3, 2):
            gateway.signal(signal.SIGTTOU)
            gateway.wait_for(f"TTOU: {left} workers")
        time.sleep(0.2)
        all_served(clients)

    with_gateway(tmp_path, work, PORT)


def test_listener_that_is_removed(tmp_path: Path) -> None:
    def work(gateway: Gateway, file: Path, tun: int) -> None:
        clients = begun(tun, OTHER)
        file.write_text(text(PORT))
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("generation 2 serves")
        time.sleep(0.2)
        all_served(clients)
        # A new one gets no answer: it is refused once the socket is closed.
        late = FarClient(tun, OTHER, 30_000)
        with pytest.raises((TimeoutError, ConnectionResetError)):
            late.begin()

    with_gateway(tmp_path, work, PORT, OTHER)


@pytest.mark.usefixtures("strays")
def test_upgrade(tmp_path: Path) -> None:
    def work(gateway: Gateway, file: Path, tun: int) -> None:
        clients = begun(tun, PORT)
        gateway.signal(signal.SIGUSR2)
        new = int(gateway.wait_for(r"the new program \(pid (\d+)\) is ready")[1])
        time.sleep(0.2)
        all_served(clients)
        terminate(new)

    with_gateway(tmp_path, work, PORT)
