"""The real gateway, from the command line: traffic, drain, replacement."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.process.gateway import ROOT, Gateway

REPLACED_S = 0.150


class Origin(BaseHTTPRequestHandler):
    """Answers at once, or when it is let go on."""

    protocol_version = "HTTP/1.1"
    gate = threading.Event()
    asked = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.asked.set()
            assert self.gate.wait(20)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def origin() -> Iterator[str]:
    Origin.gate.clear()
    Origin.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Origin.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


def run(run_dir: Path, *words: str) -> Gateway:
    """`fastgw run`."""
    return Gateway([sys.executable, "-m", "fastgw", "run", *words, "--run-dir", str(run_dir)])


def get(address: tuple[str, int], path: str = "/") -> int:
    """The status of one request on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_no_file_is_needed(tmp_path: Path, origin: str) -> None:
    with run(tmp_path, "--to", origin, "--listen", "127.0.0.1:0", "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        assert [get(address) for _ in range(4)] == [200] * 4
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(5) == 0


def test_every_kind_of_address(tmp_path: Path, origin: str) -> None:
    path = tmp_path / "gateway.sock"
    with run(tmp_path, "--to", origin, "--listen", "[::1]:0", "--listen", f"unix:{path}",
             "--listen", ":0", "--workers", "1") as gateway:  # fmt: skip
        v6 = gateway.address()
        v4 = gateway.address()
        gateway.ready()
        assert get(v6) == 200
        assert v4[0] == "0.0.0.0"
        assert get(("127.0.0.1", v4[1])) == 200
        assert get(("::1", v4[1])) == 200
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            with client.makefile("rb") as answer:
                assert answer.readline().startswith(b"HTTP/1.1 200")


def test_drain_finishes_what_is_under_way(tmp_path: Path, origin: str) -> None:
    with run(tmp_path, "--to", origin, "--listen", "127.0.0.1:0", "--workers", "1",
             "--log-level", "debug") as gateway:  # fmt: skip
        address = gateway.address()
        gateway.ready()
        statuses: list[int] = []
        client = threading.Thread(target=lambda: statuses.append(get(address, "/slow")))
        client.start()
        assert Origin.asked.wait(10)
        gateway.signal(signal.SIGTERM)
        gateway.wait_for("worker 0 .* drains")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 5)
        Origin.gate.set()
        client.join(10)
        assert statuses == [200]
        assert gateway.wait(5) == 0


def test_killed_worker_is_replaced_in_time(tmp_path: Path, origin: str) -> None:
    """The real data plane too: the best of three, as the machine may be busy."""
    took = []
    with run(tmp_path, "--to", origin, "--listen", "127.0.0.1:0", "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        for _ in range(3):
            (pid,) = gateway.workers()
            os.kill(pid, signal.SIGKILL)
            begin = time.monotonic()
            assert get(address) == 200
            took.append(time.monotonic() - begin)
            gateway.wait_for("ready after")
            if min(took) < REPLACED_S:
                break
    assert min(took) < REPLACED_S, took


def test_options_that_are_wrong_are_all_named(tmp_path: Path) -> None:
    with run(tmp_path, "--to", "ftp://x", "--listen", "nowhere", "--timeout-connect", "2",
             "--limit-head", "1", "--trusted-proxies", "300.0.0.0/8") as gateway:  # fmt: skip
        assert gateway.wait() == 2
    for word in ("ftp://x", "nowhere", "'2'", "300.0.0.0/8"):
        assert word in gateway.log, gateway.log


def test_limits_and_timeouts_reach_the_plan() -> None:
    import subprocess

    said = subprocess.run(
        [sys.executable, "-m", "fastgw", "show", "--to", "http://127.0.0.1:1",
         "--timeout-request-head", "3s", "--limit-fields", "50", "--limit-requests", "none",
         "--limit-memory", "32MiB"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    for text in ("request_head=3000", "fields=50", "requests=0", f"memory: {32 << 20}"):
        assert text in said.stdout


def test_defaults_of_the_help_are_those_of_the_plan() -> None:
    from fastgw.cli.source import DEFAULT_LISTEN, LIMITS, TIMEOUTS
    from fastgw.config.build import DEFAULT_ADDRESS, CommandLine, build
    from fastgw.plan.model import Limits, Timeouts

    said = {k: (int(v) if v.isdigit() else v) for k, (v, _) in LIMITS.items()}
    told = build(None, CommandLine(
        to=("http://127.0.0.1:1",), timeouts={k: v for k, (v, _) in TIMEOUTS.items()}, limits=said,
    ))  # fmt: skip
    plain = build(None, CommandLine(to=("http://127.0.0.1:1",)))
    assert (told.timeouts, told.limits, told.memory) == (Timeouts(), Limits(), plain.memory)
    assert DEFAULT_LISTEN == DEFAULT_ADDRESS
