"""`python -m bench report [FILE...]`: docs/benchmarks.md, with the method on top.

Several files: the newest outcome of each scenario counts.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import costs, plot
from bench.contenders import HERE
from bench.judge import judge
from bench.outcome import Outcome, in_short, newest_run, read_run
from bench.statistics import ratios, spread
from fastgw.bench.scenario import scenarios

DOCS = HERE.parent / "docs"
#: Column -> (title, digits, factor).
COLUMNS = {
    "cpu_us": ("CPU us/req", 2, 1.0),
    "rps": ("req/s", 0, 1.0),
    "p50_us": ("p50 us", 0, 1.0),
    "p90_us": ("p90 us", 0, 1.0),
    "p99_us": ("p99 us", 0, 1.0),
    "p999_us": ("p99.9 us", 0, 1.0),
    "pss_peak": ("PSS MiB", 1, 2**-20),
    "bytes_each": ("B a connection", 0, 1.0),
    "resumed_share": ("resumed %", 0, 100.0),
}
HEADING = "errors", "fastgw to it"


def columns_of(outcome: Outcome) -> list[str]:
    """The columns that this outcome has figures for."""
    return [key for key in COLUMNS if any(outcome.column(label, key) for label in outcome.samples)]


def ratio_text(outcome: Outcome, label: str) -> str:
    """Ratio of the subject to a contender, by what the scenario is about."""
    key = "bytes_each" if outcome.column(outcome.subject, "bytes_each") else "cpu_us"
    ours, theirs = outcome.column(outcome.subject, key), outcome.column(label, key)
    if label == outcome.subject or not ours or len(ours) != len(theirs):
        return ""
    # A contender that holds its connections' memory ready pays nothing for one: no ratio.
    return str(ratios(ours, theirs)) if min(theirs) > 0 else "-"


def rows(outcome: Outcome) -> list[list[str]]:
    """Medians of every contender, a row each, below the heading."""
    keys = columns_of(outcome)
    made = [["", *(COLUMNS[key][0] for key in keys), *HEADING]]
    for label in outcome.samples:
        row = [label]
        for key in keys:
            values = outcome.column(label, key)
            _, digits, factor = COLUMNS[key]
            row.append(f"{spread(values).median * factor:,.{digits}f}" if values else "-")
        row.append(f"{outcome.errors_of(label):,}")
        row.append(ratio_text(outcome, label))
        made.append(row)
    return made


def outcome_lines(outcome: Outcome) -> list[str]:
    """An outcome for a terminal."""
    lines = ["", f"{outcome.name}: {outcome.title}"]
    if outcome.state != "done":
        return [*lines, state_line(outcome)]
    table = rows(outcome)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        cells = [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        lines.append("  " + "  ".join([row[0].ljust(widths[0]), *cells]))
    lines += [f"  absent: {label}: {in_short(why)}" for label, why in outcome.absent.items()]
    return lines + [f"  {judgement}" for judgement in judge(outcome)]


def state_line(outcome: Outcome) -> str:
    """What became of a scenario that has no figures."""
    if outcome.state == "skipped":
        return f"  skipped: needs {in_short(outcome.why)}"
    return f"  FAILED: {in_short(outcome.why)}"


def summary_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """How many bars are met."""
    judged = [(o, j) for o in outcomes for j in judge(o)]
    met = [j for _, j in judged if j.state == "met"]
    lines = ["", f"bars: {len(met)} of {len(judged)} met"]
    lines += [f"  {o.name}: {j}" for o, j in judged if j.state != "met"]
    other = [o for o in outcomes if o.state != "done"]
    return lines + [f"  {o.name}: {state_line(o).strip()}" for o in other]


# -- the page ------------------------------------------------------------------------------


def markdown_table(table: list[list[str]]) -> str:
    """Rows, the first one the heading, numbers to the right."""
    head, *body = table
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def section(outcome: Outcome, folder: str) -> str:
    """One scenario as a section of the page."""
    parts = [f"### {outcome.name}", f"{outcome.title[0].upper()}{outcome.title[1:]}."]
    if outcome.rate:
        parts.append(f"Sent: {outcome.rate:,.0f} requests a second.")
    if outcome.state != "done":
        return "\n\n".join([*parts, state_line(outcome).strip() + "."])
    if costs.is_cost(outcome):
        return "\n\n".join([*parts, markdown_table(costs.rows(outcome))])
    parts.append(markdown_table(rows(outcome)))
    said = [f"- bar {judgement}" for judgement in judge(outcome)]
    said += [f"- absent: {k}: {in_short(v)}" for k, v in outcome.absent.items()]
    if said:
        parts.append("\n".join(said))
    if outcome.histograms and any(outcome.histograms.values()):
        parts.append(f"![latency by percentile]({folder}/{outcome.name}.svg)")
    return "\n\n".join(parts)


def bars_table(outcomes: Sequence[Outcome]) -> str:
    """All bars at a glance, those of scenarios that could not be measured as well."""
    table = [["scenario", "bar", "found", "state"]]
    for outcome in outcomes:
        why = "" if outcome.state == "done" else f" ({state_line(outcome).strip()})"
        for j in judge(outcome):
            table.append([outcome.name, j.promise, str(j.found or "-"), j.state + why])
    return markdown_table(table)


def method() -> str:
    """bench/METHOD.md, its headings one step lower, as part of a page in docs/."""
    text = (HERE / "METHOD.md").read_text()
    text = re.sub(r"^#", "##", text, flags=re.M)
    return re.sub(r"\]\((?!https?:)([^)]+)\)", r"](../bench/\1)", text)


def taken(head: dict[str, Any]) -> str:
    """When and how long a file's figures were taken."""
    options = head["options"]
    how = f"{options['rounds']} rounds of {options['seconds']:g} s, {head['time']} UTC"
    return how + (", **a debug build: it says nothing**" if options.get("debug_build") else "")


def page(heads: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]) -> str:
    """The whole page; the machine is that of the newest file."""
    machine = heads[-1]["machine"]
    versions: dict[str, str] = {}
    for outcome in outcomes:
        versions.update({k.partition(":")[0]: v for k, v in outcome.versions.items()})
    facts = [
        f"{machine['cpu']}, {machine['allowed_cpus']} CPUs, Linux {machine['kernel']}, "
        f"{machine['compiler']}, Python {machine['python']}",
        "versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()),
        *(taken(head) for head in heads),
    ]
    drawn = any(o.column(o.subject, "cpu_us") for o in outcomes if not costs.is_cost(o))
    parts = [
        "# Benchmarks",
        "This page is rendered by `python -m bench report` from the results of one machine; do "
        "not edit it. Run `./dev bench` to have your own.",
        method(),
        "## Results",
        "\n".join(f"- {fact}" for fact in facts),
        "![CPU a request, ratio of fastgw to each](benchmarks/ratios.svg)" if drawn else "",
        bars_table(outcomes),
        *(section(o, "benchmarks") for o in outcomes),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def newest_of(files: Sequence[Path]) -> tuple[list[dict[str, Any]], list[Outcome]]:
    """(heads, the newest one last; the newest outcome of each scenario, costs last)."""
    runs = sorted((read_run(file) for file in files), key=lambda run: str(run[0]["time"]))
    found = {outcome.name: outcome for _, outcomes in runs for outcome in outcomes}
    order = [*scenarios(), *costs.names()]
    places = {name: place for place, name in enumerate(order)}
    return [head for head, _ in runs], sorted(
        found.values(), key=lambda outcome: places.get(outcome.name, len(places))
    )


def write(files: Sequence[Path], docs: Path) -> Path:
    """Write the page and its drawings; where the page is."""
    heads, outcomes = newest_of(files)
    drawings = docs / "benchmarks"
    drawings.mkdir(parents=True, exist_ok=True)
    for old in drawings.glob("*.svg"):
        old.unlink()
    races = [outcome for outcome in outcomes if not costs.is_cost(outcome)]
    for outcome in races:
        if outcome.state == "done" and any(outcome.histograms.values()):
            (drawings / f"{outcome.name}.svg").write_text(plot.latency(outcome))
    (drawings / "ratios.svg").write_text(plot.ratios_drawing(races))
    made = docs / "benchmarks.md"
    made.write_text(page(heads, outcomes))
    return made


def main(argv: list[str]) -> int:
    """Render the page; 2 when a file can't be read."""
    parse = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parse.add_argument("files", nargs="*", type=Path, help="results  [default: the newest]")
    parse.add_argument("--docs", type=Path, default=DOCS, help="where benchmarks.md is written")
    args = parse.parse_args(argv)
    try:
        print(write(args.files or [newest_run()], args.docs))
    except (ValueError, OSError) as e:
        print(f"bench report: {e}", file=sys.stderr)
        return 2
    return 0
