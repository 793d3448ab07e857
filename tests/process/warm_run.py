"""`fastgw run` whose reloads are compiled by a fork of the master, with all modules loaded: so a
thousand of them take minutes, and none of what they leave in a worker is different.

    python -m tests.process.warm_run run FILE ...
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastgw.cli.main import main
from fastgw.config.child import Options, compile_in_child
from fastgw.config.compile import compile_whole
from fastgw.master import compiler
from fastgw.plugin_code import Code, code_of, digest

#: The first plan is compiled by the process that becomes the master: as always, elsewhere.
MASTER = os.getpid()


def compile_here(file: str | None, options: Options, **more: Any) -> bytes:
    """The plan."""
    if os.getpid() == MASTER:
        return compile_in_child(file, options, **more)
    return compile_whole(file, asdict(options)).plan


def code_here(plugins: list[str], run_as: Sequence[str] = ()) -> Code:
    """The plugins' code; they are imported here, by a process that ends."""
    return code_of(plugins, run_as) if os.getpid() == MASTER else digest(plugins)


if __name__ == "__main__":
    compiler.compile_in_child = compile_here  # type: ignore[assignment]
    compiler.code_of = code_here
    sys.exit(main())
