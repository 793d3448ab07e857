"""Metrics as text, by the word of another parser, and in time."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_modern
from prometheus_client.parser import text_string_to_metric_families as parse

from fastgw.control.exposition import OPENMETRICS, PROMETHEUS, Exposition, Row, wanted_type
from fastgw.ext.record.catalogue import CELLS, RowKind, kind_named, read_catalogue


def cells(kind: str, **values: int | list[int]) -> list[int]:
    """A row's cells, from the short names of its metrics."""
    found = [0] * CELLS
    for m in kind_named(kind).metrics:
        value = values.get(m.name.removeprefix("fastgw_"), 0)
        given = value if isinstance(value, list) else [value]
        found[m.at : m.at + len(given)] = given
    return found


def samples(
    text: bytes, modern: bool = False
) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = (parse_modern if modern else parse)(text.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def one_of_each() -> dict[str, list[Row]]:
    """A row of every kind, every cell with a number of its own."""
    return {
        kind.name: [(tuple(f"a{i}" for i, _ in enumerate(kind.labels)), [*range(1, CELLS + 1)])]
        for kind in read_catalogue()
    }


@pytest.mark.parametrize("modern", [False, True])
def test_every_metric_is_there(modern: bool) -> None:
    text = Exposition(read_catalogue()).render(one_of_each(), OPENMETRICS if modern else PROMETHEUS)
    families = {f.name: f for f in (parse_modern if modern else parse)(text.decode())}
    for kind in read_catalogue():
        for m in kind.metrics:
            found = families[m.name.removesuffix("_total")]
            assert (found.type, found.documentation) == (m.type, m.help)
            assert found.samples
    assert text.endswith(b"# EOF\n") == modern


@pytest.mark.parametrize("modern", [False, True])
def test_histogram(modern: bool) -> None:
    row = cells("route", request_duration_seconds=[1, 2, *[0] * 11, 4, 5, 7_500_000])
    rows = {"route": [(("r",), row)]}
    text = Exposition(read_catalogue()).render(rows, OPENMETRICS if modern else PROMETHEUS)
    found = samples(text, modern)
    name = "fastgw_request_duration_seconds"

    def bucket(end: str) -> float:
        return found[name + "_bucket", (("le", end), ("route", "r"))]

    assert (bucket("0.001"), bucket("0.002"), bucket("0.5")) == (1, 3, 3)
    assert (bucket("30.0" if modern else "30"), bucket("+Inf")) == (7, 12)
    assert found[name + "_count", (("route", "r"),)] == 12
    assert found[name + "_sum", (("route", "r"),)] == 7.5


def test_status_classes_and_reasons() -> None:
    rows = {
        "route": [(("r",), cells("route", requests_total=[1, 0, 5, 0, 2, 3]))],
        "route_reason": [(("r", "no_route"), [4])],
    }
    found = samples(Exposition(read_catalogue()).render(rows))
    assert found["fastgw_requests_total", (("route", "r"), ("status_class", "2xx"))] == 5
    assert found["fastgw_requests_total", (("route", "r"), ("status_class", "none"))] == 1
    labels = (("reason", "no_route"), ("route", "r"), ("side", "gateway"))
    assert found["fastgw_request_reasons_total", labels] == 4


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "100%", "%d", "ü{}", 'x",route="y'])
def test_labels_are_escaped(name: str, modern: bool) -> None:
    rows = {"route": [((name,), cells("route", retries_total=3))]}
    text = Exposition(read_catalogue()).render(rows, OPENMETRICS if modern else PROMETHEUS)
    assert samples(text, modern)["fastgw_retries_total", (("route", name),)] == 3


def test_lines_of_a_metric_stand_together() -> None:
    rows = {"route": [((f"r{i}",), cells("route")) for i in range(3)]}
    seen: list[str] = []
    for line in Exposition(read_catalogue()).render(rows).decode().splitlines():
        name = line.split()[2] if line[0] == "#" else line.partition("{")[0]
        for end in ("_bucket", "_sum", "_count"):
            name = name.removesuffix(end)
        if not seen or seen[len(seen) - 1] != name:
            seen.append(name)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    ("accept", "is_"),
    [
        ("", PROMETHEUS),
        ("*/*", PROMETHEUS),
        ("text/plain;version=0.0.4", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS),
    ],
)
def test_format_is_what_was_asked_for(accept: str, is_: str) -> None:
    assert wanted_type(accept) == is_


def many_rows() -> dict[str, list[Row]]:
    """10,000 rows, of which 1,000 hold histograms."""
    routes: Iterable[Row] = (((f"route-{i}",), [*range(CELLS)]) for i in range(1000))
    reasons: Iterable[Row] = ((((f"route-{i % 1000}", f"reason_{i}")), [i]) for i in range(9000))
    return {"route": list(routes), "route_reason": list(reasons)}


@pytest.mark.plain_build
def test_ten_thousand_rows_take_less_than_50_ms() -> None:
    exposition, rows = Exposition(read_catalogue()), many_rows()
    first = exposition.render(rows)
    best_s = min(timed(exposition, rows) for _ in range(5))
    assert first.count(b"\n") > 9000 + 1000 * 20
    assert best_s < 0.050


def timed(exposition: Exposition, rows: dict[str, list[Row]]) -> float:
    begun_s = time.thread_time()
    exposition.render(rows)
    return time.thread_time() - begun_s


def test_catalogue_keeps_its_rules() -> None:
    kinds: tuple[RowKind, ...] = read_catalogue()
    for kind in kinds:
        for m in kind.metrics:
            assert m.name.endswith("_total") == (m.type == "counter")
            assert (m.scale == 1_000_000) == m.name.endswith("_seconds") or m.type == "gauge"
            assert m.help.endswith(".")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")
def test_promtool_has_nothing_to_say() -> None:
    text = Exposition(read_catalogue()).render(one_of_each())
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
