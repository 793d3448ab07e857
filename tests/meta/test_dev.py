"""The developer's script and the builds that it makes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.meta.tree import ROOT


def dev(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ./dev."""
    return subprocess.run(
        [ROOT / "dev", *words], capture_output=True, text=True, timeout=300,
        env={**os.environ, **env},
    )  # fmt: skip


def test_alone_it_lists_its_verbs() -> None:
    said = dev()
    assert said.returncode == 0
    listed = re.findall(r"^  ([a-z-]+)  +\S", said.stdout, re.M)
    assert {"demo", "test", "test-fast", "check", "bench", "asan", "fuzz", "cover", "docs",
            "clean"} <= set(listed)  # fmt: skip
    text = (ROOT / "dev").read_text()
    for verb in listed:
        assert f"verb_{verb.replace('-', '_')}()" in text


def test_unknown_verb_is_refused() -> None:
    assert dev("dance").returncode == 1


def test_it_is_plain_sh() -> None:
    assert subprocess.run(["sh", "-n", ROOT / "dev"]).returncode == 0
    assert subprocess.run(["bash", "-n", ROOT / ".ci/run"]).returncode == 0


@pytest.mark.parametrize(
    ("hide", "named"),
    [
        ("gcc", "gcc ccache"),
        ("g++", "g++"),
        (
            "python3",
            "python3 python3-venv python3-dev gcc g++ libc6-dev libre2-dev libssl-dev ccache",
        ),
    ],
)
def test_missing_packages_are_named(tmp_path: Path, hide: str, named: str) -> None:
    """Without root and without sudo the one apt line is printed."""
    tools = tmp_path / "bin"
    tools.mkdir()
    needed = ("sh", "cat", "dirname", "rm", "python3", "gcc", "g++", "env", "bash", "tr", "cksum")
    for tool in needed:
        # The interpreter itself, not a wrapper that looks for its own tools.
        found = os.path.realpath(sys.executable) if tool == "python3" else shutil.which(tool)
        if tool != hide and found:
            (tools / tool).symlink_to(found)
    for tool, says in (("id", "echo 1000"), ("apt-get", "exit 1")):
        (tools / tool).write_text(f"#!/bin/sh\n{says}\n")
        (tools / tool).chmod(0o755)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    shutil.copy(ROOT / "dev", checkout / "dev")
    done = subprocess.run(
        ["/bin/sh", checkout / "dev", "build"], capture_output=True, text=True, timeout=60,
        env={"PATH": str(tools), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert f"apt-get install -y --no-install-recommends {named}" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kinds_of_builds_replace_each_other(tmp_path: Path) -> None:
    """An older build of another kind must win when it is asked for."""
    for name in ("fastgw", "ext"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True,
                        ignore=shutil.ignore_patterns("*.so", "__pycache__"))  # fmt: skip
    for folder in (tmp_path / "ext").iterdir():
        if folder.is_dir() and folder.name != "base":
            shutil.rmtree(folder)
    for file in (*(tmp_path / "ext").glob("*.p[yx]*"), *(tmp_path / "ext/base").glob("*.p[yx]*")):
        if file.stem not in ("__init__", "debug"):
            file.unlink()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)

    def built(kind: str) -> str:
        env = {**os.environ, "FASTGW_BUILD": kind}
        subprocess.run([sys.executable, "-W", "ignore", "setup.py", "-q", "build_ext", "--inplace"],
                       cwd=tmp_path, env=env, check=True, capture_output=True)  # fmt: skip
        code = "import fastgw.ext.base.debug as d; print(d.debug_build())"
        return subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, check=True,
                              capture_output=True, text=True).stdout.strip()  # fmt: skip

    assert [built(kind) for kind in ("debug", "release", "debug", "release")] == [
        "True", "False", "True", "False",
    ]  # fmt: skip
    orphan = next((tmp_path / "ext/base").glob("debug.*.so")).with_name("gone.cpython-311.so")
    orphan.write_bytes(b"")
    built("release")
    assert not orphan.exists()
