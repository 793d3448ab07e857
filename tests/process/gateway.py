"""A gateway process under test: start it, read its log with deadlines, end it."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 15.0


def is_control(pid: int) -> bool:
    """Whether a process is a control process."""
    try:
        return b"fastgw.control" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


class Gateway:
    """One process and its standard error."""

    def __init__(
        self, command: list[str], env: dict[str, str] | None = None, pass_fds: Sequence[int] = ()
    ) -> None:
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            pass_fds=pass_fds,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, pattern: str, deadline_s: float = DEADLINE_S) -> re.Match[str]:
        """The first line, from where the last wait ended, that matches."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {pattern!r} in time; log: {self.lines}") from None
            if line is None:
                self._queue.put(None)
                raise AssertionError(f"ended without {pattern!r}; log: {self.lines}")
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def address(self) -> tuple[str, int]:
        """Where the first TCP listener is."""
        found = self.wait_for(r"listening on http://(\[[^]]+\]|[^:]+):(\d+)")
        return found[1].strip("[]"), int(found[2])

    def ready(self) -> None:
        """Wait until every slot has a worker that accepts."""
        self.wait_for(r"ready with \d+ worker")

    def workers(self) -> list[int]:
        """Pids of the master's children that are workers, in the order of their start."""
        return [pid for pid in self.children() if _name(pid).startswith("fastgw-w")]

    def control(self) -> int:
        """Pid of the control process."""
        (pid,) = (pid for pid in self.children() if is_control(pid))
        return pid

    def children(self) -> list[int]:
        """Pids of the master's children."""
        pid = self.process.pid
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        self.process.send_signal(number)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit code."""
        code = self.process.wait(deadline_s)
        self._reader.join(deadline_s)
        while (line := self._queue.get()) is not None:
            self.lines.append(line)
        self._queue.put(None)
        return code

    @property
    def log(self) -> str:
        """All lines that were read so far."""
        return "\n".join(self.lines)

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(5)
        self._reader.join(5)
        if self._reader.is_alive():
            # Masters that came after this one write to its log, and what holds it open holds us.
            self._kill_writers()
            self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _kill_writers(self) -> None:
        """End every process that has our standard error."""
        assert self.process.stderr is not None
        log = os.fstat(self.process.stderr.fileno())
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if os.path.samestat(os.stat(entry / "fd" / "2"), log):
                        os.kill(int(entry.name), signal.SIGKILL)
                except OSError:
                    continue


def _name(pid: int) -> str:
    """The name of a process; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def fake(run_dir: Path, listen: list[str] | None = None, **settings: Any) -> Gateway:
    """A gateway with the fake data plane."""
    given = {
        "source": {"listen": listen or ["127.0.0.1:0"], **settings.pop("source", {})},
        "run_dir": str(run_dir),
        **settings,
    }
    return Gateway([sys.executable, "-m", "tests.process.fake_run", json.dumps(given)])


def greeted(
    address: tuple[str, int] | str, deadline_s: float = DEADLINE_S
) -> tuple[socket.socket, int]:
    """A connection to the fake, and the pid of the worker that took it."""
    family = (
        socket.AF_UNIX
        if isinstance(address, str)
        else (socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    )
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(deadline_s)
    client.connect(address)
    with client.makefile("rb") as f:
        return client, int(f.readline())
