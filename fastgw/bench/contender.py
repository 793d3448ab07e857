"""A proxy under measurement: a command, and once started its processes."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fastgw.bench import process
from fastgw.bench.drive import HOME

START_S = 20.0
STOP_S = 5.0
#: Settled is who spends less than 1 % of a CPU.
SETTLE_S, SETTLE_EVERY_S = 15.0, 0.3
CALM_NS = 3_000_000


@cache
def unchecked() -> ssl.SSLContext:
    """For clients of TLS. The certificate is the benchmark's own: it is not checked, and no
    roots are read, which takes 50 ms."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


@dataclass
class Contender:
    """One proxy; `label` is name[:gateway] as scenarios write it.

    `command` makes the command line from (listen port, origin port, folder)."""

    label: str
    version: str
    command: Callable[[int, int, Path], Sequence[str]]
    tls: bool = False
    probe: str = "/"  # target that is answered with 200
    probe_host: str = ""  # the Host of such a request; empty: the listener's address
    patience_s: float = START_S  # how long it may take to come up
    port: int = 0
    running: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    log: Path | None = None
    own_before: int = 0  # bytes of its own before it held idle connections; 0: not known

    @property
    def name(self) -> str:
        """The label; its older name."""
        return self.label

    def start(self, origin: int, folder: Path, cpus: set[int] | int | None) -> None:
        """Start in `folder` on a free port, pinned to `cpus`, and wait until it answers.
        RuntimeError, with the end of its output, when it never does."""
        self.port = process.free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.running = subprocess.Popen(
                self.command(self.port, origin, folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=HOME,
                preexec_fn=process.pinned(cpus),
            )
        self.await_answer(time.monotonic() + self.patience_s)

    def connection(self) -> http.client.HTTPConnection:
        """A client's connection."""
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=2, context=unchecked())

    def await_answer(self, deadline: float) -> None:
        """Return once a request is answered with 200."""
        assert self.running is not None
        while time.monotonic() < deadline and self.running.poll() is None:
            connection = self.connection()
            try:
                headers = {"Host": self.probe_host} if self.probe_host else {}
                connection.request("GET", self.probe, headers=headers)
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.05)
        tail = self.output()
        self.stop()
        raise RuntimeError(f"{self.label} did not come up:\n{tail}")

    def settle(self) -> None:
        """Wait until it has nothing more to do with its start: a process that still imports
        would be counted as the cost of requests. At most 15 s; what is busy then always is."""
        deadline = time.monotonic() + SETTLE_S
        pids: list[int] = []
        before = 0
        while time.monotonic() < deadline:
            try:
                now, spent = self.pids(), process.cpu_ns(self.pids())
            except OSError:  # one has ended in between
                now, spent = [], 0
            if now and now == pids and spent - before < CALM_NS:
                return
            pids, before = now, spent
            time.sleep(SETTLE_EVERY_S)

    def output(self) -> str:
        """The end of what it has said."""
        return self.log.read_text(errors="replace")[-2000:] if self.log else ""

    def pids(self) -> list[int]:
        """All its processes; RuntimeError when it has ended."""
        assert self.running is not None
        if self.running.poll() is not None:
            raise RuntimeError(f"{self.label} has ended:\n{self.output()}")
        return process.family(self.running.pid)

    def signal(self, number: int) -> None:
        """Send a signal to its first process."""
        assert self.running is not None
        self.running.send_signal(number)

    def stop(self) -> None:
        """End it: TERM, then KILL after 5 s."""
        if self.running is None or self.running.poll() is not None:
            return
        left = self.pids()
        self.running.send_signal(signal.SIGTERM)
        try:
            self.running.wait(STOP_S)
        except subprocess.TimeoutExpired:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.running.wait(STOP_S)
