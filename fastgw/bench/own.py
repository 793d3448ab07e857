"""`fastgw bench SCENARIO`: a scenario against a gateway of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from fastgw.bench import gateway, process
from fastgw.bench.drive import OriginProcess
from fastgw.bench.measure import measure
from fastgw.bench.scenario import Scenario, origin_answers, scenarios


def described() -> list[str]:
    """A line for each scenario."""
    return [f"{s.name:16} {s.title}" for s in scenarios().values() if runs_alone(s)]


def runs_alone(s: Scenario) -> bool:
    """Whether a scenario means something without other contenders."""
    return s.kind == "load" and not s.rate_of


def run(name: str, *, seconds: float, warmup_s: float) -> dict[str, Any]:
    """Origin, gateway and load on this machine; `fastgw.bench.measure.measure` of it.
    ValueError when there is no such scenario, RuntimeError when this version can't run it."""
    found = scenarios().get(name)
    if found is None or not runs_alone(found):
        names = ", ".join(s.name for s in scenarios().values() if runs_alone(s))
        raise ValueError(f"{name!r} is neither a URL nor a scenario; there are {names}")
    variant = found.subject.partition(":")[2] or found.gateway
    process.raise_nofile()
    gateway_cpus, other_cpus = process.cores(found.workers)
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        if why := gateway.refusal(variant, folder / "asked"):
            raise RuntimeError(f"{name}: needs {', '.join(found.needs) or variant} ({why})")
        contender = gateway.fastgw(variant, found.subject, workers=found.workers)
        with OriginProcess(origin_answers(), other_cpus) as origin:
            try:
                contender.start(origin.port, folder / "gateway", gateway_cpus)
                contender.settle()
                return measure(contender, found, seconds=seconds, warmup_s=warmup_s, cpu=other_cpus)
            finally:
                contender.stop()
