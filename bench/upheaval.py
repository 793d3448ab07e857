"""Reloads, upgrades, workers more and less, and deaths, one after the other under new
connections at a fixed rate: failures and p99 over time, as a table and a drawing.

    python -m bench upheaval --seconds 30 --rate 300 --out results/
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.arrivals import Arrivals, Visit
from bench.plot import over_time

#: Time between two events, and the width of a column of the drawing.
EVERY_S, BUCKET_S = 2.0, 0.25
READY_S = 30.0
CONFIG = """version: 1
listen: {{main: '127.0.0.1:0'}}
routes: {{all: {{match: /*, respond: {{body: 'generation {n}'}}}}}}
"""


@dataclass
class Bucket:
    """What began within a quarter of a second."""

    begins_s: float
    took_ms: list[float] = field(default_factory=list)
    failures: int = 0

    @property
    def p99_ms(self) -> float:
        """0 without an answer."""
        ranked = sorted(self.took_ms)
        return ranked[int(0.99 * (len(ranked) - 1))] if ranked else 0.0


class Subject:
    """A gateway that things happen to."""

    def __init__(self, folder: Path) -> None:
        self.file, self.log = folder / "gateway.yaml", folder / "log"
        self.generation = 1
        self.file.write_text(CONFIG.format(n=1))
        command = [sys.executable, "-m", "fastgw", "run", str(self.file), "--workers", "2"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*command, "--run-dir", str(folder)], stderr=log)
        self.lock = folder / "default" / "lock"

    def waits_for(self, pattern: str) -> re.Match[str]:
        """The first line of the log that says so; TimeoutError."""
        end_s = time.monotonic() + READY_S
        while time.monotonic() < end_s:
            if found := re.search(pattern, self.log.read_text()):
                return found
            time.sleep(0.02)
        raise TimeoutError(f"the gateway does not say {pattern!r}")

    @property
    def master(self) -> int:
        """Pid of whoever holds the lock."""
        return int(self.lock.read_text())

    def reload(self) -> None:
        """Another configuration."""
        self.generation += 1
        self.file.write_text(CONFIG.format(n=self.generation))
        os.kill(self.master, signal.SIGHUP)

    def kill(self) -> None:
        """A worker dies."""
        master = self.master
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        for pid in children:
            if Path(f"/proc/{pid}/comm").read_text().startswith("fastgw-w"):
                os.kill(int(pid), signal.SIGKILL)
                return

    def signalled(self, number: signal.Signals) -> None:
        """Something that a signal does."""
        os.kill(self.master, number)

    def end(self) -> None:
        """Whoever is the master."""
        os.kill(self.master, signal.SIGTERM)
        self.process.wait(READY_S)


def happen(subject: Subject, seconds: float) -> list[tuple[float, str]]:
    """Have one thing happen after the other; when each did."""
    actions: dict[str, Callable[[], object]] = {
        "reload": subject.reload,
        "+ worker": lambda: subject.signalled(signal.SIGTTIN),
        "kill": subject.kill,
        "upgrade": lambda: subject.signalled(signal.SIGUSR2),
        "- worker": lambda: subject.signalled(signal.SIGTTOU),
    }
    happened: list[tuple[float, str]] = []
    end_s = time.monotonic() + seconds
    for name, action in itertools.cycle(actions.items()):
        time.sleep(EVERY_S)
        if time.monotonic() > end_s:
            return happened
        happened.append((time.monotonic(), name))
        action()
    return happened


def buckets_of(visits: Sequence[Visit], begin_s: float) -> list[Bucket]:
    """By when they began."""
    found: dict[int, Bucket] = {}
    for visit in visits:
        at = int((visit.begun_s - begin_s) / BUCKET_S)
        bucket = found.setdefault(at, Bucket(at * BUCKET_S))
        if visit.failure or not visit.ended_s:
            bucket.failures += 1
        else:
            bucket.took_ms.append(visit.took_s * 1000)
    return [found[at] for at in sorted(found)]


def write(out: Path, buckets: Sequence[Bucket], happened: Sequence[tuple[float, str]]) -> None:
    """The table and the drawing."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "upheaval.csv").open("w", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["begins_s", "answers", "failures", "p99_ms", "event"])
        for b in buckets:
            names = [n for at, n in happened if b.begins_s <= at < b.begins_s + BUCKET_S]
            row = [b.begins_s, len(b.took_ms), b.failures, round(b.p99_ms, 2), " ".join(names)]
            rows.writerow(row)
    points = [(b.begins_s, b.p99_ms, b.failures) for b in buckets]
    (out / "upheaval.svg").write_text(over_time(points, happened))


def main(argv: Sequence[str]) -> int:
    """The command; 1 if a request failed outside a killed worker."""
    parser = argparse.ArgumentParser(prog="python -m bench upheaval", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=300, help="new connections a second")
    parser.add_argument("--out", type=Path, default=Path("results"))
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject(Path(folder))
        at = subject.waits_for(r"listening on http://([\d.]+):(\d+)")
        subject.waits_for(r"ready with 2 worker")
        try:
            with Arrivals((at[1], int(at[2])), given.rate) as arrivals:
                begin_s = time.monotonic()
                happened = happen(subject, given.seconds)
        finally:
            subject.end()
    buckets = buckets_of(arrivals.visits, begin_s)
    write(given.out, buckets, [(when - begin_s, name) for when, name in happened])
    kills = sum(name == "kill" for _, name in happened)
    failed = sum(b.failures for b in buckets)
    print(f"{len(arrivals.visits)} connections, {failed} failed; {len(happened)} events")
    print(f"longest p99 of {BUCKET_S:g} s: {max(b.p99_ms for b in buckets):.1f} ms")
    # What a killed worker had accepted is lost with it: a few at such a rate.
    return 0 if failed <= kills * max(3, given.rate // 100) else 1
