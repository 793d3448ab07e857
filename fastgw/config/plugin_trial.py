"""The process that imports and makes plugins, to see whether workers will be able to: a
throw-away child with limits.

    python -m fastgw.config.plugin_trial < plugins.json

`plugins.json` is {"path": sys.path, "plugins": [[name, {"class": ..., "options": ...}], ...]}. To
the standard output goes a JSON text a line for each, as it is done: what is wrong with it, or
an empty one. What plugins print goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from fastgw.config.limits_of_child import limit
from fastgw.plugin_code import is_ours

MEMORY_BYTES = 4 << 30
CPU_S = 20


def wrong_with(name: str, options: dict[str, Any]) -> str:
    """What keeps a worker from making a plugin; empty: nothing."""
    from fastgw.ext.policy.build import build_policy

    try:
        build_policy("plugin", name, options)
    except ValueError as e:
        return str(e) + _place(e.__cause__ or e)
    except (Exception, SystemExit) as e:
        said = "".join(traceback.format_exception_only(e)).strip().splitlines()
        return f"'{options['class']}': {said[-1]}{_place(e)}"
    return ""


def _place(error: BaseException) -> str:
    """Where in code of the plugin's an error was raised; empty: not there."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename.startswith("/") and not is_ours(f.filename)]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def main() -> int:
    """The process."""
    asked = json.load(sys.stdin)
    out = os.dup(1)
    os.dup2(2, 1)
    sys.path[:] = asked["path"]
    limit(MEMORY_BYTES, CPU_S)
    with open(out, "w") as answers:
        for name, options in asked["plugins"]:
            answers.write(json.dumps(wrong_with(name, options)) + "\n")
            answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
