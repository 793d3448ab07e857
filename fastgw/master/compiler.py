"""What the master makes of the compiler's work: a plan with its few facts, or errors.

The compiler is a child process (fastgw/config/child.py): whatever happens to it, there is
a plan or there are lines that say why not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastgw.config.child import CompilerCrashed, Options, compile_in_child
from fastgw.config.problems import ConfigError, Problem
from fastgw.log import Log
from fastgw.master.settings import Compiled
from fastgw.named_files import Read, facts_of
from fastgw.plan import PlanReader
from fastgw.plugin_code import code_of
from fastgw.privileges import Identity, run_as_words
from fastgw.tls.bundle import BundleError, files_of, patterns_of, read_bundle

#: Where the settings' row has the bytes of all buffers of one worker.
_MEMORY = 13
#: Stands between two labels of a row; no name holds it.
LABEL_BREAK = "\x1f"
#: The row of each kind that takes what has none of its own, and requests without a route.
OVERFLOW, NOWHERE = "overflow", "-"
_LOG = Log("compiler")


class CompileError(Exception):
    """No plan; `lines` are the errors, all of them, and `read` what they were found in."""

    def __init__(self, lines: list[str], read: Read | None = None) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines
        self.read = read or Read()


def compile_plan(source: dict[str, Any], who: Identity | None = None) -> Compiled:
    """Have a source read, {"file": FILE or None, "options": {...}}, by a process that runs as
    `who` (None: as this one); or CompileError."""
    warned: list[Problem] = []
    read, run_as = Read(), run_as_words(who)
    options = Options(**source["options"])
    try:
        plan = compile_in_child(source["file"], options, warned=warned, run_as=run_as, read=read)
    except ConfigError as e:
        raise CompileError([str(problem) for problem in e.problems], read) from e
    except CompilerCrashed as e:
        raise CompileError(str(e).splitlines(), read) from e
    for warning in warned:
        _LOG.warning(str(warning))
    return read_facts(plan, read, run_as)


def read_facts(plan: bytes, read: Read, run_as: Sequence[str]) -> Compiled:
    """What the master needs to know of a plan."""
    reader = PlanReader(plan)
    (settings,) = reader.rows("settings")
    listeners = list(reader.listeners())
    tls = tls_options(reader)
    code = code_of(plugins_of(reader), run_as)
    read.files |= {file: facts_of(os.stat(file)) for file in code.files}
    return Compiled(
        plan=plan,
        listen=[("https://" if "tls" in one.options else "") + one.address for one in listeners],
        memory=settings[_MEMORY],
        labels=[*labels_of(reader)],
        bundle=read_files(tls),
        tls=tls,
        files=sorted(set(files_of(tls).values())),
        patterns=patterns_of(tls),
        hosts=sorted(reader.hosts()),
        code=code.digest,
        read=read,
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
    for kind in ("route", "upstream", "endpoint", "listener"):
        yield kind, OVERFLOW
    for listener in reader.listeners():
        yield "listener", listener.name
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
