"""Mixes and replays: what files say, and every way to say it wrong."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from fastgw.bench.mix import read_mix, spread_out
from fastgw.bench.replay import read_replay


def mix(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mix.toml"
    file.write_text(text)
    return file


def test_mix_has_every_request_in_its_share(tmp_path: Path) -> None:
    file = mix(
        tmp_path,
        '[[request]]\nweight = 3\npath = "/a"\n'
        '[[request]]\nmethod = "POST"\npath = "/b"\nbody = "{}"\nstatus = 201\n'
        "headers = {X-A = 1}\n",
    )
    requests, order = read_mix(file, "host:80")
    assert sorted(order) == [0, 0, 0, 1]
    assert requests[0].data.startswith(b"GET /a HTTP/1.1\r\nHost: host:80\r\n")
    assert b"X-A: 1\r\nContent-Length: 2\r\n\r\n{}" in requests[1].data
    assert (requests[0].status, requests[1].status) == (0, 201)


def test_shares_are_spread_evenly() -> None:
    assert spread_out([1, 1]) == [0, 1]
    order = spread_out([90, 10])
    places = [i for i, k in enumerate(order) if k == 1]
    assert len(places) == 10
    assert {b - a for a, b in itertools.pairwise(places)} == {10}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"no \[\[request\]\]"),
        ("[[request]", "mix.toml"),
        ('[[request]]\npath = "a"', "request 1: a path begins with /"),
        ('[[request]]\npath = "/"\n[[request]]\npath = "/"\nweigth = 2', "request 2: 'weigth'"),
        ('[[request]]\npath = "/"\nweight = 0', "weight 0 is no number"),
        ('[[request]]\npath = "/"\nheaders = {A = "b\\r\\nC: d"}', "a line end"),
        ('[[request]]\npath = "/a b"', "blank"),
    ],
)
def test_mixes_that_are_wrong(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_mix(mix(tmp_path, text), "a")


JSON = '{"time":"2026-11-24T10:00:0%d.%03dZ","method":"%s","host":"h","path":"%s"}'
COMBINED = '1.2.3.4 - - [24/Nov/2026:10:00:0%d +0000] "GET /c?x=1 HTTP/1.1" 200 5 "-" "curl/8"'


def test_replay_keeps_order_and_distance() -> None:
    log = [JSON % (1, 250, "GET", "/b"), JSON % (1, 0, "HEAD", "/a"), JSON % (2, 0, "GET", "/b")]
    found = read_replay(log, "x", speed=2)
    assert found.order == [0, 1, 1]
    assert found.due_ns == [0, 125_000_000, 500_000_000]
    assert found.requests[0].data.startswith(b"HEAD /a HTTP/1.1\r\nHost: h\r\n")
    assert found.requests[0].no_body
    assert not found.requests[1].no_body


def test_combined_lines_and_those_that_are_left_out() -> None:
    log = [COMBINED % 1, "rubbish", "", JSON % (1, 0, "POST", "/p"), "{broken", COMBINED % 3]
    found = read_replay(log, "front:80")
    assert found.left_out == 3
    assert found.due_ns == [0, 2_000_000_000]
    assert found.requests[0].data.startswith(b"GET /c?x=1 HTTP/1.1\r\nHost: front:80\r\n")


def test_nothing_to_replay() -> None:
    with pytest.raises(ValueError, match="1 lines left out"):
        read_replay(["rubbish"], "a")
