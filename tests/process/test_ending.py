"""TERM and INT drain, QUIT and a second signal end at once."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from tests.process.gateway import fake, greeted


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_idle_gateway_drains_at_once(tmp_path: Path, name: str) -> None:
    with fake(tmp_path, workers=2) as gateway:
        gateway.ready()
        gateway.signal(signal.Signals[f"SIG{name}"])
        assert gateway.wait(5) == 0


def test_drain_waits_for_what_is_under_way(tmp_path: Path) -> None:
    with fake(tmp_path, workers=1, log_level="debug") as gateway:
        address = gateway.address()
        gateway.ready()
        client, _ = greeted(address)
        gateway.signal(signal.SIGTERM)
        gateway.wait_for("worker 0 .* drains")
        with pytest.raises(OSError):
            socket.create_connection(address, 5)
        assert gateway.process.poll() is None
        client.close()
        assert gateway.wait(5) == 0


def test_drain_ends_the_rest_after_its_time(tmp_path: Path) -> None:
    with fake(tmp_path, workers=1, drain_s=0.2) as gateway:
        address = gateway.address()
        gateway.ready()
        client, _ = greeted(address)
        gateway.signal(signal.SIGTERM)
        gateway.wait_for("drain took 0.2 s")
        assert gateway.wait(5) == 0
        assert client.recv(1) == b""
        client.close()


@pytest.mark.parametrize("second", ["TERM", "INT"])
def test_second_signal_ends_at_once(tmp_path: Path, second: str) -> None:
    with fake(tmp_path, workers=1, log_level="debug") as gateway:
        address = gateway.address()
        gateway.ready()
        client, _ = greeted(address)
        gateway.signal(signal.SIGTERM)
        gateway.wait_for("worker 0 .* drains")
        gateway.signal(signal.Signals[f"SIG{second}"])
        assert gateway.wait(5) == 0
        client.close()


def test_quit_ends_at_once(tmp_path: Path) -> None:
    with fake(tmp_path, workers=2) as gateway:
        address = gateway.address()
        gateway.ready()
        client, _ = greeted(address)
        gateway.signal(signal.SIGQUIT)
        assert gateway.wait(5) == 0
        client.close()


def test_worker_that_does_not_end_is_killed(tmp_path: Path) -> None:
    import os

    with fake(tmp_path, workers=1) as gateway:
        gateway.ready()
        (pid,) = gateway.workers()
        os.kill(pid, signal.SIGSTOP)
        begin = time.monotonic()
        gateway.signal(signal.SIGQUIT)
        assert gateway.wait(10) == 0
        assert time.monotonic() - begin < 5
    assert "SIGKILL" in gateway.log


def test_drained_worker_alone_is_replaced(tmp_path: Path) -> None:
    """TERM to one worker drains it; its slot is filled again."""
    import os

    with fake(tmp_path, workers=1) as gateway:
        address = gateway.address()
        gateway.ready()
        (pid,) = gateway.workers()
        os.kill(pid, signal.SIGTERM)
        gateway.wait_for("ended: exit code 0; next one at once")
        client, new = greeted(address)
        client.close()
        assert new != pid
