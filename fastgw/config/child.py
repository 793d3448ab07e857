"""The compiler as its parent sees it; needs neither YAML nor pydantic.

plan = compile_in_child("gateway.yaml", Options(listen=[":80"]))

It runs in three steps, so that neither it nor code that it brings along can read more than
it is meant to: a configuration in Python runs in a child with no channel but its output;
the compiler, as `--user`, asks its parent for the files that it may not open itself; then
that channel is closed, and only then are plugins imported (fastgw/plugin_code.py).
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any

from fastgw.config.problems import ConfigError, Problem
from fastgw.named_files import Helper, Read, channel

TIMEOUT_S = 60.0


class CompilerCrashed(Exception):
    """The compiler ended without a plan and without saying what is wrong."""


@dataclass(slots=True)
class Options:
    """What the command line says about the configuration. Timeouts and limits are text with
    units, by the names of `defaults.timeouts` and `defaults.limits`."""

    to: list[str] = field(default_factory=list)
    listen: list[str] = field(default_factory=list)
    timeouts: dict[str, str] = field(default_factory=dict)
    limits: dict[str, str | int] = field(default_factory=dict)
    trusted_proxies: list[str] = field(default_factory=list)
    number: int = 1
    #: Warnings are errors.
    strict: bool = False
    tls_cert: str = ""
    tls_key: str = ""
    #: A file whose text stands in for that of the configuration's, which need not exist; what
    #: is named there is looked for beside the latter.
    text_from: str = ""
    #: Keys of the file's `access_log`, which they override.
    access_log: dict[str, Any] = field(default_factory=dict)


def compile_in_child(
    file: str | None,
    options: Options,
    timeout_s: float = TIMEOUT_S,
    warned: list[Problem] | None = None,
    run_as: Sequence[str] = (),
    read: Read | None = None,
) -> bytes:
    """The plan; ConfigError holds what is wrong, CompilerCrashed what should not happen.
    Warnings are added to `warned`, and `read` is filled in any case. `run_as`: words
    of privileges.py that make the compiler run as somebody else."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        status, errors = _run(file, options, timeout_s, [out.fileno(), said.fileno()], run_as)
        plan, answer = _all_of(out.fileno()), _all_of(said.fileno())
    if status in (0, 1) and answer:
        told: dict[str, Any] = json.loads(answer)
        if read is not None:
            read.files = {path: tuple(facts) for path, facts in told["files"].items()}
            read.patterns = told["patterns"]
        found = [Problem(**row) for row in told["problems"]]
        warnings = [p for p in found if p.severity == "warning"]
        if status == 1:
            raise ConfigError([p for p in found if p not in warnings] or found, warnings)
        if plan:
            if warned is not None:
                warned += warnings
            return plan
    raise CompilerCrashed(f"the compiler ended with status {status}\n{errors.strip()}")


def _run(
    file: str | None,
    options: Options,
    timeout_s: float,
    out: list[int],
    run_as: Sequence[str],
) -> tuple[int, str]:
    """The child, to its end: its status, and what it wrote to its standard error."""
    ours, theirs = channel()
    with ours, theirs, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        said.write(json.dumps(asdict(options)).encode())
        said.seek(0)
        with subprocess.Popen(
            _command(file, out, theirs.fileno(), run_as),
            stdin=said,
            pass_fds=[*out, theirs.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as child:
            theirs.close()
            try:
                _attend(child, ours, Helper(file), timeout_s)
            except TimeoutError:
                child.kill()
                raise CompilerCrashed(f"the compiler took longer than {timeout_s:g} s") from None
        return child.returncode, _text_of(errors)


def _command(file: str | None, out: list[int], helper: int, run_as: Sequence[str]) -> list[str]:
    """What is started."""
    names = ("--out-fd", "--said-fd", "--helper-fd")
    fds = [word for pair in zip(names, map(str, [*out, helper]), strict=True) for word in pair]
    words = ["--", file] if file is not None else []
    return [sys.executable, "-m", "fastgw.config.compile", *fds, *run_as, *words]


def _attend(
    child: subprocess.Popen[bytes], ours: socket.socket, helper: Helper, timeout_s: float
) -> None:
    """Answer the child's questions until it ends; TimeoutError."""
    end_s = time.monotonic() + timeout_s
    poll = select.poll()
    poll.register(ours, select.POLLIN)
    while True:
        if not poll.poll(max(0, int((end_s - time.monotonic()) * 1000))):
            raise TimeoutError
        if not helper.answer(ours):
            break
    _await_end(child, max(0.0, end_s - time.monotonic()))


def _await_end(child: subprocess.Popen[bytes], left_s: float) -> None:
    """Wait until the child has ended, which its end of the channel did before; TimeoutError."""
    try:
        pidfd = os.pidfd_open(child.pid)
    except OSError:  # an old kernel, or a sandbox that knows no such call
        try:
            child.wait(left_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    try:
        if not poll.poll(left_s * 1000):
            raise TimeoutError
    finally:
        os.close(pidfd)


def _all_of(fd: int) -> bytes:
    """What a file holds."""
    return os.pread(fd, os.fstat(fd).st_size, 0)


def _text_of(file: IO[bytes]) -> str:
    """The same, as text."""
    return _all_of(file.fileno()).decode("utf-8", "replace")
