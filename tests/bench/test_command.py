"""`fastgw bench`, as it is typed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.kit import Peer, answering, running_origin
from tests.meta.tree import ROOT

SHORT = ("-d", "200ms", "--warmup", "50ms", "-c", "4")
LOST = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fastgw", "bench", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def result(done: subprocess.CompletedProcess[str]) -> dict[str, float]:
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_url() -> None:
    with running_origin() as port:
        done = bench(f"http://127.0.0.1:{port}/x", *SHORT)
    assert done.returncode == 0, done.stderr
    assert "requests " in done.stdout
    assert "p99.9" in done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--rate", "300"),
        ("--pipeline", "8"),
        ("--threads", "3"),
        ("--new-connection",),
        ("-X", "POST", "--body", "hello", "-H", "X-A: b"),
        ("-X", "HEAD", "--timeout", "5s"),
    ],
    ids=lambda o: o[0],
)
def test_options(options: tuple[str, ...]) -> None:
    url = "/bytes/1024"
    if "HEAD" in options:
        with Peer(answering(*[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"] * 9999)) as peer:
            done = bench(f"http://127.0.0.1:{peer.port}{url}", *SHORT, *options, "--json")
    else:
        with running_origin() as port:
            done = bench(f"http://127.0.0.1:{port}{url}", *SHORT, *options, "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    assert result(done)["requests"] > 10


def test_websocket_events_mix_and_replay(tmp_path: Path) -> None:
    mix = tmp_path / "mix.toml"
    mix.write_text('[[request]]\nweight = 2\npath = "/a"\n[[request]]\npath = "/bytes/1024"\n')
    log = tmp_path / "log"
    line = '{"time":"2026-11-24T10:00:00.%03dZ","method":"GET","path":"/"}\n'
    log.write_text("".join(line % ms for ms in (0, 50, 100)))
    with running_origin() as port:
        at = f"127.0.0.1:{port}"
        runs = {
            "websocket": bench(f"ws://{at}/echo", *SHORT, "--message-bytes", "300", "--json"),
            "events": bench(f"http://{at}/events", *SHORT, "--events", "--json"),
            "mix": bench(f"http://{at}/", *SHORT, "--mix", str(mix), "--json"),
            "replay": bench(f"http://{at}/", *SHORT, "--replay", str(log), "--json"),
        }
    for name, done in runs.items():
        assert done.returncode == 0, (name, done.stderr, done.stdout)
        assert result(done)["requests"] >= 3, name
    assert result(runs["replay"])["requests"] == 3


def test_scenario_with_a_gateway_of_its_own() -> None:
    done = bench("plain-64", "-d", "200ms", "--warmup", "50ms")
    assert done.returncode == 0, done.stderr
    assert "us of CPU a request" in done.stdout


def test_wrong_answers_are_exit_code_1() -> None:
    with Peer(answering(*[LOST] * 9999)) as peer:
        done = bench(f"http://127.0.0.1:{peer.port}/", *SHORT)
    assert done.returncode == 1
    assert "answers with another status" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nothing to do"),
        (("ftp://a/",), "is no URL"),
        (("http://nowhere.invalid/",), "can't be resolved"),
        (("http://127.0.0.1:1/", "--timeout", "1s"), "no connection to http://127.0.0.1:1/"),
        (("no-such-scenario",), "neither a URL nor a scenario"),
        (("http://127.0.0.1:1/", "-H", "nonsense"), "is not 'Name: value'"),
        (("http://127.0.0.1:1/", "--new-connection", "--pipeline", "2"), "excludes"),
        (("http://127.0.0.1:1/", "--body", "@/nowhere"), "No such file"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_what_is_wrong_is_said_in_one_line(words: tuple[str, ...], says: str) -> None:
    done = bench(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_example_of_a_mix_on_the_demo() -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "fastgw", "demo"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert demo.stdout is not None
        at = next(
            found[0] for line in demo.stdout if (found := re.search(r"http://[\d.]+:\d+", line))
        )
        done = bench(at, *SHORT, "--mix", "examples/bench-mix.toml")
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        demo.terminate()
        demo.communicate(timeout=20)


def test_list_names_scenarios() -> None:
    assert "plain-64 " in bench("--list").stdout
