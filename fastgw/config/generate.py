"""The process that runs a configuration written in Python: a throw-away child with limits.

    python -m fastgw.config.generate FILE < FILE

It comes as the standard input, since it may be one that this process could not open. The file
defines `config`: a map as YAML would say it, or a function that returns one. To
the standard output goes one JSON map, {"config": ...} or {"error": ..., "line": ...};
what the file prints itself goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from fastgw.config.limits_of_child import limit

MEMORY_BYTES = 1 << 30
CPU_S = 20
#: Name of the module that the file becomes, so that it can tell who runs it.
MODULE = "__fastgw__"


def run(file: str, content: bytes) -> dict[str, Any]:
    """What is to be said of a file that holds `content`."""
    folder = str(Path(file).resolve().parent)
    sys.path.insert(0, folder)
    try:
        code = compile(content, file, "exec")
        names: dict[str, Any] = {"__name__": MODULE, "__file__": file}
        exec(code, names)
        if "config" not in names:
            return {"error": "defines no 'config'", "line": 0}
        made = names["config"]
        return {"config": made() if callable(made) else made}
    except SyntaxError as e:
        return {"error": f"SyntaxError: {e.msg}", "line": e.lineno or 0}
    except OSError as e:
        return {"error": str(e), "line": line_in(file, e)}
    except BaseException as e:
        said = "".join(traceback.format_exception_only(e)).strip().splitlines()
        return {"error": said[-1], "line": line_in(file, e)}


def line_in(file: str, error: BaseException) -> int:
    """The line of the file that an error came through; 0 if it did not."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    return int(lines[-1] or 0) if lines else 0


def main() -> int:
    """The process."""
    out = os.dup(1)
    os.dup2(2, 1)
    limit(MEMORY_BYTES, CPU_S, may_write=False)
    said = run(sys.argv[1], sys.stdin.buffer.read())
    try:
        text = json.dumps(said, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as e:
        text = json.dumps({"error": f"'config' is not plain data: {e}", "line": 0})
    with open(out, "wb") as f:
        f.write(text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
