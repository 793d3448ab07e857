"""Node, where it is there: programs of its own, and its `ws` library."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.foreign import environment

ROOT = Path(__file__).resolve().parents[1]
#: Where what tests need of npm is kept; not part of the repository.
MODULES = ROOT / "build" / "node"
INSTALL_S = 60


def node(script: str, *words: str, **env: str) -> subprocess.Popen[str]:
    """Run a script; a test without Node is left out."""
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    return subprocess.Popen(
        ["node", "-e", script, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(), **env},
    )


def node_with_ws(script: str) -> subprocess.Popen[str]:
    """Run a script that requires `ws`."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node, or no npm")
    if not has_ws():
        pytest.skip("npm can't install ws")
    return node(script, NODE_PATH=str(MODULES / "node_modules"))


@functools.cache
def has_ws() -> bool:
    """Whether `ws` is there, or could be installed."""
    if (MODULES / "node_modules" / "ws").exists():
        return True
    mine = MODULES.with_name(f"node-{os.getpid()}")
    mine.mkdir(parents=True, exist_ok=True)
    argv = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(mine), "ws@8"]
    try:
        done = subprocess.run(
            argv, env=environment(), capture_output=True, timeout=INSTALL_S, check=False
        )
        if done.returncode == 0:
            mine.rename(MODULES)
    except (OSError, subprocess.TimeoutExpired):
        pass  # a sibling was faster, or nothing is to be had
    shutil.rmtree(mine, ignore_errors=True)
    return (MODULES / "node_modules" / "ws").exists()
