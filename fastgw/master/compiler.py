"""What the master makes of the compiler's work: a plan with its few facts, or errors.

The compiler is a child process (fastgw/config/child.py): whatever happens to it, there is
a plan or there are lines that say why not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fastgw.config.child import CompilerCrashed, Options, compile_in_child
from fastgw.config.problems import ConfigError, Problem
from fastgw.log import Log
from fastgw.master.settings import Compiled
from fastgw.plan import PlanReader
from fastgw.plugin_code import code_of
from fastgw.tls.bundle import BundleError, files_of, patterns_of, read_bundle

#: Where the settings' row has the bytes of all buffers of one worker.
_MEMORY = 13
#: Times of files lag behind the clock by as much.
CLOCK_STEP_S = 0.02
#: Stands between two labels of a row; no name holds it.
LABEL_BREAK = "\x1f"
#: The row of each kind that takes what has none of its own, and requests without a route.
OVERFLOW, NOWHERE = "overflow", "-"
_LOG = Log("compiler")


class CompileError(Exception):
    """No plan; `lines` are the errors, all of them."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def compile_plan(source: dict[str, Any]) -> Compiled:
    """Have a source read, {"file": FILE or None, "options": {...}}; or CompileError."""
    begun_s = time.time() - CLOCK_STEP_S
    warned: list[Problem] = []
    try:
        plan = compile_in_child(source["file"], Options(**source["options"]), warned=warned)
    except ConfigError as e:
        raise CompileError([str(problem) for problem in e.problems]) from e
    except CompilerCrashed as e:
        raise CompileError(str(e).splitlines()) from e
    for warning in warned:
        _LOG.warning(str(warning))
    return replace(read_facts(plan), begun_s=begun_s)


def read_facts(plan: bytes) -> Compiled:
    """What the master needs to know of a plan."""
    reader = PlanReader(plan)
    (settings,) = reader.rows("settings")
    listeners = list(reader.listeners())
    tls = tls_options(reader)
    return Compiled(
        plan=plan,
        listen=[("https://" if "tls" in one.options else "") + one.address for one in listeners],
        memory=settings[_MEMORY],
        labels=[*labels_of(reader)],
        bundle=read_files(tls),
        files=sorted(set(files_of(tls).values())),
        patterns=patterns_of(tls),
        code=code_of(plugins_of(reader)),
    )


def plugins_of(reader: PlanReader) -> list[str]:
    """`module:Class` of each plugin."""
    rows = (row for row in reader.rows("objects") if reader.text(*row[:2]) == "plugin")
    return [str(reader.options(*row[5:7]).get("class")) for row in rows]


def tls_options(reader: PlanReader) -> list[Mapping[str, Any]]:
    """Every `tls` map of listeners and targets."""
    maps = [one.options for one in reader.listeners()]
    maps += [reader.options(*row[5:7]) for row in reader.rows("objects")]
    return [one["tls"] for one in maps if one.get("tls")]


def read_files(options: list[Mapping[str, Any]]) -> bytes:
    """The files that listeners and targets need for TLS; empty: none."""
    try:
        return read_bundle(files_of(options)) if options else b""
    except BundleError as e:
        raise CompileError([str(e)]) from e


def labels_of(reader: PlanReader) -> Iterator[tuple[str, str]]:
    """(kind, name) of what has a row in the statistics; LABEL_BREAK joins several labels."""
    for kind in ("route", "upstream", "endpoint"):
        yield kind, OVERFLOW
    yield "route", NOWHERE
    for row in reader.rows("routes"):
        yield "route", reader.text(*row[:2])
    for row in reader.rows("objects"):
        options = reader.options(*row[5:7])
        if "servers" in options:
            upstream = reader.text(*row[2:4])
            yield "upstream", upstream
            for server in options["servers"]:
                yield "endpoint", f"{upstream}{LABEL_BREAK}{server['url']}"
