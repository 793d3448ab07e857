"""The compiler as its parent sees it; needs neither YAML nor pydantic.

plan = compile_in_child("gateway.yaml", Options(listen=[":80"]))
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from typing import Any

from fastgw.config.problems import ConfigError, Problem

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
) -> bytes:
    """The plan; ConfigError holds what is wrong, CompilerCrashed what should not happen.
    Warnings are added to `warned`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as problems:
        ended = _run(file, options, timeout_s, out.fileno(), problems.fileno())
        plan, said = _all_of(out.fileno()), _all_of(problems.fileno())
    if ended.returncode in (0, 1) and said:
        found = [Problem(**row) for row in json.loads(said)]
        warnings = [p for p in found if p.severity == "warning"]
        if ended.returncode == 1:
            raise ConfigError([p for p in found if p not in warnings] or found, warnings)
        if plan:
            if warned is not None:
                warned += warnings
            return plan
    text = ended.stderr.decode("utf-8", "replace").strip()
    raise CompilerCrashed(f"the compiler ended with status {ended.returncode}\n{text}")


def _run(
    file: str | None, options: Options, timeout_s: float, out: int, problems: int
) -> subprocess.CompletedProcess[bytes]:
    """The child, to its end."""
    command = [sys.executable, "-m", "fastgw.config.compile"]
    command += ["--out-fd", str(out), "--problems-fd", str(problems)]
    if file is not None:
        command += ["--", file]
    try:
        return subprocess.run(
            command,
            input=json.dumps(asdict(options)).encode(),
            pass_fds=[out, problems],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CompilerCrashed(f"the compiler took longer than {timeout_s:g} s") from None


def _all_of(fd: int) -> bytes:
    """What a file holds."""
    return os.pread(fd, os.fstat(fd).st_size, 0)
