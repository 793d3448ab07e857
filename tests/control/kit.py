"""A control process under test, with a master that says what a test wants."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from fastgw.ext.record.ring import RingWriter
from fastgw.ext.shm.segment import seal_bytes
from fastgw.log import Log
from fastgw.master.control import Answer, ControlProcess, ControlSettings
from fastgw.plan import PlanModel, Route, build_plan

DEADLINE_S = 15.0


class Master:
    """Keeps a real control process, in a thread; `said` is its log. `access_log`: where the
    configuration has the log's lines go."""

    def __init__(self, folder: Path, access_log: str = "", **settings: Any) -> None:
        self.folder = folder
        read, self._write = os.pipe()
        self._log = os.fdopen(read, "r")
        try:
            self.control = ControlProcess(
                ControlSettings(**settings), folder, Log("master", "debug", self._write)
            )
        except BaseException:
            self._log.close()
            os.close(self._write)
            raise
        if access_log:
            self.tell_plan({"access_log": {"to": access_log}})
        self.asked: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def answers(self, kind: str, **fields: Any) -> None:
        """Answer a kind of request with these fields."""

        def call(message: dict[str, Any], answer: Answer) -> None:
            fd = message["fds"].get("config", -1)
            text = os.pread(fd, 1 << 20, 0) if fd >= 0 else b""
            self.asked.append({**message, "text": text})
            answer(**fields)

        self.control.on_request[kind] = call

    def tell_plan(self, node: dict[str, Any], *routes: Route) -> None:
        """A configuration that says this of the processes runs."""
        fd = seal_bytes("plan", build_plan(PlanModel(routes=routes, node=node)))
        said = {"number": 1, "hash": "", "source": {}, "loaded_s": 0.0}
        self.control.tell("generation", {"plan": fd}, **said)

    def _run(self) -> None:
        while not self._end.is_set():
            with self._lock:
                self.control.fill()
                sock = self.control.sock
            if sock is not None and select.select([sock], [], [], 0.02)[0]:
                with self._lock:
                    if self.control.sock is sock:
                        self.control.hear()
            with self._lock:
                self.control.reap()

    def do(self, call: Callable[[ControlProcess], Any]) -> Any:
        """Do something with it, between two rounds of the loop."""
        with self._lock:
            return call(self.control)

    def writer(self) -> RingWriter:
        """A worker's end of a ring."""
        return RingWriter(self.do(lambda c: c.take_ring()), self.control.rings.doorbell)

    def wait_ready(self) -> Master:
        """Wait until it serves."""
        until(lambda: self.control.is_ready, "ready")
        return self

    @property
    def client(self) -> httpx.Client:
        """A client of the unix socket."""
        transport = httpx.HTTPTransport(uds=str(self.folder / "admin.sock"))
        return httpx.Client(transport=transport, base_url="http://localhost", timeout=DEADLINE_S)

    def address(self, name: str) -> str:
        """Where a TCP listener of it is."""
        host, port = self.control.sockets.named[name].getsockname()[:2]
        return f"http://{host}:{port}"

    def __enter__(self) -> Master:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(DEADLINE_S)
        self.control.end()
        os.close(self._write)
        self.said = self._log.read()
        self._log.close()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"never {what}"
        threading.Event().wait(0.01)
