"""The gateway as a service: probes, drain delay, pid file, privileges, systemd."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.process.gateway import ROOT, Gateway
from tests.process.service import Tunnel, ask, configuration, connect, run
from tests.process.test_succession import terminate
from tests.scenario.origin import Origin


def probe(address: tuple[str, int], request: bytes) -> bytes:
    with connect(address) as client:
        client.sendall(request)
        said = b""
        while data := client.recv(4096):
            said += data
    return said


def get(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode()


def health_of(gateway: Gateway) -> tuple[str, int]:
    found = gateway.wait_for(r"health on http://([^:]+):(\d+)")
    return found[1], int(found[2])


def test_workers_answer_probes(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1", "--health-listen", "127.0.0.1:0") as gateway:
        health = health_of(gateway)
        gateway.ready()
        for path, status in (("/healthz", 200), ("/readyz?x=1", 200), ("/metrics", 404)):
            assert probe(health, get(path)).startswith(b"HTTP/1.1 %d" % status)
        assert probe(health, b"POST /readyz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405")
        assert probe(health, b"x" * 5000).startswith(b"HTTP/1.1 431")
        os.kill(gateway.process.pid, signal.SIGSTOP)
        assert probe(health, get("/readyz")).startswith(b"HTTP/1.1 200")
        os.kill(gateway.process.pid, signal.SIGCONT)


def test_readyz_is_red_before_connections_are_refused(tmp_path: Path, file: Path) -> None:
    words = ("--workers", "2", "--health-listen", "127.0.0.1:0", "--drain-delay", "1s")
    with run(tmp_path, str(file), *words) as gateway:
        address = gateway.address()
        health = health_of(gateway)
        gateway.ready()
        gateway.signal(signal.SIGTERM)
        gateway.wait_for("/readyz is red; draining in 1 s")
        assert probe(health, get("/readyz")).startswith(b"HTTP/1.1 503")
        assert probe(health, get("/healthz")).startswith(b"HTTP/1.1 200")
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
        assert gateway.wait(10) == 0


def test_route_answers_probes_while_the_master_is_stopped(tmp_path: Path, origin: Origin) -> None:
    file = tmp_path / "probes.yaml"
    routes = ["live: {match: /livez, health: live}", "ready: {match: /ready, health: ready}"]
    file.write_text(configuration(origin, routes))
    with run(tmp_path, str(file), "--workers", "1", "--drain-delay", "1s") as gateway:
        address = gateway.address()
        gateway.ready()
        os.kill(gateway.process.pid, signal.SIGSTOP)
        with connect(address) as client:
            said = ask(client, get("/ready"))
            assert said.startswith(b"HTTP/1.1 200") and said.endswith(b"ready\n")
            assert b"cache-control: no-store" in said.lower()
            assert ask(client, get("/livez")).endswith(b"alive\n")
            os.kill(gateway.process.pid, signal.SIGCONT)
            gateway.signal(signal.SIGTERM)
            gateway.wait_for("/readyz is red")
            said = ask(client, get("/ready"))
            assert said.startswith(b"HTTP/1.1 503") and said.endswith(b"draining\n")
            assert ask(client, get("/livez")).startswith(b"HTTP/1.1 200")
            assert ask(client).endswith(b"ok")
        assert gateway.wait(10) == 0


@pytest.mark.usefixtures("strays")
def test_replaced_worker_leaves_probes_to_the_next(tmp_path: Path, origin: Origin) -> None:
    """One that stays for its tunnels would say that the gateway drains."""
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin))
    with run(tmp_path, str(file), "--workers", "2", "--health-listen", "127.0.0.1:0") as gateway:
        address = gateway.address()
        health = health_of(gateway)
        gateway.ready()
        tunnels = [Tunnel(address) for _ in range(4)]
        gateway.signal(signal.SIGUSR2)
        new = int(gateway.wait_for(r"program \(pid (\d+)\) is ready; leaving to it")[1])
        for _ in range(20):
            assert probe(health, get("/readyz")).startswith(b"HTTP/1.1 200")
        for tunnel in tunnels:
            assert tunnel.echoes(b"still here")
            tunnel.close()
        terminate(new)


def test_pid_file_comes_and_goes(tmp_path: Path, file: Path) -> None:
    pidfile = tmp_path / "pid"
    with run(tmp_path, str(file), "--workers", "1", "--pidfile", str(pidfile)) as gateway:
        gateway.ready()
        end = time.monotonic() + 10
        while not pidfile.exists():
            assert time.monotonic() < end
        assert pidfile.read_text() == f"{gateway.process.pid}\n"
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
    assert not pidfile.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_workers_run_as_somebody_else(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "1", "--user", "nobody") as gateway:
        address = gateway.address()
        gateway.ready()
        (pid,) = gateway.workers()
        facts = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert set(facts["Uid"].split()) == {"65534"}
        assert set(facts["CapEff"]) == {"0"}
        assert facts["NoNewPrivs"] == "1"
        assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 300
        with connect(address) as client:
            assert ask(client).endswith(b"ok")


def test_user_that_is_not_there(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--user", "no-such-user") as gateway:
        assert gateway.wait() == 1
    assert "--user" in gateway.log


def test_each_worker_has_a_processor(tmp_path: Path, file: Path) -> None:
    with run(tmp_path, str(file), "--workers", "2", "--cpu-affinity") as gateway:
        gateway.ready()
        assert all(len(os.sched_getaffinity(pid)) == 1 for pid in gateway.workers())


class Systemd:
    """What the service manager does: a bound socket at descriptor 3, and an ear."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(str(self.path))
        self.ear.settimeout(15)

    def hears(self, word: str) -> str:
        """The first message with a word in it."""
        while True:
            said = self.ear.recv(4096).decode()
            if word in said:
                return said


def activated(listener: socket.socket, systemd: Systemd, *words: str) -> Gateway:
    """A gateway that is started with a socket at descriptor 3."""
    start = (
        "import os, sys\n"
        f"os.dup2({listener.fileno()}, 3)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'fastgw', 'run', *sys.argv[1:]])\n"
    )
    listener.set_inheritable(True)
    env = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "600000"}
    gateway = Gateway.__new__(Gateway)
    popen = subprocess.Popen

    def inheriting(*args: object, **more: object) -> subprocess.Popen[str]:
        return popen(*args, close_fds=False, **more)  # type: ignore[call-overload,no-any-return]

    subprocess.Popen = inheriting  # type: ignore[assignment,misc]
    try:
        gateway.__init__([sys.executable, "-c", start, *words], env)  # type: ignore[misc]
    finally:
        subprocess.Popen = popen  # type: ignore[misc]
    return gateway


def test_socket_activation_readiness_and_watchdog(tmp_path: Path, origin: Origin) -> None:
    systemd = Systemd(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        file = tmp_path / "gateway.yaml"
        file.write_text(configuration(origin, listen=f"127.0.0.1:{address[1]}"))
        words = (str(file), "--workers", "2", "--run-dir", str(tmp_path))
        with activated(listener, systemd, *words) as gateway:
            said = systemd.hears("READY=1")
            assert f"MAINPID={gateway.process.pid}" in said
            systemd.hears("WATCHDOG=1")
            for _ in range(10):
                with connect(address) as client:
                    assert ask(client).endswith(b"ok")
            gateway.signal(signal.SIGTERM)
            systemd.hears("STOPPING=1")
            assert gateway.wait() == 0
        # The socket is systemd's: the next start finds it as it was.
        assert listener.getsockname() == address
    systemd.ear.close()


def test_socket_that_nobody_wants_is_refused(tmp_path: Path, origin: Origin) -> None:
    systemd = Systemd(tmp_path)
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = (str(file), "--workers", "1", "--run-dir", str(tmp_path))
        with activated(listener, systemd, *words) as gateway:
            assert gateway.wait() == 1
        assert "is not listened on" in gateway.log
    systemd.ear.close()


def test_unit_file_is_right() -> None:
    """As far as systemd itself can say without running it."""
    unit = ROOT / "deploy" / "fastgw.service"
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    complaints = [
        line
        for line in said.stderr.splitlines()
        if "fastgw" in line and "is not executable" not in line
    ]
    assert complaints == []
