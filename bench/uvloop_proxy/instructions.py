"""User-space instructions a request of each minimal proxy, counted by callgrind.

CPU time swings with whatever else the machine does; instructions don't. Each proxy runs
twice under valgrind, with a short and a long load; the difference, divided by the
difference in requests, leaves start-up out. What the kernel does is not in it.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from fastgw.bench.contender import Contender
from fastgw.bench.drive import OriginProcess, put_load
from fastgw.bench.scenario import origin_answers, scenarios

SHORT_S, LONG_S = 0.5, 3.0
START_S = 240.0  # valgrind takes its time to import Python, more on a busy machine


class Counted(Contender):
    """A proxy under callgrind."""

    def await_answer(self, deadline: float) -> None:
        """Like the others, but patiently."""
        super().await_answer(time.monotonic() + START_S)

    def instructions(self) -> int:
        """End it; how many instructions it took in all."""
        assert self.running is not None
        assert self.log is not None
        self.running.terminate()
        self.running.wait(START_S)
        found = re.search(r"Collected : (\d+)", self.log.read_text(errors="replace"))
        if found is None:
            raise RuntimeError(f"callgrind counted nothing for {self.name}")
        return int(found.group(1))


def under_callgrind(kind: str) -> Counted:
    """One of the minimal proxies under callgrind."""

    def command(listen: int, origin: int, folder: Path) -> Sequence[str]:
        return [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={folder / 'callgrind'}",
            sys.executable,
            "-m",
            "bench.uvloop_proxy.serve",
            kind,
            str(listen),
            str(origin),
        ]

    return Counted(kind, "", command)


def one_run(kind: str, seconds: float) -> tuple[int, int]:
    """(requests, instructions) of a load of `seconds`."""
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        with OriginProcess(origin_answers()) as origin:
            counted = under_callgrind(kind)
            counted.start(origin.port, folder / kind, None)
            try:
                spec = scenarios()["plain-64"].load(counted.port)
                result = put_load(spec, seconds=seconds, warmup_s=0.1)
                return int(result["requests"]), counted.instructions()
            finally:
                counted.stop()


def report(kinds: Sequence[str]) -> int:
    """Count and print; 2 when valgrind is not here."""
    if shutil.which("valgrind") is None:
        print("valgrind is needed to count instructions (apt install valgrind)")
        return 2
    for kind in kinds:
        few, begun = one_run(kind, SHORT_S)
        many, ended = one_run(kind, LONG_S)
        try:
            print(f"  {kind:10}{(ended - begun) / (many - few):10.0f} instructions a request")
        except ZeroDivisionError:
            print(f"  {kind:10} no difference in requests; run it again")
    return 0
