"""The master keeps its slots filled, whatever happens to the workers."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from fastgw.master.slot import backoff_s
from tests.process.gateway import fake, greeted

#: From death to the replacement's first accept; the figure that docs/processes.md promises.
REPLACED_S = 0.150


def test_each_slot_has_a_worker(tmp_path: Path) -> None:
    with fake(tmp_path, workers=2) as gateway:
        gateway.ready()
        assert len(gateway.workers()) == 2


def test_killed_worker_is_replaced_in_time(tmp_path: Path) -> None:
    """The best of three counts: the machine may be busy, the gateway may not."""
    took = []
    with fake(tmp_path, workers=1) as gateway:
        address = gateway.address()
        gateway.ready()
        for _ in range(3):
            (pid,) = gateway.workers()
            os.kill(pid, signal.SIGKILL)
            begin = time.monotonic()
            client, new = greeted(address)
            took.append(time.monotonic() - begin)
            client.close()
            assert new != pid
            # The slot's record of deaths would otherwise put the next one off.
            gateway.wait_for("ready after")
            if min(took) < REPLACED_S:
                break
    assert min(took) < REPLACED_S, took


def test_connection_in_the_queue_survives_the_worker(tmp_path: Path) -> None:
    with fake(tmp_path, workers=1) as gateway:
        address = gateway.address()
        gateway.ready()
        (pid,) = gateway.workers()
        os.kill(pid, signal.SIGSTOP)
        import socket

        waiting = socket.create_connection(address, 10)
        os.kill(pid, signal.SIGKILL)
        new = int(waiting.makefile("rb").readline())
        waiting.close()
        assert new != pid


def test_replacement_takes_connections_of_its_slot_only(tmp_path: Path) -> None:
    """A worker has closed the other slots' sockets."""
    with fake(tmp_path, workers=2) as gateway:
        gateway.ready()
        for pid in gateway.workers():
            listening = [
                link
                for fd in os.listdir(f"/proc/{pid}/fd")
                if (link := _link(pid, fd)) in _listening(pid)
            ]
            assert len(listening) == 1


def _link(pid: int, fd: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""


def _listening(pid: int) -> set[str]:
    rows = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return {f"socket:[{row.split()[9]}]" for row in rows if row.split()[3] == "0A"}


def test_worker_that_keeps_dying_is_started_ever_later(tmp_path: Path) -> None:
    with fake(tmp_path, workers=1, orders={"die_after_s": 0.01}) as gateway:
        gateway.ready()
        waits = [gateway.wait_for(r"next one (at once|in ([\d.]+) s)")[2] for _ in range(4)]
    assert waits == [None, "0.1", "0.2", "0.4"]


def test_backoff_ends_at_ten_seconds() -> None:
    assert backoff_s(1) == 0
    assert [backoff_s(n) for n in (2, 3, 4)] == [0.1, 0.2, 0.4]
    assert backoff_s(9) == 10.0
    assert backoff_s(10_000) == 10.0


@pytest.mark.parametrize(
    ("orders", "text"),
    [
        ({"fail_start": True}, "RuntimeError: this plan can't be mapped"),
        pytest.param({"die_start": True}, "killed by SIGSEGV", marks=pytest.mark.plain_build),
    ],
)
def test_worker_that_dies_before_ready_ends_the_start(
    tmp_path: Path, orders: dict[str, object], text: str
) -> None:
    with fake(tmp_path, workers=2, orders=orders) as gateway:
        assert gateway.wait() == 1
    assert re.search(rf"error master.*could not start: .*{re.escape(text)}", gateway.log)


def test_workers_end_when_the_master_is_gone(tmp_path: Path) -> None:
    with fake(tmp_path, workers=2, orphan_grace_s=0.2) as gateway:
        gateway.ready()
        pids = gateway.workers()
        gateway.process.kill()
        gateway.process.wait(10)
        end = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < end, "a worker outlived its master"
            time.sleep(0.01)
