"""A plan read by plain Python: for the master, `fastgw show --plan` and tests.

Checks what it follows and nothing else; workers check a plan whole (ext/route/plan.pyx).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zlib import crc32

from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.node import KIND
from fastgw.plan.layout import HEADER, LAYOUT, MAGIC, NOTHING, SECTION, SECTIONS
from fastgw.plan.model import Listener
from fastgw.plan.packing import unpack


class PlanReader:
    """Rows of a plan's sections by name."""

    def __init__(self, plan: bytes | bytearray | memoryview) -> None:
        self.plan = memoryview(plan)
        self.number = self._check_header()
        self._sections = self._read_table()
        self._listeners: list[Listener] | None = None

    def _check_header(self) -> int:
        if len(self.plan) < HEADER.size:
            raise PlanError(f"a plan of {len(self.plan)} bytes is shorter than its header")
        magic, layout, sections, size, number, crc, reserved = HEADER.unpack_from(self.plan)
        if magic != MAGIC:
            raise PlanError("not a plan: it does not begin with FGWPLAN")
        if layout != LAYOUT:
            raise PlanError(f"plan of layout {layout}, this version reads {LAYOUT}")
        if size != len(self.plan):
            raise PlanError(f"plan is {len(self.plan)} bytes long, its header says {size}")
        if sections != len(SECTIONS) or size < HEADER.size + SECTION.size * sections:
            raise PlanError("plan's table of sections is not this layout's")
        blank = HEADER.pack(magic, layout, sections, size, number, 0, reserved)
        if crc32(self.plan[HEADER.size :], crc32(blank)) != crc:
            raise PlanError("plan is damaged: its checksum is wrong")
        return int(number)

    def _read_table(self) -> dict[str, tuple[int, int]]:
        table = {}
        for i, (name, row) in enumerate(SECTIONS.items()):
            at = HEADER.size + SECTION.size * i
            offset, count, stride, number = SECTION.unpack_from(self.plan, at)
            if number != i or stride != row.size or offset + count * stride > len(self.plan):
                raise PlanError(f"section {name} is not within the plan")
            table[name] = (offset, count)
        return table

    def count(self, section: str) -> int:
        """How many rows a section has."""
        return self._sections[section][1]

    def size(self, section: str) -> int:
        """How many bytes a section takes."""
        return self._sections[section][1] * SECTIONS[section].size

    def rows(self, section: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a section, unpacked."""
        offset, count = self._sections[section]
        row = SECTIONS[section]
        return row.iter_unpack(self.plan[offset : offset + count * row.size])

    def _part(self, section: str, at: int, n: int) -> memoryview:
        offset, count = self._sections[section]
        if at + n > count:
            raise PlanError(f"{at}+{n} is not within the section {section}")
        return self.plan[offset + at : offset + at + n]

    def text(self, at: int, n: int) -> str:
        """A text of the strings section."""
        return bytes(self._part("strings", at, n)).decode("utf-8", "replace")

    def options(self, at: int, n: int) -> dict[str, Any]:
        """A map of the data section."""
        return unpack(self._part("data", at, n))

    def listeners(self) -> list[Listener]:
        """The addresses to listen on; read once, since thousands of names may be among them."""
        if self._listeners is None:
            self._listeners = [
                Listener(
                    self.text(*row[0:2]),
                    self.text(*row[2:4]),
                    self.options(*row[4:6]),
                    "" if row[6] == NOTHING else self.route_name(row[6]),
                )
                for row in self.rows("listeners")
            ]
        return self._listeners

    def node(self) -> dict[str, Any]:
        """What is said of the processes."""
        for row in self.rows("objects"):
            if self.text(*row[:2]) == KIND:
                return self.options(*row[5:7])
        return {}

    def hosts(self) -> set[str]:
        """Host names of servers, whose addresses may change."""
        maps: list[Mapping[str, Any]] = [self.options(*row[5:7]) for row in self.rows("objects")]
        for one in self.listeners():
            maps += one.options.get("passthrough", {}).values()
        servers = [server for options in maps for server in options.get("servers", ())]
        return {server["host"] for server in servers if server.get("named")}

    def route_name(self, i: int) -> str:
        """The name of a route by its index."""
        offset, count = self._sections["routes"]
        if i >= count:
            raise PlanError(f"route {i} of {count}")
        row = SECTIONS["routes"].unpack_from(self.plan, offset + i * SECTIONS["routes"].size)
        return self.text(*row[0:2])


def read_listeners(plan: bytes | bytearray | memoryview) -> list[Listener]:
    """The addresses that a plan wants listened on."""
    return PlanReader(plan).listeners()
