"""Real gateways: what all workers count together, and tunnels over reloads."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

from tests.edge.kit import GET
from tests.edge.test_websocket import Echo
from tests.process.gateway import Gateway
from tests.scenario.client import Client
from tests.scenario.origin import Origin

Address = tuple[str, int]


def run(folder: Path, text: str, workers: int) -> Gateway:
    """`fastgw run` with a configuration."""
    file = folder / "gateway.yaml"
    file.write_text(text)
    words = ["-m", "fastgw", "run", str(file), "--workers", str(workers)]
    return Gateway([sys.executable, *words, "--run-dir", str(folder)])


def limited(origin: Origin, connections: int) -> str:
    """A listener with a limit for each address."""
    return (
        "version: 1\n"
        f"listen: {{main: {{addr: '127.0.0.1:0', per_address: {{connections: {connections}}}}}}}\n"
        f"routes: {{all: {{match: /*, upstream: 'http://127.0.0.1:{origin.address[1]}'}}}}\n"
    )


def admitted(at: Address, held: ExitStack) -> bool:
    """Whether one connection more is served; it stays."""
    c = held.enter_context(Client(at))
    try:
        return c.send(GET).answer().status == 200
    except (EOFError, OSError):
        return False


def count(at: Address, held: ExitStack, tries: int) -> int:
    """How many more are served."""
    return sum(admitted(at, held) for _ in range(tries))


def test_connections_of_an_address_are_counted_on_the_whole_node(tmp_path: Path) -> None:
    """Over two workers, a reload, the death of one, and an upgrade."""
    with Origin() as origin, run(tmp_path, limited(origin, 6), 2) as gateway, ExitStack() as held:
        at = gateway.address()
        gateway.ready()
        assert count(at, held, 12) == 6
        gateway.signal(signal.SIGHUP)
        gateway.wait_for(r"reload \(HUP\): generation 2 serves")
        assert count(at, held, 6) == 0, "those before the reload count"
        os.kill(gateway.workers()[0], signal.SIGKILL)
        gateway.wait_for("ready after")
        freed = count(at, held, 12)
        assert 0 <= freed <= 6
        assert count(at, held, 4) == 0
        gateway.signal(signal.SIGUSR2)
        new = int(gateway.wait_for(r"the new program \(pid (\d+)\) is ready")[1])
        try:
            assert count(at, held, 4) == 0, "those at the old program count"
            held.close()
            assert gateway.process.wait(30) == 0
            with ExitStack() as again:
                assert count(at, again, 8) == 6
        finally:
            os.kill(new, signal.SIGTERM)


def tunnel(at: Address) -> ClientConnection:
    """A WebSocket through the gateway."""
    made: ClientConnection = connect(
        f"ws://{at[0]}:{at[1]}/chat", open_timeout=10, proxy=None, close_timeout=5
    )
    return made


def test_tunnels_survive_reloads(tmp_path: Path) -> None:
    """Also of a route that is gone; then a worker's end says goodbye."""
    with Echo() as echo, ExitStack() as held:
        text = (
            "version: 1\nlisten: {main: '127.0.0.1:0'}\nroutes:\n"
            "  chat: {match: /chat, websocket: true, "
            f"upstream: 'http://127.0.0.1:{echo.address[1]}'}}\n"
        )
        gateway = held.enter_context(run(tmp_path, text, 2))
        at = gateway.address()
        gateway.ready()
        tunnels = [held.enter_context(tunnel(at)) for _ in range(8)]
        for generation in (2, 3, 4):
            changed = text.replace("/chat", f"/chat{generation}")
            (tmp_path / "gateway.yaml").write_text(changed)
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(rf"reload \(HUP\): generation {generation} serves")
            for i, c in enumerate(tunnels):
                c.send(f"{generation}.{i}")
                assert c.recv(10) == f"{generation}.{i}"
        with socket.create_connection(at, 10) as s:
            s.sendall(b"GET /chat HTTP/1.1\r\nHost: a\r\n\r\n")
            assert s.recv(100).startswith(b"HTTP/1.1 404"), "the route of the tunnels is gone"
