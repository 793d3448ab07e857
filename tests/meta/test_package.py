"""The project can be installed: wheel from the sdist, tried outside of the checkout."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.meta.tree import EXT, ROOT, compiled_modules, sources

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    """Run to the end; the output, which is shown if it fails."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FASTGW_", "PYTHON"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env={**clean, **env},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def unpacked(sdist: Path, into: Path) -> Path:
    """The tree of an sdist. By tar: early 3.11s lack tarfile's `filter`, later ones want it."""
    run("tar", "-xf", sdist, "-C", into, cwd=into)
    (tree,) = (p for p in into.iterdir() if p.is_dir())
    return tree


def built_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first test process fills and the others wait for."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            folder.mkdir()
            make(folder)
    return folder


def build(what: str, tree: Path, out: Path) -> None:
    """Build an sdist or a wheel of a tree."""
    run(sys.executable, "-m", "build", "-q", "--no-isolation", what, "-o", out, cwd=tree)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution."""
    out = built_once(tmp_path_factory, "sdist", lambda out: build("--sdist", ROOT, out))
    (found,) = out.glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from it, in a folder that knows no checkout."""
    out = built_once(
        tmp_path_factory, "wheel", lambda out: build("--wheel", unpacked(sdist, out), out)
    )
    (found,) = out.glob("*.whl")
    return found


def test_sdist_holds_the_sources_once(sdist: Path) -> None:
    with tarfile.open(sdist) as tar:
        names = [m.name.partition("/")[2] for m in tar.getmembers()]
        assert not [m.name for m in tar.getmembers() if m.issym() or m.islnk()]
    assert not [n for n in names if n.startswith("ext")]
    kept = [p for p in sources(EXT, ".pyx", ".pxd", ".pyi", ".h", ".toml")
            if p.relative_to(EXT).parts[0] not in ("testing", "generate")]  # fmt: skip
    missing = {f"fastgw/ext/{p.relative_to(EXT)}" for p in kept} - set(names)
    assert not missing
    assert "LICENSE" in names
    assert not [n for n in names if n.endswith((".so", ".c"))]


def test_wheel_has_every_module_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for module in compiled_modules():
        stem = module.replace(".", "/")
        built = [n for n in names if n.startswith(stem + ".cpython") and n.endswith(".so")]
        assert bool(built) != (".testing." in module), module
    assert "fastgw/py.typed" in names
    assert "fastgw/ext/exchange/contract.pxd" in names
    assert "fastgw/demo/demo.yaml" in names
    assert not [n for n in names if n.startswith(("tests/", "ext/", "bench/")) or "/testing/" in n]


def test_installed_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index",
        "--target", home, wheel, cwd=tmp_path)  # fmt: skip
    # -S would hide the dependencies too, so the checkout is kept out by the order of the path.
    code = "import fastgw.ext.base.debug as d, fastgw; print(d.__file__, d.debug_build())"
    said = run(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=str(home))
    assert said.split() == [said.split()[0], "False"]
    assert said.startswith(str(home))
    said = run(sys.executable, "-m", "fastgw", "version", cwd=tmp_path, PYTHONPATH=str(home))
    assert "release build" in said


def test_missing_compiler_is_named_in_one_line(sdist: Path, tmp_path: Path) -> None:
    tree = unpacked(sdist, tmp_path)
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext"], cwd=tree, text=True, timeout=200,
        stderr=subprocess.STDOUT, stdout=subprocess.PIPE,
        env={**os.environ, "CC": "no-such-compiler", "FASTGW_BUILD": "release"},
    )  # fmt: skip
    assert done.returncode != 0
    assert "a C compiler (no-such-compiler)" in done.stdout.strip().splitlines()[-1]
