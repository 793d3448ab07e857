"""A worker that makes no turns: new connections go elsewhere, its queue is served, it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from bench.arrivals import BESIDE_EVERY, Arrivals, Visit
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
from tests.process.sizes import size
from tests.scenario.origin import Origin

#: New connections a second.
RATE = size(150, 1000)
#: What a client would notice, and how long one in the queue of a stopped worker may wait.
NOTICED_S, WAIT_S = 0.05, 1.5
#: A log line's time is cut to milliseconds, and taken a moment before it is true.
CLOCKS_S = 0.05
STAMP = r"^(\S+Z)"
OK = """\
version: 1
listen: {main: '127.0.0.1:0'}
routes: {all: {match: /*, respond: {body: ok}}}
"""

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
    tmp_path: Path,
) -> None:
    """One of four is stopped: those that stood in its queue are served by a sibling within 1.5 s,
    the others and all that come later don't notice; what it had accepted ends with it.

    Beside it runs a gateway that nobody stops, for every fifth client: what makes those wait is
    the machine."""
    file = tmp_path / "gateway.yaml"
    file.write_text(OK)
    words = ("--workers", "4", "--timeout-hung", "2s", "--health-listen", "127.0.0.1:0")
    with (
        run(tmp_path / "beside", str(file), "--workers", "1") as other,
        run(tmp_path / "stopped", str(file), *words) as gateway,
    ):
        beside, address = other.address(), gateway.address()
        other.ready()
        gateway.ready()
        gateway.wait_for("control .* serves")
        held = [connect(address) for _ in range(40)]
        for client in held:
            assert ask(client).endswith(b"ok")
        with Arrivals(address, RATE, beside) as arrivals:
            # Long enough for the connections that are open to be counted.
            time.sleep(1.5)
            stopped_s = time.monotonic()
            os.kill(gateway.workers()[1], signal.SIGSTOP)
            silent = gateway.wait_for(rf"{STAMP}.* worker . .* makes no turns for (\d\.\d) s")
            ended = gateway.wait_for(rf"{STAMP}.* ended: worker_hung; next one at once")
            gateway.wait_for("ready after")
            time.sleep(0.5)
        stop = Stop(stopped_s, clock_s(silent[1]), clock_s(ended[1]), float(silent[2]))
        judge(stop, arrivals.visits, arrivals.control)
        lost = sum(1 for client in held if not alive(client))
        assert 0 < lost < 25, "those that it had accepted, and no others"
        assert hung_connections(tmp_path / "stopped") >= lost


@dataclass(frozen=True)
class Stop:
    """What became of a stopped worker, on the monotonic clock."""

    begun_s: float
    #: New connections go elsewhere, and its queue to a sibling.
    noticed_s: float
    #: It was killed.
    ended_s: float
    #: How long the master had seen it silent when it said so, in time that it counts.
    silent_s: float


def judge(stop: Stop, visits: Sequence[Visit], control: Sequence[Visit]) -> None:
    """Hold the clients to what they may notice. `control`: those of a gateway that nobody
    stopped, at the same time and from the same thread."""
    machine_s = max(v.took_s for v in control)
    # Accepted by it when it was stopped: they end when it is killed, and not before.
    within = [v for v in visits if v.failure]
    # In its queue: they came while it stood, and waited until that was noticed.
    begun_s, noticed_s = stop.begun_s - machine_s - CLOCKS_S, stop.noticed_s - CLOCKS_S
    queued = [v for v in visits if begun_s < v.begun_s < stop.noticed_s and v.ended_s > noticed_s]
    queued = [v for v in queued if not v.failure]
    # All others must not notice; what the machine does at the same moment is not theirs.
    others = [v for v in visits if v not in within and v not in queued and v.took_s > NOTICED_S]
    others = [v for v in others if v.took_s - waits_s(control, v) > NOTICED_S]
    late = sum(v.took_s > NOTICED_S for v in control)
    longest_s = max((v.took_s - waits_s(control, v) for v in queued), default=0.0)
    early = [v for v in visits if stop.begun_s < v.begun_s < stop.noticed_s - 0.5]
    share = len([v for v in early if v in queued]) / len(early)
    print(
        f"{len(visits)} connections at {RATE}/s; beside them {late} of {len(control)} waited for "
        f"the machine alone, {machine_s * 1000:.0f} ms at most; noticed after "
        f"{stop.noticed_s - stop.begun_s:.2f} s; {len(within)} ended with the worker, "
        f"{len(queued)} waited in its queue ({share:.0%}), {longest_s:.2f} s at most; "
        f"{len(others)} others waited"
    )
    assert len(others) <= 2 * BESIDE_EVERY * late, "others noticed"
    assert all(v.begun_s <= stop.begun_s + CLOCKS_S for v in within), within
    assert all(v.ended_s >= stop.ended_s - CLOCKS_S for v in within), within
    # The master counts the time in which it ran itself: of that it needs no more, whatever else
    # the machine does; and where the machine does nothing else there is no other time.
    assert stop.silent_s <= WAIT_S - 0.1
    if late:
        assert longest_s <= max(WAIT_S, stop.noticed_s - stop.begun_s) + NOTICED_S
    else:
        assert longest_s <= WAIT_S
        assert len(within) <= 4 + RATE / 4 * NOTICED_S, within
    if machine_s < 0.5:
        assert 0 < share < 0.5, "a quarter of them goes to the stopped one"


def waits_s(control: Sequence[Visit], visit: Visit) -> float:
    """The longest wait beside a client, at the same time."""
    # A control of the same moment was due a little before or after it.
    near = (c for c in control if visit.begun_s - NOTICED_S <= c.begun_s <= visit.ended_s)
    return max((c.took_s for c in near), default=0.0)


def clock_s(stamp: str) -> float:
    """The time of a line of the log on the monotonic clock."""
    ago_s = time.time() - datetime.fromisoformat(stamp).timestamp()
    return time.monotonic() - ago_s


def hung_connections(run_dir: Path) -> int:
    """How many connections ended with workers that hung, as /metrics says."""
    transport = httpx.HTTPTransport(uds=str(run_dir / "default" / "admin.sock"))
    with httpx.Client(transport=transport, base_url="http://localhost", timeout=15) as client:
        text = client.get("/metrics").text
    found = re.search(r"^fastgw_workers_hung_total (\d+)$", text, re.M)
    assert found and int(found[1]) == 1
    found = re.search(r"^fastgw_workers_hung_connections_total (\d+)$", text, re.M)
    assert found
    return int(found[1])


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


def test_hung_workers_are_ended_one_at_a_time(tmp_path: Path, file: Path) -> None:
    """Both have stopped at once; the second one is ended when the first is gone."""
    with run(tmp_path, str(file), "--workers", "2", "--timeout-hung", "1500ms") as gateway:
        address = gateway.address()
        gateway.ready()
        for pid in gateway.workers():
            os.kill(pid, signal.SIGSTOP)
        for _ in range(2):
            gateway.wait_for("ended: worker_hung")
        told = re.findall(r"pid \d+\) (hangs|ended: worker_hung)", gateway.log)
        assert told == ["hangs", "ended: worker_hung"] * 2
        with connect(address) as client:
            assert ask(client).endswith(b"ok")


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
