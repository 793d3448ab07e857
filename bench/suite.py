"""Running scenarios: contenders interleaved over rounds, results kept after each scenario.

What fails takes nothing else with it: a contender that does not come up, or ends, is left
out of its scenario and named; a scenario that fails is recorded as failed, and the next one
runs.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import contenders
from bench.idle import measure_idle
from bench.outcome import Outcome, Rounds
from fastgw.bench import gateway, process
from fastgw.bench.contender import Contender
from fastgw.bench.drive import OriginProcess
from fastgw.bench.measure import measure
from fastgw.bench.scenario import Scenario, origin_answers
from fastgw.ext.load.histogram import Histogram


@dataclass(frozen=True, slots=True)
class Options:
    """How long, how often, and who."""

    rounds: int = 7
    seconds: float = 3.0
    warmup_s: float = 0.5
    peers: tuple[str, ...] | None = None  # names of those that take part; None: all
    scale: float = 1.0  # of connections, for trials of the machinery


#: Nothing that is measured like this says anything; it shows that the machinery works.
SMOKE = Options(rounds=1, seconds=0.15, warmup_s=0.05, scale=0.1)

Tell = Callable[[str], None]


def missing(scenario: Scenario, folder: Path) -> str | None:
    """What a scenario needs and is not there; None when nothing is."""
    from fastgw.cli.main import main as commands_of

    commands = commands_of.commands
    for need in scenario.needs:
        if (found := re.fullmatch(r"(\d+) cores", need)) and int(found[1]) > len(
            os.sched_getaffinity(0)
        ):
            return need
        if need == "reload" and need not in commands:
            return f"{need} (there is no `fastgw {need}`)"
    for label in scenario.contenders:
        name, _, own = label.partition(":")
        if name == "fastgw" and (why := gateway.refusal(own or scenario.gateway, folder)):
            return f"{', '.join(scenario.needs) or own or scenario.gateway} ({why})"
    return None


def takes_part(label: str, peers: Sequence[str] | None) -> bool:
    """Whether a contender is wanted."""
    return peers is None or label.partition(":")[0] in ("fastgw", "floor", *peers)


def run_scenario(scenario: Scenario, options: Options, tell: Tell = lambda _: None) -> Outcome:
    """One scenario, whatever becomes of it; never raises for what is measured."""
    outcome = Outcome(
        scenario.name,
        scenario.group,
        scenario.title,
        scenario.subject,
        bars=list(scenario.bars),
        rate=0.0 if scenario.rate_of else scenario.rate,
    )
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        try:
            if why := missing(scenario, Path(made) / "asked"):
                outcome.state, outcome.why = "skipped", why
            else:
                _Race(scenario, options, outcome, Path(made), tell).run()
        except (OSError, RuntimeError, ValueError) as e:
            outcome.state, outcome.why = "failed", str(e)
    if outcome.state == "done" and not outcome.samples.get(outcome.subject):
        outcome.state = "failed"
        outcome.why = outcome.absent.get(outcome.subject, f"{outcome.subject} was not measured")
    return outcome


def run_field(field: Sequence[Contender], scenario: Scenario, options: Options) -> Outcome:
    """A scenario's load on contenders that are given, not named."""
    outcome = Outcome(scenario.name, scenario.group, scenario.title, scenario.subject)
    outcome.bars = list(scenario.bars)
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        race = _Race(scenario, options, outcome, Path(made), lambda _: None)
        race.run(field)
    return outcome


class _Race:
    """The contenders of a scenario, started once, loaded in turn."""

    def __init__(
        self, scenario: Scenario, options: Options, outcome: Outcome, folder: Path, tell: Tell
    ) -> None:
        self.scenario, self.options, self.outcome = scenario, options, outcome
        self.folder, self.tell = folder, tell
        self.gateway_cpus, self.other_cpus = process.cores(scenario.workers)
        self.field: list[Contender] = []
        self.rate: float | None = None
        self.connections = self.scaled(scenario.connections)

    def run(self, field: Sequence[Contender] | None = None) -> None:
        """All rounds, of these contenders or of those that the scenario names."""
        with ExitStack() as stack:
            origin = stack.enter_context(OriginProcess(origin_answers(), self.other_cpus))
            stack.callback(self.stop)
            for each in field or ():
                self.enter(each, origin.port)
            if field is None:
                self.enter_named(origin.port)
            for each in self.field:
                each.settle()
            self.calibrate()
            for number in range(self.options.rounds):
                self.round(number)
        self.merge_histograms()

    def stop(self) -> None:
        """End them all."""
        for each in self.field:
            each.stop()

    def enter_named(self, origin: int) -> None:
        """Start who the scenario names, and note who is not here."""
        for label in self.scenario.contenders:
            if not takes_part(label, self.options.peers):
                continue
            found = contenders.contender(label, self.scenario.gateway, self.scenario.workers)
            if isinstance(found, str):
                self.outcome.absent[label] = found
            else:
                self.enter(found, origin)

    def enter(self, each: Contender, origin: int) -> None:
        """Start a contender, or note why it is not there."""
        label = each.label
        try:
            each.start(origin, self.folder / label.replace(":", "-"), self.gateway_cpus)
        except RuntimeError as e:
            each.stop()
            self.outcome.absent[label] = str(e)
            return
        self.outcome.versions[label] = each.version
        self.outcome.samples[label] = []
        self.field.append(each)

    def calibrate(self) -> None:
        """Find the top rate of the contender that the scenario's rate is a share of."""
        if not self.scenario.rate_of:
            return
        measured = [c for c in self.field if c.label == self.scenario.rate_of]
        if not measured:
            raise RuntimeError(f"the rate is a share of {self.scenario.rate_of}'s, which is absent")
        top = measure(
            measured[0],
            dataclasses.replace(self.scenario, rate=0.0),
            seconds=self.options.seconds,
            warmup_s=self.options.warmup_s,
            cpu=self.other_cpus,
            rate=0.0,
        )
        self.rate = self.outcome.rate = top["rps"] * self.scenario.rate

    def round(self, number: int) -> None:
        """Every contender once, beginning with another one than the last round did."""
        first = number % max(1, len(self.field))
        for each in [*self.field[first:], *self.field[:first]]:
            if each not in self.field:
                continue
            try:
                result = self.measure(each)
            except (OSError, RuntimeError) as e:
                self.leave(each, str(e))
                continue
            self.outcome.samples[each.label].append(result)
            self.tell(told(each.label, result))

    def measure(self, each: Contender) -> dict[str, Any]:
        """One load."""
        if self.scenario.kind != "idle":
            return self.load(each, self.connections)
        busy = self.scaled(self.scenario.busy) if self.scenario.busy else 0
        serve = (lambda: self.load(each, busy)) if busy else None
        return measure_idle(each, self.scenario, self.connections, serve)

    def load(self, each: Contender, connections: int) -> dict[str, Any]:
        """The scenario's load by so many connections."""
        options = self.options
        return measure(
            each,
            self.scenario.as_seen_by(each.label),
            seconds=options.seconds,
            warmup_s=options.warmup_s,
            cpu=self.other_cpus,
            rate=self.rate,
            connections=connections,
        )

    def scaled(self, connections: int) -> int:
        """So many connections, or fewer in a trial of the machinery."""
        return max(1, round(connections * self.options.scale))

    def leave(self, each: Contender, why: str) -> None:
        """A contender that failed is out, with its earlier rounds: they would not compare."""
        self.field.remove(each)
        each.stop()
        self.outcome.absent[each.label] = why
        del self.outcome.samples[each.label]

    def merge_histograms(self) -> None:
        """One distribution a contender, of all its rounds."""
        for label, rounds in self.outcome.samples.items():
            self.outcome.histograms[label] = merged(rounds)


def merged(rounds: Rounds) -> list[list[int]]:
    """The histograms of all rounds as one; they are taken out of the rounds."""
    all_of_them = Histogram()
    for result in rounds:
        for value, count in result.pop("histogram", ()):
            all_of_them.record(value, count)
    return [[value, count] for value, count in all_of_them.buckets()]


def told(label: str, result: dict[str, Any]) -> str:
    """A round in a few words."""
    idle = f"{result['bytes_each']:.0f} B a connection " if "bytes_each" in result else ""
    if "rps" not in result:
        return f"{label} {idle}"
    cpu = f"{result['cpu_us']:.2f} us" if result["cpu_us"] is not None else ""
    return f"{label} {idle}{cpu} {result['rps']:.0f}/s {result['errors']} errors"
