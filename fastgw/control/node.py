"""What the control process knows of the gateway, and what it may ask of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from fastgw.control.channel import Channel, MasterGone
from fastgw.control.exposition import PROMETHEUS, Exposition, Row
from fastgw.ext.record.catalogue import CELLS, kind_named, read_catalogue
from fastgw.plan import PlanReader


class RowSource(Protocol):
    """Where counters are read; statistics.py, or a test's."""

    def rows(self) -> Mapping[str, Sequence[Row]]:
        """Every label row by the name of its kind, added up over all processes."""


class NoRows:
    """A gateway that counts nothing."""

    def rows(self) -> Mapping[str, Sequence[Row]]:
        """None."""
        return {}


class Node:
    """One gateway. The process sets what the master tells; the API reads it."""

    def __init__(self, source: RowSource | None = None) -> None:
        self.source: RowSource = source or NoRows()
        self.channel: Channel | None = None
        self.workers: list[dict[str, Any]] = []
        self.generation: dict[str, Any] = {"generation": 0, "hash": "", "source": {}, "loaded_s": 0}
        #: Sums that the master keeps, by the short name of their metric.
        self.totals: dict[str, int] = {}
        #: Sums that this process keeps, likewise.
        self.count: Callable[[], dict[str, int]] = dict
        self.draining = False
        self.log_level = "info"
        #: What a host name resolves to now.
        self.addresses: Callable[[str], list[str]] = lambda host: []
        #: The plan that the workers have mapped, and what explains it, once that was asked for.
        self.plan: memoryview | None = None
        self.explainer: tuple[memoryview, Any] | None = None
        self._upstreams: list[tuple[str, list[tuple[str, str]]]] = []
        self._exposition = Exposition(read_catalogue())

    # -- what is known ---------------------------------------------------------------------

    @property
    def number(self) -> int:
        """The generation that is running."""
        return int(self.generation["generation"])

    @property
    def workers_ready(self) -> int:
        """Workers that accept connections."""
        return sum(w.get("state") in ("ready", "serving") for w in self.workers)

    def set_plan(self, plan: memoryview) -> PlanReader:
        """Take over what the API shows of a generation's plan; its reader."""
        self.plan, self.explainer = plan, None
        reader = PlanReader(plan)
        self._upstreams = list(upstreams_of(reader))
        return reader

    def render_metrics(self, content_type: str = PROMETHEUS) -> bytes:
        """The page of metrics."""
        rows = {**self.source.rows(), "node": [((), self._node_cells())]}
        return self._exposition.render(rows, content_type)

    def _node_cells(self) -> list[int]:
        """The row that no worker counts in."""
        cells = [0] * CELLS
        said = {"workers": self.workers_ready, **self.totals, **self.count()}
        for name, at in _short_names("node").items():
            cells[at] = int(said.get(name, 0))
        return cells

    def upstreams(self) -> list[dict[str, Any]]:
        """Configured upstreams with their endpoints' counts."""
        counted = dict(self._named("endpoint"))
        empty = dict.fromkeys(_short_names("endpoint"), 0)
        return [
            {
                "name": name,
                "endpoints": [
                    {
                        "url": url,
                        "addresses": self.addresses(host),
                        **counted.get((name, url), empty),
                    }
                    for url, host in servers
                ],
            }
            for name, servers in self._upstreams
        ]

    def connections(self) -> dict[str, Any]:
        """Connections and requests of each worker, and their sums."""
        rows: list[dict[str, Any]] = [
            {
                "worker": labels[0],
                "open": now["connections"],
                "accepted": now["connections_accepted"],
                "timed_out": now["connections_timed_out"],
                "exchanges": now["exchanges"],
            }
            for labels, now in self._named("worker")
        ]
        sums = {key: sum(row[key] for row in rows) for key in ("open", "accepted", "exchanges")}
        return {**sums, "workers": rows}

    async def page_of_connections(self, after: str, limit: int) -> dict[str, Any]:
        """Connections of all workers, about `limit` from the place `after` on: the `next` of
        the page before, empty at the beginning. ValueError: it is no such place."""
        pids = sorted(w["pid"] for w in self.workers if w.get("state") in ("ready", "leaving"))
        at_pid, at_id = _place(after)
        found: list[dict[str, Any]] = []
        for pid in (p for p in pids if p >= at_pid):
            wanted = limit - len(found)
            if wanted <= 0:
                return {"connections": found, "next": f"{pid}.0"}
            since = at_id if pid == at_pid else 0
            said = await self._master().ask("connections", pid=pid, after=since, limit=wanted)
            if not said.get("ok"):
                if said.get("gone"):
                    continue
                raise MasterGone(f"worker (pid {pid}) does not answer")
            rows = said["connections"]
            found += [{"worker": self._slot(pid), **row} for row in rows]
            if len(rows) >= wanted:
                return {"connections": found, "next": f"{pid}.{rows[len(rows) - 1]['id']}"}
        return {"connections": found, "next": None}

    def _slot(self, pid: int) -> int:
        return next((int(w["slot"]) for w in self.workers if w["pid"] == pid), -1)

    def _named(self, kind: str) -> list[tuple[tuple[str, ...], dict[str, int]]]:
        """Rows of a kind, their single cells by the metric's short name."""
        cells = _short_names(kind)
        return [
            (labels, {name: values[at] for name, at in cells.items()})
            for labels, values in self.source.rows().get(kind, ())
        ]

    # -- what can be asked -----------------------------------------------------------------

    async def reload(self) -> dict[str, Any]:
        """Have the configuration read again; the master's answer."""
        return await self._master().ask("reload")

    async def put_config(self, text: bytes) -> dict[str, Any]:
        """Have the gateway switch to a configuration; the master's answer."""
        return await self._ask_about(text, "put_config")

    async def check_config(self, text: bytes) -> dict[str, Any]:
        """Have the master judge a configuration as it would in a reload; its answer."""
        return await self._ask_about(text, "check_config")

    async def _ask_about(self, text: bytes, what: str) -> dict[str, Any]:
        fd = os.memfd_create("fastgw-config", os.MFD_CLOEXEC)
        try:
            os.write(fd, text)
            return await self._master().ask(what, {"config": fd})
        finally:
            os.close(fd)

    async def set_log_level(self, level: str) -> dict[str, Any]:
        """Set the level of all processes; the master's answer."""
        said = await self._master().ask("log_level", level=level)
        if said.get("ok"):
            self.log_level = level
        return said

    def _master(self) -> Channel:
        if self.channel is None:
            raise MasterGone("there is no master")
        return self.channel


def _place(after: str) -> tuple[int, int]:
    """Pid and connection where a page begins."""
    if not after:
        return 0, 0
    pid, _, number = after.partition(".")
    if not (pid.isascii() and pid.isdigit() and number.isascii() and number.isdigit()):
        raise ValueError(f"'{after}' is no place in the list")
    return int(pid), int(number)


def _short_names(kind: str) -> dict[str, int]:
    """The single cells of a kind of row: short name of the metric -> cell."""
    return {
        m.name.removeprefix("fastgw_").removeprefix(f"{kind}_").removesuffix("_total"): m.at
        for m in kind_named(kind).metrics
        if m.cells == 1
    }


def upstreams_of(plan: PlanReader) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(name, [(URL, host)] of its servers) of each upstream."""
    for row in plan.rows("objects"):
        options = plan.options(*row[5:7])
        if "servers" in options:
            servers = [(str(s["url"]), str(s["host"])) for s in options["servers"]]
            yield plan.text(*row[2:4]), servers
