"""A whole data plane inside the test's process: real sockets, a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

import uvloop

from fastgw.equipment import Equipment, Names
from fastgw.ext.record.rows import LocalRows, Rows
from fastgw.ext.worker import Worker
from fastgw.plan import (
    Limits,
    Listener,
    Match,
    ObjectSpec,
    PlanModel,
    Rewrite,
    Route,
    Step,
    Timeouts,
    build_plan,
)
from fastgw.tls.material import TlsMaterial

DEADLINE_S = 10.0
__all__ = [
    "DEADLINE_S",
    "Gateway",
    "Limits",
    "Listener",
    "Match",
    "ObjectSpec",
    "PlanModel",
    "Rewrite",
    "Route",
    "Step",
    "Timeouts",
    "plugin",
    "policy",
    "route_to",
    "server",
    "upstream",
    "websocket",
]


def server(address: tuple[str, int] | str, weight: int = 1) -> dict[str, Any]:
    """A server of an upstream: an IPv4 or IPv6 address with a port, or a unix socket's path."""
    if isinstance(address, str):
        return {
            "url": f"unix:{address}",
            "host": "localhost",
            "port": 0,
            "unix": address,
            "weight": weight,
            "addresses": [],
        }
    host, port = address
    bracketed = f"[{host}]" if ":" in host else host
    return {
        "url": f"http://{bracketed}:{port}",
        "host": host,
        "port": port,
        "unix": "",
        "weight": weight,
        "addresses": [[10 if ":" in host else 2, host, port]],
    }


def upstream(
    *addresses: tuple[str, int] | str,
    name: str = "origin",
    weights: tuple[int, ...] = (),
    **options: Any,
) -> ObjectSpec:
    """A target of kind `http` with these servers."""
    servers = [server(one, weights[i] if weights else 1) for i, one in enumerate(addresses)]
    return ObjectSpec("http", name, {"name": name, "servers": servers, **options})


def plugin(name: str, timeout_ms: int = 0) -> Step:
    """The step of a class of tests/scenario/plugins.py."""
    spec = policy("plugin", name.lower(), **{"class": f"tests.scenario.plugins:{name}"})
    return Step(spec, timeout_ms=timeout_ms)


def route_to(target: ObjectSpec, timeouts: Timeouts | None = None, **more: Any) -> Route:
    """The one route of a gateway."""
    return Route("default", (Match(),), target, timeouts=timeouts or Timeouts(), **more)


def policy(kind: str, name: str = "", **options: Any) -> ObjectSpec:
    """A policy of a kind."""
    return ObjectSpec(kind, name or kind, options)


def websocket(**options: Any) -> Step:
    """The step that lets WebSocket through; times in milliseconds."""
    return Step(policy("websocket", **options))


class Gateway:
    """One worker; `routes` or a whole `plan`. Leaving it drains, then ends it."""

    def __init__(
        self,
        *routes: Route | ObjectSpec,
        memory: int = 64 << 20,
        max_connections: int = 1000,
        idle_upstreams: int = 1000,
        log: dict[str, Any] | None = None,
        names: Names | None = None,
        log_ring: int = -1,
        rows: Rows | None = None,
        tls: TlsMaterial | None = None,
        **plan: Any,
    ) -> None:
        made = tuple(
            one if isinstance(one, Route) else Route("default", (Match(),), one) for one in routes
        )
        if log:
            plan.setdefault("node", {"access_log": {"to": "-", "line": log}})
        self.plan = build_plan(PlanModel(routes=made, memory=memory, **plan))
        self.tls = tls
        self.rows = rows or LocalRows()
        self.logged: list[tuple[str, str]] = []
        self._records, self._record_end = os.pipe()
        self.born = Equipment(
            memory=memory,
            max_connections=max_connections,
            idle_upstreams=idle_upstreams,
            log=lambda level, text: self.logged.append((level, text)),
            rows=self.rows,
            log_ring=log_ring,
            log_file="" if log_ring >= 0 else f"/proc/self/fd/{self._record_end}",
            names=names or {},
        )
        self._rest = b""
        self._unread: list[dict[str, Any]] = []
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)

    # -- the loop's thread -------------------------------------------------------------------

    def _main(self) -> None:
        self.loop = uvloop.new_event_loop()
        asyncio.set_event_loop(self.loop)
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listener.setblocking(False)
        self.address: tuple[str, int] = listener.getsockname()
        try:
            self.worker = Worker(self.loop, self.plan, self.born, self.tls)
            self.worker.listen(0, listener.detach())
        except BaseException as e:
            self._failure = e
            listener.close()
            self.loop.close()
            self._started.set()
            return
        self.loop.call_soon(self._started.set)
        self.loop.run_forever()
        self.worker.stop()
        self.loop.run_until_complete(asyncio.sleep(0))
        del self.worker
        self.loop.close()

    def call(self, what: Callable[[], Any]) -> Any:
        """Call something in the loop's thread."""
        done = threading.Event()
        said: list[Any] = []

        def there() -> None:
            try:
                said.append(what())
            finally:
                done.set()

        self.loop.call_soon_threadsafe(there)
        assert done.wait(DEADLINE_S), "the loop is stuck"
        return said[0]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the loop: what happens inside is seen in one turn afterwards."""
        holding, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            holding.set()
            go_on.wait(DEADLINE_S)

        self.loop.call_soon_threadsafe(hold)
        assert holding.wait(DEADLINE_S)
        try:
            yield
        finally:
            go_on.set()

    # -- the test's side -----------------------------------------------------------------------

    def __enter__(self) -> Gateway:
        self._thread.start()
        assert self._started.wait(DEADLINE_S)
        if self._failure is not None:
            self._thread.join(DEADLINE_S)
            os.close(self._records)
            os.close(self._record_end)
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the loop is stuck"
        os.close(self._records)
        os.close(self._record_end)

    def counters(self) -> dict[str, int]:
        """What the worker counted."""
        found: dict[str, int] = self.call(self.worker.counters)
        return found

    def drain(self) -> threading.Event:
        """Begin to drain; the event is set when the last connection has gone."""
        done = threading.Event()
        self.call(lambda: self.worker.drain(done.set))
        return done

    def has_line(self) -> bool:
        """Whether there is something to read of the access log now."""
        return bool(select.select([self._records], [], [], 0)[0])

    def line(self, deadline_s: float = DEADLINE_S) -> str:
        """The next line of the access log, as it is; not to be mixed with `record`."""
        end = time.monotonic() + deadline_s
        while b"\n" not in self._rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._records], [], [], left)[0]:
                raise AssertionError(f"no line; there is {self._rest!r}")
            self._rest += os.read(self._records, 65536)
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("ascii")

    def record(self, deadline_s: float = DEADLINE_S, **wanted: Any) -> dict[str, Any]:
        """The first unread line of the access log that says all of `wanted`."""
        end = time.monotonic() + deadline_s
        while True:
            for i, row in enumerate(self._unread):
                if all(row.get(k) == v for k, v in wanted.items()):
                    return self._unread.pop(i)
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._records], [], [], left)[0]:
                raise AssertionError(f"no record with {wanted}; there are {self._unread}")
            self._rest += os.read(self._records, 65536)
            *lines, self._rest = self._rest.split(b"\n")
            self._unread.extend(json.loads(line) for line in lines)

    def until(self, condition: Callable[[dict[str, int]], bool], what: str) -> dict[str, int]:
        """Wait until the worker's counters satisfy a condition."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            now = self.counters()
            if condition(now):
                return now
            threading.Event().wait(0.01)
        raise AssertionError(f"never {what}: {self.counters()}")
