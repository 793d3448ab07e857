"""What the code of plugins is: a digest that changes with any file that they bring along.

    python -m fastgw.plugin_code module:Class ...

Workers can't take up another code of a module that they have imported, so a reload that
finds another digest starts a whole new set of them. It is found out in a process of its
own, since importing a plugin runs it.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from hashlib import blake2b
from importlib import import_module
from pathlib import Path

TIMEOUT_S = 30.0
#: Modules below these belong to Python and to us; another version of them is an upgrade.
OURS = tuple(
    {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(Path(__file__).parent)}
)


def code_of(plugins: list[str]) -> str:
    """The digest of plugins named as `module:Class`; empty for none. What can't be imported
    has a digest as well: the workers that try will say what is wrong with it."""
    if not plugins:
        return ""
    try:
        found = subprocess.run(
            [sys.executable, "-m", "fastgw.plugin_code", *sorted(set(plugins))],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not imported within {TIMEOUT_S:g} s"
    return found.stdout.strip() or found.stderr[-200:]


def is_ours(file: str) -> bool:
    """Whether a module's file is Python's or fastgw's, not an installed package's or a user's."""
    return file.startswith(OURS) and "-packages" not in file


def digest(plugins: list[str]) -> str:
    """Import them and hash every file that this added."""
    before = set(sys.modules)
    for name in plugins:
        import_module(name.partition(":")[0])
    whole = blake2b(digest_size=16)
    for name in sorted(set(sys.modules) - before):
        file = getattr(sys.modules[name], "__file__", None)
        if file and not is_ours(file):
            whole.update(f"{name} {file} ".encode() + Path(file).read_bytes())
    return whole.hexdigest()


if __name__ == "__main__":
    print(digest(sys.argv[1:]))
