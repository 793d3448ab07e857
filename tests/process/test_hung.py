"""A worker that makes no turns: new connections go elsewhere, its queue is served, it ends."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from bench.arrivals import Arrivals
from tests.process.gateway import Gateway
from tests.process.service import (
    GET,
    Load,
    answer,
    ask,
    configuration,
    connect,
    run,
)
from tests.process.sizes import FULL, size
from tests.scenario.origin import Origin

#: What a client would notice on a quiet machine, and on a busy one; how late that may be.
NOTICED_S, SLACK_S = (0.05, 0.0) if FULL else (0.3, 0.5)

PLUGIN = """
import time
from fastgw import Policy

class Sleeps(Policy):
    def on_request(self, request):
        if request.path == "/sleep":
            time.sleep(60)
"""


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


def test_new_connections_wait_for_a_stopped_worker_no_longer_than_it_is_noticed(
    tmp_path: Path, file: Path
) -> None:
    """One of four is stopped: those that stood in its queue are served by a sibling within 1.5 s,
    the others and all that come later don't notice; what it had accepted ends with it."""
    words = ("--workers", "4", "--timeout-hung", "2s", "--health-listen", "127.0.0.1:0")
    with run(tmp_path, str(file), *words) as gateway:
        address = gateway.address()
        gateway.ready()
        held = [connect(address) for _ in range(40)]
        for client in held:
            assert ask(client).endswith(b"ok")
        with Arrivals(address, size(150, 1000)) as arrivals:
            time.sleep(0.5)
            stopped_s = time.monotonic()
            os.kill(gateway.workers()[1], signal.SIGSTOP)
            gateway.wait_for(r"worker . .* makes no turns for 1")
            noticed_s = time.monotonic()
            gateway.wait_for("ended: worker_hung; next one at once")
            gateway.wait_for("ready after")
            time.sleep(0.5)
        # Within the stopped one when it was stopped: ended when it is killed.
        within = [v for v in arrivals.visits if v.failure]
        waited = [v for v in arrivals.visits if not v.failure and v.took_s > NOTICED_S]
        longest_s = max((v.took_s for v in waited), default=0.0)
        in_time = [v for v in waited if v.begun_s < stopped_s - 0.1 or v.begun_s > noticed_s + 0.1]
        meanwhile = [v for v in arrivals.visits if stopped_s < v.begun_s < noticed_s]
        slow = [v for v in meanwhile if v.took_s > NOTICED_S]
        print(
            f"{len(arrivals.visits)} connections, {len(within)} ended with the worker, "
            f"{len(slow)} of {len(meanwhile)} waited, {longest_s:.2f} s at most; "
            f"of the others {len(in_time)} took over {NOTICED_S * 1000:.0f} ms"
        )
        assert len(within) <= size(4, 25), within
        assert all(v.begun_s <= stopped_s + 0.05 for v in within)
        assert longest_s < 1.5 + SLACK_S
        assert len(in_time) <= len(arrivals.visits) * 0.02, "others noticed"
        assert len(slow) < 0.5 * len(meanwhile), "a quarter of them goes to the stopped one"
        lost = sum(1 for client in held if not alive(client))
        assert 0 < lost < 25, "those that it had accepted, and no others"


def alive(client: socket.socket) -> bool:
    """Whether a kept connection still serves; it is closed."""
    try:
        return ask(client).endswith(b"ok")
    except OSError:
        return False
    finally:
        client.close()


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
