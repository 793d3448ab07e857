"""One master after another: upgrades, and masters that are killed, without a client noticing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastgw.ext.shm.statistics import Statistics
from fastgw.master.succession import is_worker
from tests.control.kit import until
from tests.process.gateway import Gateway
from tests.process.service import Load, Tunnel, ask, configuration, connect, run
from tests.process.test_killed import level_of, statistics_of
from tests.scenario.origin import Origin


@pytest.fixture
def file(tmp_path: Path, origin: Origin) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(configuration(origin, listen="127.0.0.1:0"))
    return path


def gone(pid: int, deadline_s: float = 20.0) -> None:
    end = time.monotonic() + deadline_s
    while Path(f"/proc/{pid}").exists():
        if " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        assert time.monotonic() < end, f"{pid} is still there"
        time.sleep(0.02)


def terminate(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    gone(pid)


@pytest.mark.usefixtures("strays")
def test_upgrade_under_load(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "2", "--timeout-streams", "30s") as gateway:
        address = gateway.address()
        gateway.ready()
        old = gateway.workers()
        statistics = statistics_of(gateway.process.pid)
        tunnel = Tunnel(address)
        with Load(address, fresh=True) as fresh, Load(address) as kept:
            gateway.signal(signal.SIGUSR2)
            new = int(gateway.wait_for(r"the new program \(pid (\d+)\) is ready")[1])
            fresh.more(100)
            kept.more(100)
            assert tunnel.echoes(b"still with the old one")
            # Idle connections end after 5 s, at the latest; the load's were told with an answer.
            kept.more(2000)
        assert fresh.failures == []
        assert kept.failures == []
        assert {p.pid for p in statistics.processes()} & set(old)
        tunnel.close()
        assert gateway.process.wait(30) == 0
        assert (tmp_path / "default" / "lock").read_text() == f"{new}\n"
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
        assert not {p.pid for p in statistics.processes()} & set(old)
        terminate(new)


@pytest.mark.usefixtures("strays")
def test_unix_socket_is_handed_over(tmp_path: Path, origin: Origin) -> None:
    path = tmp_path / "gateway.sock"
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin, listen=f"unix:{path}"))

    def served() -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(15)
            client.connect(str(path))
            return ask(client)

    with run(tmp_path, str(file), "--workers", "2") as gateway:
        gateway.ready()
        inode = path.stat().st_ino
        for _ in range(20):
            assert served().endswith(b"ok")
        gateway.signal(signal.SIGUSR2)
        new = int(gateway.wait_for(r"the new program \(pid (\d+)\) is ready")[1])
        for _ in range(20):
            assert served().endswith(b"ok")
        assert gateway.process.wait(30) == 0
        # The old master has left; the path is the new one's, and the same.
        assert path.stat().st_ino == inode
        assert served().endswith(b"ok")
        terminate(new)
        assert not path.exists()


@pytest.mark.usefixtures("strays")
def test_verbs_upgrade_and_stop(tmp_path: Path, file: Path) -> None:
    here = ["--run-dir", str(tmp_path)]
    text = file.read_text()
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        done = fastgw("upgrade", *here)
        new = int(done.stdout.rpartition(" ")[2])
        assert done.returncode == 0 and new != gateway.process.pid
        assert gateway.process.wait(30) == 0
        file.write_text("version: nonsense\n")
        done = fastgw("upgrade", *here)
        assert done.returncode == 1 and "the old program goes on" in done.stderr
        file.write_text(text)
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
        assert fastgw("stop", *here).returncode == 0
        gone(new, 0.1)
        for verb in ("stop", "upgrade"):
            done = fastgw(verb, *here)
            assert done.returncode == 1 and "no gateway runs here" in done.stderr


def test_stop_waits_for_the_drain(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        with connect(address) as upload:
            upload.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
            done = fastgw("stop", "--run-dir", str(tmp_path), "--wait", "300ms")
            assert done.returncode == 1 and "has not ended within 0.3 s" in done.stderr
            assert ask(upload, b"b").startswith(b"HTTP/1.1 200")
        assert gateway.wait() == 0


def fastgw(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fastgw", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.usefixtures("strays")
def test_upgrade_that_can_not_start_changes_nothing(tmp_path: Path, file: Path) -> None:
    text = file.read_text()
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        old = gateway.workers()
        with Load(address, fresh=True) as load:
            file.write_text("version: nonsense\n")
            gateway.signal(signal.SIGUSR2)
            gateway.wait_for("upgrade failed: .*; the old program goes on")
            load.more(50)
            assert set(gateway.workers()) >= set(old)
            file.write_text(text)
            gateway.signal(signal.SIGHUP)
            gateway.wait_for("generation 2 serves")
        assert load.failures == []
        assert (tmp_path / "default" / "lock").read_text() == f"{gateway.process.pid}\n"


@pytest.mark.usefixtures("strays")
def test_master_that_is_killed_is_followed_by_another(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        tunnel = Tunnel(address)
        with Load(address, fresh=True) as load, Load(address) as kept:
            statistics = statistics_of(gateway.process.pid)
            gateway.process.kill()
            gateway.process.wait(10)
            gateway.wait_for("the master is gone; serving on for 60 s")
            load.more(100)
            with run(tmp_path, str(file), "--workers", "2") as second:
                second.wait_for("ready with 2 worker")
                assert second_address(second) == address
                load.more(100)
                assert tunnel.echoes(b"with an orphan")
                assert {p.pid for p in statistics.processes()} >= set(second.workers())
                gateway.wait_for("adopted by another master")
                kept.more(100)
                tunnel.close()
                end = time.monotonic() + 20
                while len(statistics.processes()) > 2:
                    assert time.monotonic() < end, statistics.processes()
                    time.sleep(0.02)
                assert load.failures == []
                assert kept.failures == []


PLUGIN = """
from fastgw import Policy

class Passes(Policy):
    ORDER = {order}
"""


@pytest.mark.usefixtures("strays")
def test_worker_that_had_left_is_followed_to_its_end(
    tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was replaced, has a tunnel and a request, and its master dies: the next one knows of it,
    and settles its accounts when it ends, not before. Nobody waits for it, so that the time of a
    drain is not its requests' time."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    plugin = tmp_path / "passes.py"
    plugin.write_text(PLUGIN.format(order=1))
    file = tmp_path / "gateway.yaml"
    file.write_text(
        configuration(
            origin, ["p: {match: /p, upstream: app, policies: [{plugin: 'passes:Passes'}]}"]
        )
    )
    words = (str(file), "--workers", "1", "--timeout-drain", "100ms")
    with run(tmp_path, *words) as gateway:
        address = gateway.address()
        gateway.ready()
        tunnel, upload = Tunnel(address), connect(address)
        upload.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        (old,) = gateway.workers()
        plugin.write_text(PLUGIN.format(order=22))
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("generation 2 serves")
        gateway.process.kill()
        gateway.process.wait(10)
        with run(tmp_path, *words) as second:
            second.ready()
            statistics = statistics_of(second.process.pid)
            gateway.wait_for("adopted by another master")
            until(lambda: old in pids_of(statistics) and len(pids_of(statistics)) == 2, "adopted")
            assert tunnel.echoes(b"still there")
            assert ask(upload, b"def").startswith(b"HTTP/1.1 200")
            upload.close()
            tunnel.close()
            second.wait_for(rf"worker 0 \(pid {old}\) ended")
            assert pids_of(statistics) == second.workers()
            assert level_of(statistics, "fastgw_tunnels") == 0


def test_dead_worker_that_nobody_has_waited_for_is_no_worker() -> None:
    code = "open('/proc/self/comm', 'w').write('fastgw-w9'); print(flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None and child.stdout.readline() == b"\n"
        assert is_worker(child.pid)
        child.kill()
        until(lambda: not is_worker(child.pid), "seen as dead")
        assert Path(f"/proc/{child.pid}/comm").read_text() == "fastgw-w9\n"


def pids_of(statistics: Statistics) -> list[int]:
    """Who has a column."""
    return [process.pid for process in statistics.processes()]


def second_address(gateway: Gateway) -> tuple[str, int]:
    found = re.search(r"listening on http://([^:]+):(\d+)", gateway.log)
    assert found
    return found[1], int(found[2])


@pytest.mark.usefixtures("strays")
def test_dead_orphan_is_made_up_for(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        one, _ = gateway.workers()
        gateway.process.kill()
        gateway.process.wait(10)
        gateway.wait_for("serving on")
        os.kill(one, signal.SIGKILL)
        with run(tmp_path, str(file), "--workers", "2") as second:
            second.wait_for("ready with 2 worker")
            with Load(address, fresh=True) as load:
                load.more(100)
                assert load.failures == []
            assert "steered" not in second.log


@pytest.mark.usefixtures("strays")
def test_orphans_that_nobody_adopts_drain(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1", "--orphan-grace", "500ms") as gateway:
        address = gateway.address()
        gateway.ready()
        (pid,) = gateway.workers()
        gateway.process.kill()
        gateway.process.wait(10)
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
        gateway.wait_for("no master has come; draining")
        gone(pid)
