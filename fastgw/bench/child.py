"""The processes that load and answer: `python -m fastgw.bench.child load|origin`.

`load` reads a LoadSpec with `warmup_s` and `seconds` from its first line of input, opens the
connections, warms up, says "ready", and waits for a line; then it counts, waits until nothing
is in flight, and says the result. So whoever drives it reads the CPU time of what is measured
while that is idle. `origin` reads its answers, says its port, and serves until it is killed.
"""

from __future__ import annotations

import base64
import json
import signal
import sys
from typing import Any

from fastgw.bench.process import raise_nofile


def say(line: str) -> None:
    """A line for whoever drives this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve(answers: list[list[Any]], options: dict[str, Any]) -> None:
    """Be the origin."""
    from fastgw.ext.load.origin import Origin

    made = [(t.encode(), kind, base64.b64decode(p), every) for t, kind, p, every in answers]
    origin = Origin(made, **options)
    say(str(origin.port))
    origin.run()


def put_load(spec_text: str, warmup_s: float, seconds: float) -> None:
    """Be the load."""
    from fastgw.bench.result import summary
    from fastgw.bench.spec import LoadSpec

    load = LoadSpec.loads(spec_text).load()
    load.run(warmup_s)
    warm = load.counted()
    say(f"ready {warm['requests']:.0f} {warm['errors']:.0f}")
    if not sys.stdin.readline():
        return
    load.clear()
    load.run(seconds)
    say(json.dumps(summary([load], buckets=True)))


def main(argv: list[str]) -> int:
    """See the module's text."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this ends it
    raise_nofile()
    told = json.loads(sys.stdin.readline())
    if argv == ["origin"]:
        serve(**told)
    elif argv == ["load"]:
        put_load(**told)
    else:
        print("usage: python -m fastgw.bench.child load|origin", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
