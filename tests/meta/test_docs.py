"""The pages say what is there: files, functions, tests, verbs and links exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastgw.cli.main import main
from tests.meta.tree import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "ext/README.md",
     ROOT / "changes/README.md"]
)  # fmt: skip

CONTRIBUTING = ROOT / "CONTRIBUTING.md"


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_named_tests_exist(page: Path) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", page.read_text())
    for file, function in named:
        assert (ROOT / file).exists(), file
        if function:
            assert re.search(rf"def {function}\b", (ROOT / file).read_text()), f"{file}::{function}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_named_verbs_exist(page: Path) -> None:
    text = page.read_text()
    dev = subprocess.run([ROOT / "dev"], capture_output=True, text=True, check=True).stdout
    for verb in re.findall(r"\./dev ([a-z][a-z-]+)", text):
        assert re.search(rf"^  {verb}\b", dev, re.M), f"./dev {verb}"
    for verb in re.findall(r"^    fastgw ([a-z]+)|`fastgw ([a-z]+)", text, re.M):
        assert (verb[0] or verb[1]) in main.commands, f"fastgw {verb}"


@pytest.mark.parametrize("page", [p for p in PAGES if "life-of" in p.name], ids=ids)
def test_life_of_a_request_is_in_the_code(page: Path) -> None:
    """`path` names a file; `path: a, b` names what stands in it."""
    named = re.findall(r"`((?:ext|fastgw)/[\w/.]+)(?:: ([\w., ]+))?`", page.read_text())
    assert named
    for file, names in named:
        assert (ROOT / file).exists(), file
        text = (ROOT / file).read_text() if names else ""
        for name in filter(None, names.split(", ")):
            word = name.rpartition(".")[2]
            assert re.search(rf"\b(?:def|class|cdef|enum|struct)\b.*\b{word}\b", text), (
                f"{file}: {name}"
            )


def test_reasons_in_the_pages_exist() -> None:
    table = (ROOT / "ext/base/reasons.toml").read_text()
    names = set(re.findall(r'^name = "(\w+)"', table, re.M))
    said = re.findall(r"\b[45]\d\d `(\w+)`", (ROOT / "docs/server-behaviour.md").read_text())
    assert said
    assert set(said) - names == set()


def test_defaults_in_the_page_are_those_of_the_command_line() -> None:
    from fastgw.cli.source import LIMITS, TIMEOUTS

    text = (ROOT / "docs/server-behaviour.md").read_text()
    for name, (default, _) in {**TIMEOUTS, **LIMITS}.items():
        found = re.search(rf"^\| `{name}` \| ([^|]+) \|", text, re.M)
        assert found, name
        assert found[1].replace(" ", "").replace(",", "") == default, name


def test_readme_begins_with_the_two_commands() -> None:
    commands = re.findall(r"^    (.+)$", (ROOT / "README.md").read_text(), re.M)
    assert commands[:2] == ["./dev demo", "./dev test"]


def test_changes_are_fragments() -> None:
    for fragment in (ROOT / "changes").glob("*"):
        if fragment.name != "README.md":
            assert re.fullmatch(
                r"[a-z0-9-]+\.(add|change|fix|perf|remove|security)\.md", fragment.name
            )


def test_first_change_works_as_written(tmp_path: Path) -> None:
    """The walk-through of CONTRIBUTING.md, up to the build, in a copy of the tree."""
    row = re.search(r"^       (\[\[reason\]\]\n(?:       .+\n)+)", CONTRIBUTING.read_text(), re.M)
    assert row
    for part in (
        "fastgw/__init__.py",
        "fastgw/policy.py",
        "fastgw/fields.py",
        "ext/__init__.py",
        "ext/generate",
        "ext/base",
        "docs",
    ):
        source, target = ROOT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("*.so", "__pycache__")
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    (tmp_path / "fastgw/ext").symlink_to("../ext")
    table = tmp_path / "ext/base/reasons.toml"
    table.write_text(table.read_text() + "\n" + re.sub(r"^ {7}", "", row[1], flags=re.M))

    def generators(*words: str) -> list[int]:
        return [
            subprocess.run(
                [sys.executable, "-m", f"fastgw.ext.generate.{name}", *words],
                cwd=tmp_path,
                capture_output=True,
                timeout=60,
            ).returncode
            for name in ("reasons", "reasons_page")
        ]

    assert generators("--check") == [1, 1]
    assert generators() == [0, 0]
    assert generators("--check") == [0, 0]
    assert "REASON_TEA_ONLY" in (tmp_path / "ext/base/reasons.pxd").read_text()
    assert "### tea_only" in (tmp_path / "docs/reasons.md").read_text()
