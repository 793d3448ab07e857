"""Modules and functions stay small enough to be read."""

from __future__ import annotations

import re

import pytest

from tests.meta.tree import EXT, ROOT, sources

MOST_LINES = 600
MOST_FUNCTION_LINES = 80
#: A file may be longer if it says why: `# longer than 600 lines: ...`.
EXCUSE = re.compile(rf"longer than {MOST_LINES} lines: \w+")
GENERATED = re.compile(r"do not edit")

CODE = [
    *sources(EXT, ".pyx", ".pxd", ".py", ".h"),
    *sources(ROOT / "fastgw", ".py"),
    *sources(ROOT / "bench", ".py", ".c"),
    *sources(ROOT / "tests", ".py"),
]
_DEF = re.compile(r"(\s*)(?:async )?(?:def|cdef(?! class)|cpdef)\b[^=]*?\b(\w+)\(.*")


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_file_is_readable(path) -> None:  # type: ignore[no-untyped-def]
    text = path.read_text()
    if GENERATED.search(text[:400]):
        return
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES or EXCUSE.search(text), f"{len(lines)} lines"
    if path.suffix in (".py", ".pyx"):
        long = [(name, n) for name, n in function_lengths(lines) if n > MOST_FUNCTION_LINES]
        assert not long


def function_lengths(lines: list[str]) -> list[tuple[str, int]]:
    """(name, lines) of each function, the inner ones counted with the outer."""
    found = []
    begin, name, indent = -1, "", 0
    for i, line in enumerate([*lines, "end"]):
        is_body = line.strip() and not line.strip().startswith(("#", ")"))
        if begin >= 0 and is_body and len(line) - len(line.lstrip()) <= indent:
            found.append((name, i - begin))
            begin = -1
        match = _DEF.match(line)
        if match and begin < 0 and line.rstrip().endswith((":", "(", ",")):
            begin, name, indent = i, match[2], len(match[1])
    return found


def test_lengths_are_counted() -> None:
    assert function_lengths(["def f():", "    a", "    b", "", "x = 1"]) == [("f", 4)]
