"""The compiler: a throw-away process that turns a configuration into a plan.

    python -m fastgw.config.compile [FILE] --out-fd N --said-fd M --helper-fd H
                                           [--run-as UID:GID:NAME] < options.json

`options.json` is what `fastgw.config.child.Options` writes. To descriptor N goes the plan
and the status is 0, or nothing and it is 1; to M goes a JSON map {problems, files, patterns},
whose problems are warnings in the first case. Any other status is a crash, with the traceback
on the standard error. At H somebody opens files that this process may not
(fastgw/named_files.py).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fastgw.config.build import Built, CommandLine, build_whole
from fastgw.config.plugins import try_plugins
from fastgw.config.problems import ConfigError
from fastgw.config.server_urls import hosts_resolver, system_resolver
from fastgw.config.source import open_document
from fastgw.ext.policy.build import build_policy
from fastgw.named_files import NAMED
from fastgw.plan import build_plan
from fastgw.plan.model import ObjectSpec
from fastgw.privileges import drop, read_identity


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan, and what it was made from."""

    built: Built
    plan: bytes


def read_whole(
    file: str | None,
    options: Mapping[str, Any],
    *,
    strict: bool = False,
    offline: bool = True,
    plugins: bool = False,
) -> Built:
    """The configuration of a file and the command line; ConfigError. `strict`: warnings are
    errors; without `offline` host names are looked up, and a warning says which can't be;
    `plugins`: they are tried, which runs their code."""
    document = None
    if file is not None:
        document = open_document(file, options.get("text_from") or None)
    return build_whole(
        document,
        command_line(options),
        hosts_resolver if offline else system_resolver,
        check=build_policy,
        strict=strict,
        plugins=try_without_channel if plugins else None,
    )


def try_without_channel(specs: Sequence[ObjectSpec]) -> list[str]:
    """Try plugins, the last thing that is done: all files are open that will be, and whoever
    has opened them for us is not there for a plugin's code."""
    NAMED.close()
    return try_plugins(specs)


def compile_whole(
    file: str | None,
    options: Mapping[str, Any],
    *,
    strict: bool = False,
    offline: bool = True,
    plugins: bool = False,
) -> Compiled:
    """Like `read_whole`, with the plan."""
    built = read_whole(file, options, strict=strict, offline=offline, plugins=plugins)
    return Compiled(built, build_plan(built.model))


def command_line(said: Mapping[str, Any]) -> CommandLine:
    """The options that the parent wrote."""
    return CommandLine(
        tuple(said.get("to", ())),
        tuple(said.get("listen", ())),
        dict(said.get("timeouts", {})),
        dict(said.get("limits", {})),
        tuple(said.get("trusted_proxies", ())),
        int(said.get("number", 1)),
        str(said.get("tls_cert", "")),
        str(said.get("tls_key", "")),
        dict(said.get("access_log", {})),
    )


def write_all(fd: int, data: bytes) -> None:
    """Every byte, whatever the descriptor is."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def load_all() -> None:
    """Load what is otherwise loaded when it is needed: the user may not be able to."""
    for name in (
        "encodings.idna",
        "encodings.utf_8_sig",
        "fastgw.tls.listener",
        "fastgw.tls.upstream",
    ):
        import_module(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m fastgw.config.compile")
    parser.add_argument("file", nargs="?")
    parser.add_argument("--out-fd", type=int, required=True)
    parser.add_argument("--said-fd", type=int, required=True)
    parser.add_argument("--helper-fd", type=int, required=True)
    parser.add_argument("--run-as", type=read_identity)
    given = parser.parse_args(arguments)
    gc.disable()  # all of it is in use until the process ends
    if given.run_as is not None:
        load_all()
    drop(given.run_as)
    NAMED.helper = socket.socket(fileno=given.helper_fd)
    NAMED.helper.set_inheritable(False)
    options = json.loads(sys.stdin.read() or "{}")
    try:
        strict = bool(options.get("strict"))
        made = compile_whole(given.file, options, strict=strict, plugins=True)
    except ConfigError as e:
        problems, status = [*e.problems, *e.warnings], 1
    else:
        write_all(given.out_fd, made.plan)
        problems, status = made.built.warnings, 0
    said = {
        "problems": [p.as_map() for p in problems],
        "files": NAMED.opened,
        "patterns": NAMED.patterns,
    }
    write_all(given.said_fd, json.dumps(said).encode())
    return status


if __name__ == "__main__":
    sys.exit(main())
