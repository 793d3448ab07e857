"""Each module can be imported alone, and the master imports no more than it should."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.meta.tree import ROOT, compiled_modules


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("module", compiled_modules())
def test_module_alone(module: str) -> None:
    done = python(f"import {module}")
    assert done.returncode == 0, done.stderr


def test_data_plane_has_one_name() -> None:
    """Under another name the same types would exist twice."""
    done = python("import ext")
    assert "fastgw.ext" in done.stderr
    assert done.returncode != 0


def test_master_imports_no_yaml_and_no_models() -> None:
    done = python(
        "import sys, fastgw.cli.main, fastgw.master.launch as launch\n"
        "from fastgw.master.compiler import compile_plan\n"
        "try: launch.data_plane()\n"
        "except ModuleNotFoundError: pass\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} &"
        " {'yaml', 'pydantic', 'ruamel', 'rich', 'httpx'}))"
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_master_is_one_thread() -> None:
    """A fork with threads about would copy their locks in whatever state they are."""
    done = python(
        "import threading, fastgw.cli.main, fastgw.master.launch as launch\n"
        "try: launch.data_plane()\n"
        "except ModuleNotFoundError: pass\n"
        "import os; print(threading.active_count(), len(os.listdir('/proc/self/task')))"
    )
    assert done.stdout.split() == ["1", "1"], done.stderr
