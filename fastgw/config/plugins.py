"""Plugins are tried before a configuration is taken: imported and made, in a process aside.

Whatever a plugin's code does there, it ends in a line about that plugin. Workers import it
again: what is tried here is never used.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from fastgw.plan.model import ObjectSpec

#: Of the clock on the wall; plugin_trial.CPU_S bounds the processor's.
TIMEOUT_S = 30.0
_MOST_PRINTED = 64 * 1024


def try_plugins(specs: Sequence[ObjectSpec], timeout_s: float = TIMEOUT_S) -> list[str]:
    """What is wrong with each plugin; empty: nothing. Those after one that ended the process
    are tried in another one."""
    found: list[str] = []
    while len(found) < len(specs):
        answered, why = _tried(specs[len(found) :], timeout_s)
        found += answered
        if len(found) < len(specs):
            found.append(f"'{specs[len(found)].options['class']}': {why}")
    return found


def _tried(specs: Sequence[ObjectSpec], timeout_s: float) -> tuple[list[str], str]:
    """What one process says of them, and why it says nothing of the others."""
    rows = [[spec.name, dict(spec.options)] for spec in specs]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fastgw.config.plugin_trial"],
            input=json.dumps({"path": sys.path, "plugins": rows}).encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except PermissionError:
        # A --user who may not execute our Python: the workers have it, and will say.
        return [""] * len(specs), ""
    except subprocess.TimeoutExpired as e:
        return _lines(e.stdout), f"took longer than {timeout_s:g} s"
    sys.stderr.write(done.stderr[:_MOST_PRINTED].decode("utf-8", "replace"))
    why = f"ended its process with {_status(done.returncode)}"
    return _lines(done.stdout), why


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"status {code}"


def _lines(said: bytes | None) -> list[str]:
    """The answers that are whole."""
    lines = (said or b"").split(b"\n")[:-1]
    return [str(json.loads(line)) for line in lines]
