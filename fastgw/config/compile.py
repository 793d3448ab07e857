"""The compiler: a throw-away process that turns a configuration into a plan.

    python -m fastgw.config.compile [FILE] --out-fd N < options.json

`options.json` is what `fastgw.config.child.Options` writes. To descriptor N goes the plan
and the status is 0, or a JSON list of problems and it is 1; anything else is a crash, with
the traceback on the standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from fastgw.config.build import CommandLine, build
from fastgw.config.document import read_file
from fastgw.config.problems import ConfigError
from fastgw.ext.policy.build import build_policy
from fastgw.plan import build_plan


def compile_plan(file: str | None, command_line: CommandLine) -> bytes:
    """The plan of a file, or of the command line alone; ConfigError."""
    document = None if file is None else read_file(file)
    return build_plan(build(document, command_line, check=build_policy))


def command_line(text: str) -> CommandLine:
    """The options that the parent wrote."""
    said = json.loads(text or "{}")
    return CommandLine(
        tuple(said.get("to", ())),
        tuple(said.get("listen", ())),
        dict(said.get("timeouts", {})),
        dict(said.get("limits", {})),
        tuple(said.get("trusted_proxies", ())),
        int(said.get("number", 1)),
        str(said.get("tls_cert", "")),
        str(said.get("tls_key", "")),
    )


def write_all(fd: int, data: bytes) -> None:
    """Every byte, whatever the descriptor is."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def main(arguments: Sequence[str] | None = None) -> int:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m fastgw.config.compile")
    parser.add_argument("file", nargs="?")
    parser.add_argument("--out-fd", type=int, required=True)
    given = parser.parse_args(arguments)
    try:
        answer, status = compile_plan(given.file, command_line(sys.stdin.read())), 0
    except ConfigError as e:
        answer, status = json.dumps([p.as_map() for p in e.problems]).encode(), 1
    write_all(given.out_fd, answer)
    return status


if __name__ == "__main__":
    sys.exit(main())
