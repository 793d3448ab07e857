"""What the code of plugins is: a digest that changes with any file that they bring along.

    python -m fastgw.plugin_code [--run-as ID] module:Class ...  ->  {"digest": ..., "files": [...]}

Workers can't take up another code of a module that they have imported, so a reload that
finds another digest starts a whole new set of them. It is found out in a process of its
own, since importing a plugin runs it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from importlib import import_module
from pathlib import Path

from fastgw.privileges import drop, read_identity

TIMEOUT_S = 30.0
#: Modules below these belong to Python and to us; another version of them is an upgrade.
OURS = tuple(
    {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(Path(__file__).parent)}
)


@dataclass(frozen=True, slots=True)
class Code:
    """What importing plugins brought along; empty: there are none."""

    digest: str = ""
    files: list[str] = field(default_factory=list)


def code_of(plugins: list[str], run_as: Sequence[str] = ()) -> Code:
    """The code of plugins named as `module:Class`. What can't be imported has a digest as
    well: the workers that try will say what is wrong with it. `run_as`: words
    of privileges.py that make somebody else import them."""
    if not plugins:
        return Code()
    try:
        found = subprocess.run(
            [sys.executable, "-m", "fastgw.plugin_code", *run_as, *sorted(set(plugins))],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Code(f"not imported within {TIMEOUT_S:g} s")
    if not found.stdout:
        return Code(found.stderr[-200:])
    # What plugins print when they are imported comes before.
    return Code(**json.loads(found.stdout.splitlines()[-1]))


def is_ours(file: str) -> bool:
    """Whether a module's file is Python's or fastgw's, not an installed package's or a user's."""
    return file.startswith(OURS) and "-packages" not in file


def digest(plugins: list[str]) -> Code:
    """Import them and hash every file that this added."""
    before = set(sys.modules)
    for name in plugins:
        import_module(name.partition(":")[0])
    whole = blake2b(digest_size=16)
    files = []
    for name in sorted(set(sys.modules) - before):
        file = getattr(sys.modules[name], "__file__", None)
        if file and not is_ours(file):
            whole.update(f"{name} {file} ".encode() + Path(file).read_bytes())
            files.append(file)
    return Code(whole.hexdigest(), files)


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m fastgw.plugin_code")
    parser.add_argument("--run-as", type=read_identity, metavar="UID:GID:NAME")
    parser.add_argument("plugins", nargs="+")
    given = parser.parse_args()
    drop(given.run_as)
    print(json.dumps(asdict(digest(given.plugins))))


if __name__ == "__main__":
    main()
