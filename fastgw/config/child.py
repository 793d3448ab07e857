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
    tls_cert: str = ""
    tls_key: str = ""


def compile_in_child(file: str | None, options: Options, timeout_s: float = TIMEOUT_S) -> bytes:
    """The plan; ConfigError holds what is wrong, CompilerCrashed what should not happen."""
    with tempfile.TemporaryFile() as out:
        command = [sys.executable, "-m", "fastgw.config.compile", "--out-fd", str(out.fileno())]
        if file is not None:
            command += ["--", file]
        try:
            ended = subprocess.run(
                command,
                input=json.dumps(asdict(options)).encode(),
                pass_fds=[out.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CompilerCrashed(f"the compiler took longer than {timeout_s:g} s") from None
        answer = os.pread(out.fileno(), os.fstat(out.fileno()).st_size, 0)
    if ended.returncode == 0 and answer:
        return answer
    if ended.returncode == 1 and answer:
        raise ConfigError(Problem(**row) for row in json.loads(answer))
    said = ended.stderr.decode("utf-8", "replace").strip()
    raise CompilerCrashed(f"the compiler ended with status {ended.returncode}\n{said}")
