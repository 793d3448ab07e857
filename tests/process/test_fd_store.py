"""The service manager's descriptor store: nothing is lost between two masters, though all of
the first one's processes are gone."""

from __future__ import annotations

import array
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastgw.ext.shm.statistics import ROW_CELLS, ROW_COUNTERS, Statistics
from tests.control.kit import until
from tests.process.gateway import Gateway
from tests.process.service import answer, ask, configuration, connect
from tests.process.test_killed import level_of, statistics_of
from tests.scenario.origin import Origin


class Manager:
    """What systemd does with a service that has FileDescriptorStoreMax."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(str(self.path))
        self.ear.settimeout(15)
        self.stored: dict[str, int] = {}
        self.main_pid = 0

    def hear(self) -> dict[str, str]:
        """Take one message, and do as it says."""
        data, ancillary, _, _ = self.ear.recvmsg(65536, socket.CMSG_SPACE(4 * 64))
        fds = array.array("i")
        for _, _, content in ancillary:
            fds.frombytes(content)
        said = dict(line.split("=", 1) for line in data.decode().splitlines())
        if said.get("FDSTORE") == "1":
            (fd,) = fds
            if said["FDNAME"] in self.stored:
                os.close(fd)
            else:
                self.stored[said["FDNAME"]] = fd
        elif said.get("FDSTOREREMOVE") == "1":
            os.close(self.stored.pop(said["FDNAME"]))
        self.main_pid = int(said.get("MAINPID", self.main_pid))
        return said

    def hears(self, name: str) -> str:
        """The first value of a name."""
        end = time.monotonic() + 15
        while time.monotonic() < end:
            said = self.hear()
            if name in said:
                return said[name]
        raise AssertionError(f"no {name}")

    def settle(self, n: int) -> None:
        """Wait until so many are stored."""
        end = time.monotonic() + 15
        while len(self.stored) != n:
            assert time.monotonic() < end, self.stored
            self.hear()

    def start(self, *words: str) -> Gateway:
        """Start the service, with what is stored."""
        start = (
            "import os, sys\n"
            "fds = [int(n) for n in sys.argv[1].split(',') if n]\n"
            "high = [os.dup2(fd, 200 + i) for i, fd in enumerate(fds)]\n"
            "for fd in fds: os.close(fd)\n"
            "for i, fd in enumerate(high): os.dup2(fd, 3 + i); os.close(fd)\n"
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))\n"
            "os.execv(sys.executable, [sys.executable, '-m', 'fastgw', 'run', *sys.argv[2:]])\n"
        )
        fds = list(self.stored.values())
        env = {
            "NOTIFY_SOCKET": str(self.path),
            "LISTEN_FDNAMES": ":".join(self.stored),
            "WATCHDOG_USEC": "2000000",
        }
        command = [sys.executable, "-c", start, ",".join(map(str, fds)), *words]
        return Gateway(command, env, pass_fds=fds)

    def close(self) -> None:
        """Everything."""
        self.ear.close()
        for fd in self.stored.values():
            os.close(fd)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


def kill_all(gateway: Gateway) -> None:
    """The master and all that it has started, at once."""
    os.killpg(gateway.process.pid, signal.SIGKILL)
    gateway.process.wait(10)


def started(manager: Manager, tmp_path: Path, origin: Origin, listen: str) -> Gateway:
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin, listen=listen))
    words = (str(file), "--workers", "2", "--run-dir", str(tmp_path))
    gateway = manager.start(*words, "--health-listen", "127.0.0.1:0")
    manager.hears("READY")
    return gateway


@pytest.mark.usefixtures("strays")
def test_clients_wait_and_counters_go_on_though_everything_was_killed(
    manager: Manager, tmp_path: Path, origin: Origin
) -> None:
    # Two listening sockets, the manifest, statistics, ticket keys, connections by address,
    # probes, the admin socket.
    with started(manager, tmp_path, origin, "127.0.0.1:0") as gateway:
        address = gateway.address()
        manager.settle(8)
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
        before = counted(gateway.process.pid)
        kill_all(gateway)
    waiting = [connect(address) for _ in range(8)]
    for client in waiting:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with started(manager, tmp_path, origin, "127.0.0.1:0") as second:
        second.wait_for("8 descriptors from the service manager's store")
        for client in waiting:
            assert answer(client).endswith(b"ok")
            client.close()
        assert counted(second.process.pid) >= before + 8
        second.signal(signal.SIGTERM)
        assert second.wait() == 0
        # Nobody shall wait in a socket that no one will accept from.
        manager.settle(0)
        with pytest.raises(ConnectionRefusedError):
            connect(address)


def counted(pid: int) -> int:
    """Everything that was counted so far."""
    return sum(counters_of(statistics_of(pid)))


def counters_of(statistics: Statistics) -> list[int]:
    """Cells that never fall."""
    return [v for i, v in enumerate(statistics.totals()) if i % ROW_CELLS < ROW_COUNTERS]


@pytest.mark.usefixtures("strays")
def test_what_dead_processes_held_is_given_back(
    manager: Manager, tmp_path: Path, origin: Origin
) -> None:
    """Levels are 0 and columns are free after each of several ends without a word; and the table
    of connections by address is the same one, without those of the dead."""
    file = tmp_path / "gateway.yaml"
    limited = configuration(origin).replace(
        "{main: '127.0.0.1:0'}", "{main: {addr: '127.0.0.1:0', per_address: {connections: 4}}}"
    )
    file.write_text(limited)
    words = (str(file), "--workers", "2", "--run-dir", str(tmp_path))
    before: list[int] = []
    tables = set()
    for _ in range(3):
        with manager.start(*words) as gateway:
            address = gateway.address()
            gateway.ready()
            statistics = statistics_of(gateway.process.pid)
            until(lambda s=statistics: len(s.processes()) == 2, "two columns")
            assert all(a <= b for a, b in zip(before, counters_of(statistics), strict=False))
            # As many as there may be, and each of them served: those before count no more.
            held = [connect(address) for _ in range(4)]
            for client in held:
                assert ask(client).endswith(b"ok")
            manager.settle(7)
            tables.add(table_of(gateway.process.pid))
            until(lambda s=statistics: level_of(s, "fastgw_connections") >= 4, "sampled")
            assert level_of(statistics, "fastgw_connections") == 4
            before = counters_of(statistics)
            kill_all(gateway)
            for client in held:
                client.close()
    assert len(tables) == 1


def table_of(pid: int) -> int:
    """Which table of connections by address a master has."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        if "fastgw-addresses" in os.readlink(fd):
            return fd.stat().st_ino
    raise AssertionError("the master has no table of addresses")


@pytest.mark.usefixtures("strays")
def test_unix_socket_is_kept_and_a_broken_manifest_is_no_obstacle(
    manager: Manager, tmp_path: Path, origin: Origin
) -> None:
    path = tmp_path / "gw.sock"
    with started(manager, tmp_path, origin, f"unix:{path}") as gateway:
        manager.settle(7)
        inode = path.stat().st_ino
        kill_all(gateway)
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(15)
    client.connect(str(path))
    with started(manager, tmp_path, origin, f"unix:{path}") as second:
        assert ask(client).endswith(b"ok")
        client.close()
        assert path.stat().st_ino == inode
        kill_all(second)
    os.ftruncate(manager.stored["fastgw-manifest"], 10)
    path.unlink()
    with started(manager, tmp_path, origin, f"unix:{path}") as third:
        third.wait_for("the descriptor store is of no use")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(15)
            client.connect(str(path))
            assert ask(client).endswith(b"ok")


@pytest.mark.usefixtures("strays")
def test_orphans_and_the_store_are_the_same_sockets(
    manager: Manager, tmp_path: Path, origin: Origin
) -> None:
    """The master alone was killed, and one worker after it: its socket comes from the store."""
    with started(manager, tmp_path, origin, "127.0.0.1:0") as gateway:
        address = gateway.address()
        manager.settle(8)
        _, worker = gateway.workers()
        gateway.process.kill()
        gateway.process.wait(10)
        os.kill(worker, signal.SIGKILL)
        with started(manager, tmp_path, origin, "127.0.0.1:0") as second:
            for _ in range(20):
                with connect(address) as client:
                    assert ask(client).endswith(b"ok")
            manager.settle(8)
            second.signal(signal.SIGTERM)
            assert second.wait() == 0


@pytest.mark.usefixtures("strays")
def test_upgrade_keeps_store_and_watchdog(manager: Manager, tmp_path: Path, origin: Origin) -> None:
    with started(manager, tmp_path, origin, "127.0.0.1:0") as gateway:
        address = gateway.address()
        manager.settle(8)
        gateway.signal(signal.SIGUSR2)
        new = int(gateway.wait_for(r"the new program \(pid (\d+)\) is ready")[1])
        end = time.monotonic() + 15
        while manager.main_pid != new:
            assert time.monotonic() < end
            manager.hear()
        assert gateway.process.wait(30) == 0
        # From now on only the new one is there to speak.
        drained(manager)
        manager.hears("WATCHDOG")
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
        os.kill(new, signal.SIGTERM)
        manager.settle(0)


def drained(manager: Manager) -> None:
    """Take everything that was said so far."""
    manager.ear.settimeout(0)
    try:
        while True:
            manager.hear()
    except BlockingIOError:
        manager.ear.settimeout(15)


def test_socket_activation_is_not_stored_again(
    manager: Manager, tmp_path: Path, origin: Origin
) -> None:
    """The manager has it anyway, and would hand it over twice."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        manager.stored["web"] = os.dup(listener.fileno())
        at = f"127.0.0.1:{listener.getsockname()[1]}"
        with started(manager, tmp_path, origin, at) as gateway:
            manager.settle(1 + 6)
            with connect(listener.getsockname()) as client:
                assert ask(client).endswith(b"ok")
            gateway.signal(signal.SIGTERM)
            assert gateway.wait() == 0
        manager.settle(1)
