"""Generate docs/errors, a page for each code of `fastgw/config/codes.toml`.

python -m fastgw.ext.generate.error_pages [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from fastgw.config.problems import Code, codes

FOLDER = Path(__file__).resolve().parents[2] / "docs/errors"
KINDS = {
    "0": "Syntax",
    "1": "References",
    "2": "Routes",
    "3": "TLS",
    "4": "Security",
    "5": "Policies",
}
HEAD = """# Errors of configurations

Generated from fastgw/config/codes.toml; do not edit.

`fastgw check` says `file:line:column: path: what is wrong [code]`, with the line below it. All
errors come at once, and one that makes the gateway refuse the whole file changes nothing that
runs. Warnings don't keep a configuration from being used; `--strict` makes errors of them.
"""


def page(name: str, code: Code) -> str:
    """The page of one code."""
    kind = "Warning" if code.severity == "warning" else "Error"
    text = f"# {name}: {code.title}\n\n{kind}. {code.help}\n"
    if code.wrong:
        text += f"\n## As in\n\n```yaml wrong\n{code.wrong}```\n\n```text\n{code.says}```\n"
    if code.right:
        text += f"\n## Right\n\n```yaml\n{code.right}```\n"
    return text + "\n[All codes](README.md)\n"


def index() -> str:
    """The page that lists all of them."""
    text = HEAD
    for digit, kind in KINDS.items():
        rows = [(name, code) for name, code in codes().items() if name[3] == digit]
        lines = (
            f"| [{name}]({name}.md) | {code.title} | {code.severity} |\n" for name, code in rows
        )
        text += f"\n## {kind}\n\n| code | what | |\n|---|---|---|\n" + "".join(lines)
    return text


def render() -> dict[str, str]:
    """Every page by its file's name."""
    pages = {f"{name}.md": page(name, code) for name, code in codes().items()}
    return {"README.md": index(), **pages}


def main(argv: list[str]) -> int:
    """Write the pages, or with --check say that they are stale."""
    pages = render()
    there = {p.name: p.read_text() for p in FOLDER.glob("*.md")}
    if "--check" in argv:
        if there == pages:
            return 0
        print(f"stale: {FOLDER}; run ./dev generate", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    for name in there.keys() - pages.keys():
        (FOLDER / name).unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
