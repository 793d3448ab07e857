"""A worker that makes no turns: new connections go elsewhere, its queue is served, it ends."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.gateway import Gateway
from tests.process.service import (
    GET,
    Load,
    answer,
    ask,
    configuration,
    connect,
    run,
    upstream_origin,
)
from tests.scenario.origin import Origin

PLUGIN = """
import time
from fastgw import Policy

class Sleeps(Policy):
    def on_request(self, request):
        if request.path == "/sleep":
            time.sleep(60)
"""


@pytest.fixture
def origin() -> Iterator[Origin]:
    with upstream_origin() as origin:
        yield origin


@pytest.fixture
def file(tmp_path: Path, origin: Origin) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(configuration(origin))
    return path


def served_by(address: tuple[str, int], worker: int, most: int = 200) -> socket.socket:
    """A connection that waits in the queue of a stopped worker: one that is not answered."""
    for _ in range(most):
        client = connect(address)
        client.settimeout(0.15)
        try:
            ask(client)
        except TimeoutError:
            client.settimeout(15)
            return client
        client.close()
    raise AssertionError(f"no connection waits for worker {worker}")


def test_queue_of_a_stopped_worker_is_served_by_a_sibling(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "2", "--timeout-hung", "1m") as gateway:
        address = gateway.address()
        gateway.ready()
        stopped, _ = gateway.workers()
        begin = time.monotonic()
        os.kill(stopped, signal.SIGSTOP)
        waiting = served_by(address, stopped)
        assert answer(waiting).endswith(b"ok")
        assert time.monotonic() - begin < 2.5
        waiting.close()
        gateway.wait_for("worker . .* makes no turns for 1")
        # From now on nobody is sent there.
        for _ in range(30):
            with connect(address) as client:
                client.settimeout(1)
                assert ask(client).endswith(b"ok")
        os.kill(stopped, signal.SIGCONT)
        gateway.wait_for("goes on; it gets new connections again")
        with Load(address, fresh=True) as load:
            load.more(50)
        assert load.failures == []


def test_worker_that_hangs_is_ended_with_its_traceback(
    tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sleeper.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    file = tmp_path / "gateway.yaml"
    file.write_text(
        configuration(origin).replace(
            "websocket: true}", "websocket: true, policies: [{plugin: 'sleeper:Sleeps'}]}"
        )
    )
    with run(tmp_path, str(file), "--workers", "1", "--timeout-hung", "1500ms") as gateway:
        address = gateway.address()
        gateway.ready()
        (pid,) = gateway.workers()
        client = connect(address)
        client.sendall(GET.replace(b"GET /", b"GET /sleep"))
        gateway.wait_for(rf"worker 0 \(pid {pid}\) hangs for 1.[5-9] s")
        gateway.wait_for(r'sleeper.py", line 8 in on_request')
        gateway.wait_for(rf"worker 0 \(pid {pid}\) ended: worker_hung")
        client.close()
        with connect(address) as client:
            assert ask(client).endswith(b"ok")


def test_stopped_worker_is_killed_and_replaced(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1", "--timeout-hung", "1500ms") as gateway:
        address = gateway.address()
        gateway.ready()
        (pid,) = gateway.workers()
        os.kill(pid, signal.SIGSTOP)
        gateway.wait_for("does not end: SIGKILL")
        gateway.wait_for("ended: worker_hung; next one at once")
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
        assert gateway.workers() != [pid]


def test_pause_of_everything_blames_nobody(tmp_path: Path, file: Path) -> None:
    """Master and workers are stopped together, as by a pause of the machine."""
    with run(tmp_path, str(file), "--workers", "2", "--timeout-hung", "1500ms") as gateway:
        address = gateway.address()
        gateway.ready()
        before = gateway.workers()
        everyone = [gateway.process.pid, *before]
        for pid in everyone:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)
        os.kill(gateway.process.pid, signal.SIGCONT)
        time.sleep(0.2)
        for pid in before:
            os.kill(pid, signal.SIGCONT)
        with Load(address, fresh=True) as load:
            load.more(200)
        assert load.failures == []
        assert gateway.workers() == before
        assert "hangs" not in drained(gateway)


def drained(gateway: Gateway) -> str:
    gateway.signal(signal.SIGTERM)
    gateway.wait()
    return gateway.log
