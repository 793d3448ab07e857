"""What the control process knows of the gateway, and what it may ask of it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from fastgw.config.child import CompilerCrashed, Options, compile_in_child
from fastgw.config.problems import ConfigError
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
        #: The plan that the workers have mapped, and what explains it, once that was asked for.
        self.plan: memoryview | None = None
        self.explainer: tuple[memoryview, Any] | None = None
        self._upstreams: list[tuple[str, list[str]]] = []
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

    def set_plan(self, plan: memoryview) -> None:
        """Take over what the API shows of a generation's plan."""
        self.plan, self.explainer = plan, None
        self._upstreams = list(upstreams_of(PlanReader(plan)))

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
                "endpoints": [{"url": url, **counted.get((name, url), empty)} for url in urls],
            }
            for name, urls in self._upstreams
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
        fd = os.memfd_create("fastgw-config", os.MFD_CLOEXEC)
        try:
            os.write(fd, text)
            return await self._master().ask("put_config", {"config": fd})
        finally:
            os.close(fd)

    async def set_log_level(self, level: str) -> dict[str, Any]:
        """Set the level of all processes; the master's answer."""
        said = await self._master().ask("log_level", level=level)
        if said.get("ok"):
            self.log_level = level
        return said

    async def check_config(self, text: bytes) -> list[str]:
        """What is wrong with a configuration; the very code of `fastgw check`."""
        return await asyncio.to_thread(check_text, text, _folder(self.generation["source"]))

    def _master(self) -> Channel:
        if self.channel is None:
            raise MasterGone("there is no master")
        return self.channel


def check_text(text: bytes, folder: str | None) -> list[str]:
    """What is wrong with a configuration that would stand in `folder`."""
    with tempfile.NamedTemporaryFile(prefix=".put-", suffix=".yaml", dir=folder) as f:
        f.write(text)
        f.flush()
        try:
            compile_in_child(f.name, Options())
        except ConfigError as e:
            return [str(problem).replace(f.name, "<put>") for problem in e.problems]
        except CompilerCrashed as e:
            return str(e).splitlines()
    return []


def _folder(source: Mapping[str, Any]) -> str | None:
    """Where the running configuration's file is, so that what it names is found."""
    file = source.get("file")
    folder = os.path.dirname(os.path.abspath(file)) if file else None
    return folder if folder and os.access(folder, os.W_OK) else None


def _short_names(kind: str) -> dict[str, int]:
    """The single cells of a kind of row: short name of the metric -> cell."""
    return {
        m.name.removeprefix("fastgw_").removeprefix(f"{kind}_").removesuffix("_total"): m.at
        for m in kind_named(kind).metrics
        if m.cells == 1
    }


def upstreams_of(plan: PlanReader) -> Iterator[tuple[str, list[str]]]:
    """(name, URLs of its servers) of each upstream."""
    for row in plan.rows("objects"):
        options = plan.options(*row[5:7])
        if "servers" in options:
            yield plan.text(*row[2:4]), [str(server["url"]) for server in options["servers"]]
