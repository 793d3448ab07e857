"""Every configuration and every command of the docs works as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.page import Block, Shell, blocks, fits, problems
from tests.meta.tree import ROOT

PAGES = [ROOT / "README.md"]
PAGES += [p for p in sorted((ROOT / "docs").rglob("*.md")) if "errors" not in p.parts]
WHOLE = [
    pytest.param(block, id=f"{page.relative_to(ROOT)}:{i}")
    for page in PAGES
    for i, block in enumerate(blocks(page))
    if block.is_configuration and "tls" not in block.text
]
RUN = [page for page in PAGES if any(b.language == "console" for b in blocks(page))]


@pytest.mark.parametrize("block", WHOLE)
def test_a_configuration_is_right(block: Block) -> None:
    assert problems(block.text) == []


@pytest.mark.parametrize("page", RUN, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        for block in blocks(page):
            if block.file:
                shell.write(block)
            elif block.language == "console":
                shell.run(block)


def test_pages_are_found() -> None:
    assert len(RUN) >= 3
    assert len(WHOLE) > 15


@pytest.mark.parametrize(
    ("said", "expected", "is_fit"),
    [
        ("a\n", "a\n", True),
        ("a  b\n", "a b", True),
        ("a\nb\n", "a\n", False),
        ("a\nb\nc\n", "a\n...\n", True),
        ("a\nb\nc\n", "...\nc\n", True),
        ("a\nb\n", "...\nc\n", False),
        ("a.c", "abc", False),
        ("", "", True),
    ],
)
def test_outputs_are_compared(said: str, expected: str, is_fit: bool) -> None:
    assert fits(said, expected) == is_fit
