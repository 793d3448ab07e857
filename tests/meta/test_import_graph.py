"""Imports of the data plane go one way; ext/README.md tells the order."""

from __future__ import annotations

import re

import pytest

from tests.meta.tree import EXT, ROOT, imports_of, module_of, sources

#: Each package may import from earlier steps and from its own. `exchange`, `route` and
#: `policy` are one step: an exchange names its route and policies, and they name it.
STEPS = (
    ("base",),
    ("shm", "http", "io"),
    ("exchange", "route", "policy"),
    ("upstream", "target", "downstream"),
    ("record",),
    ("worker",),
    ("load",),
)
RANK = {package: i for i, step in enumerate(STEPS) for package in step}
#: Pages of types without code of their own: anyone may name them.
CONTRACTS = {"exchange.contract", "upstream.contract", "route.plan", "io.stream", "io.engine"}
#: Packages that are no part of an install; whatever they import, nobody imports them.
ASIDE = {"generate", "testing"}

FILES = [p for p in sources(EXT, ".pyx", ".pxd", ".py") if module_of(p).count(".")]


def package_of(module: str) -> str:
    """io.stream -> io"""
    return module.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path) -> None:  # type: ignore[no-untyped-def]
    here = package_of(module_of(path))
    for module in imports_of(path):
        there = package_of(module)
        if there == here or module in CONTRACTS:
            continue
        if here in ASIDE:
            continue
        assert there not in ASIDE, f"{path.name} imports {module}, which is no part of an install"
        assert RANK[there] <= RANK[here], f"{here} imports {module}, which comes later"
        if RANK[there] == RANK[here]:
            assert here in STEPS[2] or here in STEPS[3], f"{here} imports its neighbour {module}"


def test_definitions_have_no_circle() -> None:
    """A .pxd that includes itself over others can't be read first."""
    graph = {module_of(p): set(imports_of(p)) for p in sources(EXT, ".pxd")}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, "a circle: " + " -> ".join((*trail, module))
        if module in done:
            return
        for other in sorted(graph.get(module, ())):
            visit(other, (*trail, module))
        done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_readme_lists_every_package() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", (EXT / "README.md").read_text(), re.M))
    packages = {p.parent.name for p in EXT.glob("*/__init__.py")}
    assert packages - listed == set()
    assert listed - packages - {"worker"} == set()
    assert packages - set(RANK) - ASIDE == set()


def test_only_absolute_imports() -> None:
    for path in FILES:
        text = path.read_text()
        assert not re.search(r"^\s*from\s+\.", text, re.M), path
        assert not re.search(r"cimport \*|^\s*include\s", text, re.M), path
