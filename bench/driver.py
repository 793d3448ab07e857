"""The program that `bench check` runs under callgrind: every driver, once."""

from __future__ import annotations

import gc
import sys

from bench.functions.inputs import drives
from fastgw.ext.testing import drivers


def main(rounds: int) -> None:
    """Call each driver; say how many calls each was, by name."""
    todo = drives()
    # What is made once, tables and freelists, is no part of a call.
    for drive, arguments in todo.values():
        drive(*arguments, 2)
    gc.disable()
    for name, (drive, arguments) in todo.items():
        print(name.removeprefix("drive_"), drive(*arguments, rounds), flush=True)
    # One more begins, so that the last one's end is known.
    drivers.drive_requests([], 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
