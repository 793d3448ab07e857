"""What can be wrong around a running gateway: each is said clearly, and traffic goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.exchange import shared
from fastgw.ext.route.errors import PlanError
from fastgw.ext.shm.segment import create_segment
from fastgw.ext.shm.statistics import MAGIC
from fastgw.log import Log
from fastgw.master.heritage import ADDRESSES, STATISTICS, Heritage
from fastgw.master.launch import open_statistics
from fastgw.master.settings import Settings
from tests.process.gateway import Gateway
from tests.process.service import Load, ask, configuration, connect, run
from tests.process.test_succession import fastgw
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway as Scene
from tests.scenario.gateway import upstream
from tests.scenario.origin import Origin

GET = b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root mounts a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no byte on a disk."""
    with (folder / "filler").open("ab", buffering=0) as f, pytest.raises(OSError, match="space"):
        while f.write(bytes(512)):
            pass


def served(gateway: Gateway, address: tuple[str, int]) -> None:
    with connect(address) as client:
        assert ask(client).endswith(b"ok")
    assert gateway.process.poll() is None


def test_full_disk(tmp_path: Path, small_disk: Path, file: Path) -> None:
    """Run directory, pid file and log on it: all of them fail, and nothing else does."""
    log = small_disk / "access.log"
    words = ("--workers", "1", "--access-log", str(log), "--pidfile", str(small_disk / "pid"))
    (small_disk / "filler").write_bytes(bytes(48 << 10))
    with run(small_disk, str(file), *words) as gateway:
        address = gateway.address()
        gateway.ready()
        with Load(address) as load:
            fill(small_disk)
            load.more(300)
            gateway.wait_for(r"No space left on device")
            gateway.signal(signal.SIGTTIN)
            gateway.wait_for(r"run directory .*: No space left on device")
            gateway.signal(signal.SIGHUP)
            gateway.wait_for("generation 2 serves")
            load.more(50)
        assert load.failures == []
        served(gateway, address)


def test_unwritable_log_and_pid_file(tmp_path: Path, file: Path) -> None:
    missing = tmp_path / "missing"
    words = ("--access-log", str(missing / "log"), "--pidfile", str(missing / "pid"))
    with run(tmp_path, str(file), "--workers", "1", *words) as gateway:
        address = gateway.address()
        gateway.ready()
        gateway.wait_for("pid file .*: No such file or directory")
        served(gateway, address)
        gateway.wait_for("missing/log: .*No such file or directory")
        served(gateway, address)


def test_run_directory_is_removed(tmp_path: Path, file: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    with run(run_dir, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        gateway.wait_for("control .* serves")
        shutil.rmtree(run_dir)
        served(gateway, address)
        done = fastgw("status", "--run-dir", str(run_dir))
        assert done.returncode == 1
        assert "no gateway runs here" in done.stderr
        gateway.signal(signal.SIGTTIN)
        gateway.wait_for("run directory .*: No such file or directory")
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("generation 2 serves")
        served(gateway, address)
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0


def test_configuration_that_is_huge_or_broken(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        for content, says in (
            (b"#" * (33 << 20), "larger than 32 MiB"),
            (b"\x7fELF" + bytes(100), "a binary file"),
            (b"a: [", "FGW001"),
        ):
            file.write_bytes(content)
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(says)
            gateway.wait_for("generation 1 goes on")
            served(gateway, address)


def test_configuration_that_changes_while_it_is_read(
    tmp_path: Path, file: Path, origin: Origin
) -> None:
    """Written over and over while it is read again and again: each reload brings one of the two
    or none, and the last one what stands there at last."""
    texts = [configuration(origin, [f"said: {{match: /said, respond: {s}}}"]) for s in (201, 202)]
    file.write_text(texts[0])
    stop = threading.Event()

    def write() -> None:
        for i in range(1_000_000):
            if stop.is_set():
                return
            file.write_text(texts[i % 2])
            stop.wait(0.001)

    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(3):
                gateway.signal(signal.SIGHUP)
                gateway.wait_for(r"generation \d+ (serves|goes on)")
                with connect(address) as client:
                    said = ask(client, GET.replace(b"GET /", b"GET /said"))
                assert said[:12] in (b"HTTP/1.1 201", b"HTTP/1.1 202")
        finally:
            stop.set()
            writer.join(10)
        file.write_text(texts[1])
        gateway.signal(signal.SIGHUP)
        gateway.wait_for(r"generation \d+ serves")
        with connect(address) as client:
            assert ask(client, GET.replace(b"GET /", b"GET /said")).startswith(b"HTTP/1.1 202")


def test_clock_on_the_wall_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines say the new time, and no deadline moves."""
    wall = shared.time  # type: ignore[attr-defined]
    options: dict[str, Any] = {"fields": ["time"]}
    with Origin() as origin, Scene(upstream(origin.address), log=options) as gw:
        with Client(gw.address) as client:
            assert client.send(GET).answer().status == 200
            before = gw.record()["time"]
            monkeypatch.setattr(shared, "time", lambda: wall() - 86400)
            end = time.monotonic() + 10
            while True:
                assert client.send(GET).answer().status == 200
                if gw.record()["time"] < before:
                    return
                assert time.monotonic() < end, "the old time goes on"


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        (0, b"NOTAPLAN", "does not begin with FGWPLAN"),
        (8, b"\xff\xff", "plan of layout"),
        (16, b"\x01", "its header says"),
        (200, b"\xff", "rows of 255 bytes"),
        (-8, b"\xff", "checksum"),
    ],
    ids=["magic", "version", "size", "sections", "content"],
)
def test_plan_that_is_damaged_is_refused_and_the_running_one_goes_on(
    at: int, value: bytes, says: str
) -> None:
    with Origin() as origin, Scene(upstream(origin.address)) as gw, Client(gw.address) as client:
        assert client.send(GET).answer().status == 200
        plan = bytearray(gw.plan)
        plan[at : at + len(value)] = value

        def prepare() -> str:
            try:
                return f"taken: {list(gw.worker.prepare(bytes(plan)))}"
            except PlanError as e:
                return str(e)

        assert says in gw.call(prepare)
        gw.call(gw.worker.forget)
        assert client.send(GET).answer().status == 200


def test_statistics_of_another_layout_begin_anew(capfd: pytest.CaptureFixture[str]) -> None:
    """What an upgrade hands over, when the new program counts otherwise."""
    other = create_segment("statistics", MAGIC, 99, 4096)
    heritage = Heritage(memory={STATISTICS: os.dup(other.fd), ADDRESSES: os.dup(other.fd)})
    made = open_statistics(Settings({}), heritage, Log("master"))
    assert made.row_count == 2
    # Its columns are those of the statistics.
    assert heritage.memory == {}
    said = capfd.readouterr().err
    assert "statistics begin at 0" in said and "has layout 99: this program knows" in said
