"""The suite's machinery, on tiny durations: it runs, judges, reports, and survives failures."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench import compare, contenders, costs, judge, report, run, suite
from bench.contenders import PEER_TABLE, PEERS, configured
from bench.outcome import Outcome, RunFile, read_run
from fastgw.bench import cost_lines, gateway
from fastgw.bench.contender import Contender
from fastgw.bench.cost_lines import CostGroup, CostLine
from fastgw.bench.scenario import Bar, Scenario, chosen, scenarios

TINY = suite.Options(rounds=1, seconds=0.1, warmup_s=0.05, scale=0.1, peers=())


def dead(label: str = "haproxy") -> Contender:
    """A contender that ends at once."""
    return Contender(
        label, "1", lambda *_: [sys.executable, "-c", "raise SystemExit('no luck today')"]
    )


# -- scenarios -----------------------------------------------------------------------------


@pytest.mark.parametrize("s", scenarios().values(), ids=lambda s: s.name)
def test_every_scenario_is_sound(s: Scenario, tmp_path: Path) -> None:
    assert s.title and s.subject in s.contenders
    assert s.load(1).requests
    for bar in s.bars:
        assert not bar.peer or bar.peer in s.contenders
    for label in s.contenders:
        name, _, own = label.partition(":")
        if name == "fastgw":
            assert gateway.table(own or s.gateway)
        else:
            assert PEER_TABLE[name].file(own or s.gateway), f"{label}: no configuration"


#: Scenario, contender, figure -> what fastgw must stay under: what the project promises.
PROMISED = {
    ("plain-64", "haproxy", "cpu_us"): 0.87,
    ("plain-64", "nginx", "cpu_us"): 0.52,
    ("plain-64", "envoy", "cpu_us"): 0.25,
    ("plain-1000", "haproxy", "cpu_us"): 0.60,
    ("features", "haproxy:plain", "cpu_us"): 1.0,
    ("browser", "haproxy", "cpu_us"): 0.87,
    ("rate-2000", "haproxy", "cpu_us"): 0.72,
    ("rate-8000", "haproxy", "cpu_us"): 0.72,
    ("new-connection", "haproxy", "cpu_us"): 0.95,
    ("tls-keepalive", "haproxy", "cpu_us"): 0.90,
    ("answer-1m", "haproxy", "cpu_us"): 0.40,
    ("answer-1m", "haproxy:tuned", "cpu_us"): 1.0,
    ("routes", "fastgw:routes-10", "cpu_us"): 1.05,
    ("routes-uniform", "fastgw:uniform-10", "cpu_us"): 1.05,
    ("websocket", "haproxy", "cpu_us"): 0.80,
    ("half-rate", "haproxy", "p99_us"): 1.0,
    ("idle", "", "bytes_each"): 2048,
    ("idle-tls", "", "bytes_each"): 24576,
}


def test_bars_are_what_the_project_promises() -> None:
    bars = [(s.name, b) for s in scenarios().values() for b in s.bars]
    assert {(name, b.peer, b.metric): b.at_most for name, b in bars if b.plus is None} == PROMISED
    assert [(name, b.peer, b.metric, b.plus) for name, b in bars if b.plus is not None] == [
        ("half-rate", "haproxy", "p999_us", 500)
    ]


def test_every_scenario_of_the_project_is_there() -> None:
    assert set(scenarios()) >= {
        "plain-64", "plain-1000", "rate-2000", "rate-8000", "half-rate", "new-connection",
        "browser", "tls-keepalive", "tls-full", "tls-resumed", "answer-1k", "answer-64k",
        "answer-1m", "upload-1k", "upload-64k", "upload-1m", "chunked-64k", "events", "routes",
        "header-edits", "features", "websocket", "idle", "idle-tls", "workers-2", "workers-4",
        "reload", "slow-clients",
    }  # fmt: skip


def test_idle_connections_are_held_while_others_are_served() -> None:
    assert (scenarios()["idle"].connections, scenarios()["idle"].busy) == (10_000, 1000)


@pytest.mark.parametrize("file", sorted(PEERS.glob("*/*.*")), ids=lambda p: "/".join(p.parts[-2:]))
def test_peers_files_can_be_filled_in(file: Path, tmp_path: Path) -> None:
    text = configured(file, tmp_path, 1111, 2222, 1).read_text()
    assert text.startswith("#"), "a file says what it is"
    assert "1111" in text and "2222" in text


def test_scenarios_are_chosen_by_name_group_or_set() -> None:
    assert [s.name for s in chosen(["rates"])] == ["rate-2000", "rate-8000", "half-rate"]
    assert [s.name for s in chosen(["browser", "plain-64", "browser"])] == ["browser", "plain-64"]
    assert len(chosen(["all"])) == len(scenarios())
    with pytest.raises(ValueError, match="no scenario 'plian'"):
        chosen(["plian"])


# -- races ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain-64", "rate-2000", "new-connection", "answer-64k",
                                  "events", "header-edits", "idle", "slow-clients"])  # fmt: skip
def test_kinds_of_scenario_run(name: str) -> None:
    scenario = dataclasses.replace(scenarios()[name], contenders=("fastgw",), bars=())
    scale = 0.02 if name == "idle" else 0.1
    outcome = suite.run_scenario(scenario, dataclasses.replace(TINY, scale=scale))
    assert outcome.state == "done", outcome.why
    assert outcome.errors == 0
    if name == "idle":
        # 200 connections are too few to tell from the gateway's own doings; test_idle.py has those
        # whose cost is known.
        assert abs(outcome.column("fastgw", "bytes_each")[0]) < 256 * 1024
        assert outcome.column("fastgw", "held") == [200]
    assert outcome.column("fastgw", "requests")[0] > 0
    assert outcome.column("fastgw", "cpu_us")[0] > 0
    assert outcome.column("fastgw", "pss_peak")[0] > 1 << 20


def test_requests_uniform_over_routes_find_theirs() -> None:
    scenario = dataclasses.replace(
        scenarios()["routes-uniform"], contenders=("fastgw:uniform-500",),
        subject="fastgw:uniform-500", bars=(),
    )  # fmt: skip
    outcome = suite.run_scenario(scenario, TINY)
    assert outcome.state == "done", outcome.why
    assert outcome.errors == 0
    assert outcome.column("fastgw:uniform-500", "cpu_us")[0] > 0


def test_what_fails_takes_nothing_else_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = contenders.contender

    def fake(label: str, *rest: Any) -> Contender | str:
        if label == "nginx":
            return "nginx is not here"
        return dead() if label == "haproxy" else real(label, *rest)

    monkeypatch.setattr(contenders, "contender", fake)
    scenario = dataclasses.replace(
        scenarios()["plain-64"], contenders=("fastgw", "haproxy", "nginx")
    )
    outcome = suite.run_scenario(scenario, dataclasses.replace(TINY, peers=None))
    assert outcome.state == "done"
    assert "no luck today" in outcome.absent["haproxy"]
    assert outcome.absent["nginx"] == "nginx is not here"
    assert list(outcome.samples) == ["fastgw"]
    assert {j.state for j in judge.judge(outcome)} == {"unknown"}


def test_a_contender_that_dies_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = suite.measure

    def deadly(each: Contender, *rest: Any, **options: Any) -> dict[str, Any]:
        if each.label == "floor":
            assert each.running is not None
            each.running.kill()
            each.running.wait(5)
        return real(each, *rest, **options)

    monkeypatch.setattr(suite, "measure", deadly)
    scenario = dataclasses.replace(scenarios()["plain-64"], contenders=("floor", "fastgw"))
    outcome = suite.run_scenario(scenario, dataclasses.replace(TINY, peers=None))
    assert outcome.state == "done"
    assert "has ended" in outcome.absent["floor"]
    assert outcome.samples["fastgw"]


def test_subject_that_fails_fails_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders, "contender", lambda label, *_: dead(label))
    outcome = suite.run_scenario(scenarios()["plain-64"], TINY)
    assert outcome.state == "failed"
    assert "no luck today" in outcome.why


def test_missing_features_are_skipped_with_their_name() -> None:
    lacking = dataclasses.replace(scenarios()["plain-64"], needs=("99999 cores",))
    outcome = suite.run_scenario(lacking, TINY)
    assert (outcome.state, outcome.why) == ("skipped", "99999 cores")
    assert report.state_line(outcome) == "  skipped: needs 99999 cores"


def test_gateways_that_are_refused_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = {
        "odd": {"config": "version: 1\nflying: true\n"},
        "option": {"options": ["--teleport", "x"]},
        "good": {"options": ["--to", "http://127.0.0.1:1"]},
    }
    monkeypatch.setattr(gateway, "tables", lambda: tables)
    assert "flying" in (gateway.refusal("odd", tmp_path / "a") or "")
    assert gateway.refusal("option", tmp_path / "b") == "there is no option --teleport"
    assert gateway.refusal("good", tmp_path / "c") is None


# -- results -------------------------------------------------------------------------------


def made(ours: list[float], theirs: list[float], *bars: Bar, **more: Any) -> Outcome:
    """An outcome with these CPU times."""
    rows = {
        "fastgw": [{"cpu_us": v, "rps": 1000.0, "errors": 0} for v in ours],
        "haproxy": [{"cpu_us": v, "rps": 900.0, "errors": 0} for v in theirs],
    }
    return Outcome("plain-64", "plain", "a load", "fastgw", bars=list(bars), samples=rows, **more)


@pytest.mark.parametrize(
    ("ours", "state"),
    [([8.0] * 7, "met"), ([8, 8, 8, 8, 10, 10, 10], "median only"), ([10.0] * 7, "missed")],
)
def test_a_bar_is_met_when_the_interval_is_under_it(ours: list[float], state: str) -> None:
    bar = Bar(peer="haproxy", at_most=0.87)
    (judged,) = judge.judge(made(ours, [10.0] * 7, bar))
    assert judged.state == state


def test_no_ratio_to_what_cost_nothing() -> None:
    """A server that has its connections' memory ready pays nothing for some rounds of them."""
    free = made([8.0] * 3, [10.0] * 3)
    for label, bytes_each in (("fastgw", 500.0), ("haproxy", 0.0)):
        for row in free.samples[label]:
            row["bytes_each"] = bytes_each
    (line,) = [line for line in report.outcome_lines(free) if line.split()[:1] == ["haproxy"]]
    assert line.split()[-1] == "-"


def test_bars_by_difference_and_by_figure() -> None:
    plus = Bar(peer="haproxy", metric="cpu_us", plus=1.0)
    own = Bar(metric="cpu_us", at_most=8.5)
    assert [j.state for j in judge.judge(made([10.9] * 3, [10.0] * 3, plus, own))] == [
        "met", "missed",
    ]  # fmt: skip


def test_results_survive_a_file_and_are_there_after_each_scenario(tmp_path: Path) -> None:
    file = RunFile({"rounds": 1, "seconds": 1}, tmp_path / "deep" / "r.json")
    first = made([1.0], [2.0], Bar(peer="haproxy"))
    file.add(first)
    assert read_run(file.path)[1] == [first]
    file.add(dataclasses.replace(first, name="other"))
    assert [o.name for o in read_run(file.path)[1]] == ["plain-64", "other"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "scenarios": []}'])
def test_files_that_are_no_results(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(ValueError, match="no result|has format"):
        read_run(tmp_path / "x")
    assert compare.main([str(tmp_path / "x"), str(tmp_path / "x")]) == 2
    assert report.main([str(tmp_path / "x"), "--docs", str(tmp_path)]) == 2


def test_compare_tells_better_from_worse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for i, ours in enumerate(([10.0, 10.1, 9.9], [12.0, 12.1, 11.9], [10.1, 10.0, 9.9])):
        files.append(tmp_path / f"{i}.json")
        RunFile({}, files[-1]).add(made(ours, [20.0, 20.1, 19.9]))
    old, slower, same = map(str, files)
    assert compare.main([old, slower]) == 1
    said = capsys.readouterr().out
    assert "CPU to haproxy" in said and "worse" in said
    assert compare.main([slower, old]) == 0
    assert "better" in capsys.readouterr().out
    assert compare.main([old, same]) == 0
    assert "0 better, 0 worse" in capsys.readouterr().out


def test_page_has_method_tables_and_drawings(tmp_path: Path) -> None:
    options = {"rounds": 3, "seconds": 1}
    done = made([8.0] * 3, [10.0] * 3, Bar(peer="haproxy", at_most=0.87))
    done.histograms = {"fastgw": [[1000, 5], [2000, 4], [90_000, 1]], "haproxy": [[3000, 9]]}
    done.absent = {"nginx": "nginx is not here"}
    skipped = Outcome("tls-full", "tls", "x", "fastgw", state="skipped", why="tls (why)")
    skipped.bars = [Bar(peer="haproxy", at_most=0.9)]
    file = RunFile(options, tmp_path / "r.json")
    file.add(done)
    file.add(skipped)
    assert report.main([str(file.path), "--docs", str(tmp_path / "docs")]) == 0
    page = (tmp_path / "docs/benchmarks.md").read_text()
    assert page.index("## Method") < page.index("## Results")
    assert "| fastgw | 8.00 |" in page
    assert "0.800 [0.800-0.800]" in page
    assert "skipped: needs tls (why)." in page
    assert "| plain-64 | <= 0.87x cpu_us of haproxy | 0.800 [0.800-0.800] | met |" in page
    row = "| tls-full | <= 0.90x cpu_us of haproxy | - | unknown (skipped: needs tls (why)) |"
    assert row in page
    assert "absent: nginx: nginx is not here" in page
    for drawing in ("ratios", "plain-64"):
        text = (tmp_path / f"docs/benchmarks/{drawing}.svg").read_text()
        assert ET.fromstring(text).tag.endswith("svg") and "fastgw" in text


def test_command_line_runs_a_scenario_into_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.json"
    assert run.main(["plain-64", "--smoke", "--peers", "", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["scenarios"][0]["state"] == "done"
    assert "bars: 0 of 3 met" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["nonsense"], ["plain-64", "--peers", "apache"]])
def test_wrong_command_lines(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as e:
        run.main(argv)
    assert e.value.code == 2
    assert "none of" in capsys.readouterr().err or argv[0] == "nonsense"


COST_LINES = [line for group in cost_lines.groups().values() for line in group.lines]


@pytest.mark.parametrize("line", COST_LINES, ids=lambda line: line.name)
def test_every_line_of_the_cost_table_is_a_gateway(line: CostLine, tmp_path: Path) -> None:
    text = line.config().replace("@LISTEN@", "1111").replace("@ORIGIN@", "2222")
    document = yaml.safe_load(text.replace("@ROUTES@", ""))
    assert set(document["routes"]["all"]) >= {"match"}
    assert COST_LINES.count(line) == 1
    scenario = costs.scenario(cost_lines.groups()["record"], [line])
    assert scenario.as_seen_by(costs.label(line.name)).load(1).requests
    assert len(list(line_differences(line))) >= 1, "it adds nothing"


def line_differences(line: CostLine) -> Iterator[str]:
    """What a line has that the least one has not."""
    least = cost_lines.line(cost_lines.LEAST)
    for each in dataclasses.fields(CostLine):
        if each.name not in ("name", "title") and getattr(line, each.name) != getattr(
            least, each.name
        ):
            yield each.name


def test_features_of_the_gateway_have_their_lines() -> None:
    names = {line.name for line in COST_LINES}
    assert names >= {
        "access-log", "access-log-combined", "access-log-template", "metrics", "header-edits",
        "ip", "rewrite-prefix", "located", "regex", "per-address", "error-pages", "error-page",
        "respond-template", "plugin", "tls", "tls-full", "tls-resumed", "websocket", "answer-64k",
        "upload-64k", "event", "routes",
    }  # fmt: skip


def test_cost_table_is_measured_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {line.name: line for line in COST_LINES}
    wings = CostLine("wings", "+ wings", options=("--wings", "2"))
    few = (known["no-route"], known["tls"], wings)
    group = CostGroup("few", "a few", {"answer": "any"}, few)
    monkeypatch.setattr(cost_lines, "groups", lambda: {"few": group})
    assert costs.main(["--smoke", "--out", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr().out
    assert "forwarding alone" in said
    assert "404 with the gateway's error document" in said
    assert "skipped: needs wings (there is no option --wings)" in said
    (outcome,) = read_run(tmp_path / "r.json")[1]
    assert len(costs.rows(outcome)) == 5
    assert all(outcome.errors_of(label) == 0 for label in outcome.samples)
    assert report.main([str(tmp_path / "r.json"), "--docs", str(tmp_path)]) == 0
    assert "| 404 with the gateway's error document | " in (tmp_path / "benchmarks.md").read_text()


def test_groups_of_the_cost_table_that_are_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        costs.main(["colours"])
    assert "no group 'colours'; there are record, routing" in capsys.readouterr().err


def test_further_contenders_and_unknown_ones(capsys: pytest.CaptureFixture[str]) -> None:
    more = run.with_also(scenarios()["plain-64"], ("floor", "haproxy"))
    assert more.contenders == (*scenarios()["plain-64"].contenders, "floor")
    with pytest.raises(SystemExit):
        run.main(["plain-64", "--also", "apache"])
    assert "'apache' is none of" in capsys.readouterr().err


def test_a_terminal_shows_how_far_it_is(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    argv = ["plain-64", "--smoke", "--peers", "", "--out", str(tmp_path / "out.json")]
    with subprocess.Popen(
        [sys.executable, "-m", "bench", *argv], stdout=theirs, env=os.environ | {"TERM": "xterm"}
    ) as running:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # what a terminal says when its last writer ends
            while piece := os.read(ours, 65536):
                shown += piece
        assert running.wait(60) == 0
    os.close(ours)
    assert "1/1 plain-64" in shown.decode(errors="replace")
