"""`python -m bench`: what can be measured, and with which options.

The first words are names of scenarios or of groups of them (fastgw/bench/scenarios/), or one
of the verbs and benchmarks below. A benchmark of its own is a module with `main(argv) -> int`
and a line in OTHERS.
"""

from __future__ import annotations

import importlib
import sys

#: Verbs, and benchmarks that bring their own `main(argv) -> int`, by name.
OTHERS = {
    "list": "bench.run",
    "costs": "bench.costs",
    "compare": "bench.compare",
    "report": "bench.report",
    "check": "bench.check",
    "functions": "bench.functions",
    "io": "bench.uvloop_proxy",
    "parser": "bench.parser",
    "bodies": "bench.bodies",
    "record": "bench.record",
    "router": "bench.router",
    "tls": "bench.tls",
    "upheaval": "bench.upheaval",
}


def main(argv: list[str]) -> int:
    """Dispatch on the first word; without one the quick set is run."""
    name = OTHERS.get(argv[0]) if argv else None
    if name is None or name == "bench.run":
        name = "bench.run"
    else:
        argv = argv[1:]
    code: int = importlib.import_module(name).main(argv)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
