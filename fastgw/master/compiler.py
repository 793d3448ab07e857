"""The compiler: a child process that reads the configuration and writes a plan.

It is exec'ed, has a time limit, and may crash: whatever happens to it, the master only
sees a plan or a list of errors.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgpack

from fastgw.master.settings import Compiled

#: A configuration that takes longer is taken for a fault of the compiler, in seconds.
TIME_LIMIT_S = 60.0
COMMAND = [sys.executable, "-m", "fastgw.config.compile"]


class CompileError(Exception):
    """No plan; `lines` are the errors, all of them."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def compile_plan(
    source: dict[str, Any], command: list[str] | None = None, limit_s: float = TIME_LIMIT_S
) -> Compiled:
    """Have a source read; the plan, or CompileError."""
    try:
        done = subprocess.run(
            command or COMMAND,
            input=json.dumps(source).encode(),
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as e:
        raise CompileError([f"reading the configuration took more than {limit_s:g} s"]) from e
    except OSError as e:
        raise CompileError([f"the compiler could not be started: {e.strerror}"]) from e
    return answer(done)


def answer(done: subprocess.CompletedProcess[bytes]) -> Compiled:
    """What the compiler said."""
    try:
        said = msgpack.unpackb(done.stdout)
    except Exception:  # msgpack raises a family of its own
        said = None
    if isinstance(said, dict) and said.get("errors"):
        raise CompileError([str(line) for line in said["errors"]])
    if done.returncode != 0 or not isinstance(said, dict) or "plan" not in said:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise CompileError([f"the compiler failed (exit code {done.returncode})", *last])
    return Compiled(
        plan=said["plan"],
        listen=list(said["listen"]),
        memory=int(said["memory"]),
        max_connections=int(said.get("max_connections", 0)),
        warnings=[str(w) for w in said.get("warnings", [])],
    )
