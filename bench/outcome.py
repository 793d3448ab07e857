"""What a run found: one Outcome a scenario, kept together in a file of bench/results/."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.contenders import HERE
from fastgw.bench.scenario import Bar

RESULTS = HERE / "results"
#: Version of the files' shape.
FORMAT = 2
Rounds = list[dict[str, Any]]


@dataclass
class Outcome:
    """One scenario of a run."""

    name: str
    group: str
    title: str
    subject: str
    state: str = "done"  # done | skipped | failed
    why: str = ""
    bars: list[Bar] = field(default_factory=list)
    rate: float = 0.0  # requests a second that were sent; 0: closed loop
    absent: dict[str, str] = field(default_factory=dict)  # contender -> why
    versions: dict[str, str] = field(default_factory=dict)
    samples: dict[str, Rounds] = field(default_factory=dict)  # contender -> its rounds
    histograms: dict[str, list[list[int]]] = field(default_factory=dict)  # [ns, count]

    def column(self, label: str, key: str) -> list[float]:
        """One figure of all rounds of a contender; empty when it was not measured."""
        rows = self.samples.get(label, [])
        return [float(r[key]) for r in rows if r.get(key) is not None]

    @property
    def errors(self) -> int:
        """Wrong answers of the subject, all rounds."""
        return self.errors_of(self.subject)

    def errors_of(self, label: str) -> int:
        """Wrong answers of a contender, all rounds."""
        return sum(int(r.get("errors", 0)) for r in self.samples.get(label, []))


def in_short(why: str) -> str:
    """A reason on one line: how it begins, and the last thing that was said."""
    lines = [line.strip() for line in why.splitlines() if line.strip()] or [""]
    return lines[0] if len(lines) == 1 else f"{lines[0]} {lines[-1]}"


def cpu_model() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def compiler() -> str:
    """The C compiler's first line about itself."""
    path = shutil.which("gcc") or shutil.which("cc")
    if path is None:
        return "none"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    return said.stdout.splitlines()[0] if said.stdout else path


def machine() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    return {
        "kernel": platform.release(),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "allowed_cpus": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "compiler": compiler(),
        "load_average": os.getloadavg()[0],
    }


class RunFile:
    """The file of one run, written anew after each scenario, so that none is lost."""

    def __init__(self, options: dict[str, Any], path: Path | None = None) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self.path = path or RESULTS / f"{stamp}-{os.getpid()}.json"
        self.head = {
            "format": FORMAT,
            "time": stamp,
            "options": options,
            "machine": machine(),
        }
        self.outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome, on disk too."""
        self.outcomes.append(outcome)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        whole = {**self.head, "scenarios": [asdict(o) for o in self.outcomes]}
        fresh.write_text(json.dumps(whole, separators=(",", ":")) + "\n")
        fresh.replace(self.path)


def read_run(path: Path) -> tuple[dict[str, Any], list[Outcome]]:
    """(head, outcomes) of a file. ValueError when it is none of ours, or of another format."""
    try:
        whole = json.loads(path.read_text())
        found = whole.pop("scenarios")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ValueError(f"{path} is no result of the benchmarks") from None
    if whole.get("format") != FORMAT:
        raise ValueError(f"{path} has format {whole.get('format')}, not {FORMAT}")
    for outcome in found:
        outcome["bars"] = [Bar(**bar) for bar in outcome["bars"]]
    return whole, [Outcome(**outcome) for outcome in found]


def newest_run() -> Path:
    """The newest file of results. ValueError when there is none."""
    files = sorted(RESULTS.glob("*.json"), key=lambda p: p.stat().st_mtime)
    if not files:
        raise ValueError(f"there is nothing in {RESULTS}; `python -m bench SCENARIO` makes it")
    return files[-1]
