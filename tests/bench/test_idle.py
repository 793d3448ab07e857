"""What a connection costs in memory: the contender's own, whoever else is on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench import idle
from fastgw.bench import process
from fastgw.bench.contender import Contender
from fastgw.bench.messages import JSON_BODY, answer
from fastgw.bench.scenario import scenarios

MIB = 1 << 20
KEPT = 64 * 1024

#: Reads every page of a file that it maps, says so, and keeps it mapped until it is ended.
MAPS = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
seen = sum(mapped[::4096])
print("mapped", flush=True)
sys.stdin.read()
"""

#: Answers every request of its connections, and keeps KEPT bytes for each of them.
SERVES = """
import selectors, socket, sys
port, kept, answer = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
listener = socket.create_server(("127.0.0.1", port), backlog=1024)
selector = selectors.DefaultSelector()
selector.register(listener, selectors.EVENT_READ, None)
while True:
    for key, _ in selector.select():
        if key.data is None:
            fresh, _ = listener.accept()
            selector.register(fresh, selectors.EVENT_READ, bytearray(b"x" * kept))
        elif key.fileobj.recv(65536):
            key.fileobj.sendall(answer)
        else:
            selector.unregister(key.fileobj)
            key.fileobj.close()
"""


@contextmanager
def mapping(file: Path) -> Iterator[int]:
    """A process that has a file mapped."""
    with subprocess.Popen(
        [sys.executable, "-c", MAPS, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdin is not None and running.stdout is not None
        assert running.stdout.readline() == b"mapped\n"
        yield running.pid
        running.stdin.close()


def file_system_of(file: Path) -> str:
    """Kind of the file system that a file is on."""
    argv = ["stat", "-f", "-c", "%T", str(file)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout.strip()


def test_own_memory_is_not_moved_by_who_maps_the_same_file(tmp_path: Path) -> None:
    file = tmp_path / "library"
    file.write_bytes(b"x" * 8 * MIB)
    if file_system_of(file) == "tmpfs":
        pytest.skip("files of this folder are memory, and count as such")
    with mapping(file) as pid:
        alone = process.memory([pid])
        with mapping(file):
            shared = process.memory([pid])
    assert alone["pss"] - shared["pss"] > 3 * MIB, "there is a neighbour"
    assert abs(alone["own"] - shared["own"]) < MIB // 4


ROLLUP = "0-1 ---p 00000000 00:00 0 [rollup]\nRss: 100 kB\nPss: 50 kB\n"


@pytest.mark.parametrize(
    ("more", "own"),
    [
        ("Pss_Anon: 20 kB\nPss_File: 25 kB\nPss_Shmem: 5 kB\nPrivate_Dirty: 1 kB\n", 25),
        ("Shared_Dirty: 8 kB\nPrivate_Dirty: 16 kB\n", 24),
    ],
    ids=["sums", "older kernel"],
)
def test_sums_of_the_kernel_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, own: int
) -> None:
    monkeypatch.setattr(process, "PROC", tmp_path)
    for pid in ("7", "8"):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "smaps_rollup").write_text(ROLLUP + more)
    (tmp_path / "9").mkdir()
    (tmp_path / "9" / "smaps_rollup").write_text("")
    found = process.memory([7, 8, 9])
    assert found == {"rss": 200 * 1024, "pss": 100 * 1024, "own": 2 * own * 1024}


def serving(kept: int) -> Contender:
    """A server whose connections cost what they are told to."""
    text = answer(JSON_BODY).hex()
    return Contender(
        "known", "1",
        lambda listen, *_: [sys.executable, "-c", SERVES, str(listen), str(kept), text],
    )  # fmt: skip


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Contender]:
    """Such a server, running."""
    monkeypatch.setattr(idle, "SETTLE_EVERY_S", 0.05)
    started = serving(KEPT)
    started.start(0, tmp_path, None)
    yield started
    started.stop()


def test_a_connection_that_is_held_costs_what_it_costs(known: Contender) -> None:
    found = idle.measure_idle(known, scenarios()["idle"], 50)
    assert found["errors"] == 0
    assert KEPT < found["bytes_each"] < 1.5 * KEPT


def test_others_are_served_while_connections_are_held(known: Contender) -> None:
    def serve() -> dict[str, Any]:
        (pid,) = known.pids()
        return {"open": len(os.listdir(f"/proc/{pid}/fd")), "errors": 3}

    found = idle.measure_idle(known, scenarios()["idle"], 50, serve)
    assert found["open"] > 100, "50, and 50 that were there before them"
    assert found["errors"] == 3


def test_connections_that_are_lost_meanwhile_are_an_error(known: Contender) -> None:
    def serve() -> dict[str, Any]:
        known.signal(signal.SIGKILL)
        return {"errors": 0}

    with pytest.raises(OSError, match=r"closed instead of answered|reset|Broken pipe"):
        idle.measure_idle(known, scenarios()["idle"], 50, serve)


def test_memory_that_is_used_again_costs_what_it_did(
    known: Contender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What connections of an earlier round took was not given back."""
    own = iter((10_000, 60_000, 60_000, 60_000))
    monkeypatch.setattr(idle, "settled", lambda pids: {"own": next(own), "pss": 1})
    rounds = [idle.measure_idle(known, scenarios()["idle"], 50) for _ in range(2)]
    assert [found["bytes_each"] for found in rounds] == [1000, 1000]
