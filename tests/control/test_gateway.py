"""A whole gateway: its log, its command line, its traffic when control is in trouble."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.control.kit import until
from tests.process.gateway import Gateway
from tests.scenario.service import Service

CONFIG = """\
version: 1
routes:
  all: {{match: /*, upstream: '{url}'}}
"""


@contextmanager
def running(tmp_path: Path, *options: str, workers: int = 1) -> Iterator[tuple[Gateway, str]]:
    """A gateway before a service, and its URL."""
    with Service() as service:
        config = tmp_path / "gateway.yaml"
        config.write_text(CONFIG.format(url=service.url))
        with Gateway(
            [sys.executable, "-m", "fastgw", "run", str(config), "--workers", str(workers),
             "--listen", "127.0.0.1:0", "--run-dir", str(tmp_path), *options]
        ) as gw:  # fmt: skip
            host, port = gw.address()
            gw.ready()
            yield gw, f"http://{host}:{port}"


def fastgw(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb on this gateway."""
    return subprocess.run(
        [sys.executable, "-m", "fastgw", *words, "--run-dir", str(tmp_path)],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_log_and_command_line(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with running(tmp_path, "--access-log", str(log)) as (gw, url):
        gw.wait_for("serves .*admin.sock")
        for path in ("/a?secret=1", "/b"):
            assert httpx.get(url + path).status_code == 200
        until(lambda: log.exists() and log.read_text().count("\n") == 2, "logged")
        assert [json.loads(line)["path"] for line in log.read_text().splitlines()] == ["/a", "/b"]
        assert "secret" not in log.read_text()
        said = fastgw(tmp_path, "status")
        assert said.returncode == 0, said.stderr
        assert said.stdout.startswith("ready\ngeneration 1 (") and "worker 0: ready" in said.stdout
        found = json.loads(fastgw(tmp_path, "status", "--json").stdout)
        assert found["config"]["source"]["file"].endswith("gateway.yaml")
        log.rename(tmp_path / "access.log.1")
        gw.signal(signal.SIGUSR1)
        until(log.exists, "opened again")
        httpx.get(url + "/c")
        gw.signal(signal.SIGTERM)
        assert gw.wait() == 0
    assert [json.loads(line)["path"] for line in log.read_text().splitlines()] == ["/c"]


def test_a_reload_changes_the_log(tmp_path: Path) -> None:
    """From none to a file, to another one with another format, and to none."""
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    with running(tmp_path) as (gw, url):
        gw.wait_for("serves")
        file = tmp_path / "gateway.yaml"
        plain = file.read_text()

        def reload(text: str, number: int) -> None:
            file.write_text(plain + text)
            gw.signal(signal.SIGHUP)
            gw.wait_for(f"generation {number} serves")

        assert httpx.get(url + "/0").status_code == 200
        reload("access_log: one.log\n", 2)
        assert httpx.get(url + "/1").status_code == 200
        until(lambda: one.exists() and one.read_text().count("\n") == 1, "logged")
        reload("access_log: {to: two.log, format: '{path}'}\n", 3)
        assert httpx.get(url + "/2").status_code == 200
        until(lambda: two.exists() and two.read_text() == "/2\n", "logged")
        reload("", 4)
        assert httpx.get(url + "/3").status_code == 200
        gw.signal(signal.SIGTERM)
        assert gw.wait() == 0
    assert [json.loads(line)["path"] for line in one.read_text().splitlines()] == ["/1"]
    assert two.read_text() == "/2\n"


def test_traffic_flows_without_control(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with running(tmp_path, "--access-log", str(log)) as (gw, url), httpx.Client() as client:
        gw.wait_for("serves")
        os.kill(gw.control(), signal.SIGKILL)
        for i in range(20):
            assert client.get(f"{url}/{i}").status_code == 200
        gw.wait_for("control .* ended: killed by SIGKILL")
        gw.wait_for("serves")
        until(lambda: log.exists() and log.read_text().count("\n") == 20, "logged")


def test_full_stdout_that_nobody_reads(tmp_path: Path) -> None:
    """The pipe fills, the ring fills, lines are dropped; requests are answered all the while,
    and our end of the pipe keeps its flags."""
    read, write = os.pipe()
    with Service() as service:
        command = [
            sys.executable, "-m", "fastgw", "run", "--to", service.url, "--workers", "1",
            "--listen", "127.0.0.1:0", "--run-dir", str(tmp_path), "--access-log", "-",
            "--access-log-format", "{path}" * 60,
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=write, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "listening on" in line:
                    url = line.split("listening on ")[1].strip()
                if "serves" in line:
                    break
            path = "/" + "p" * 1500
            with httpx.Client() as client:
                for _ in range(20):
                    assert client.get(url + path).status_code == 200
                assert os.get_blocking(write)
            transport = httpx.HTTPTransport(uds=str(tmp_path / "default" / "admin.sock"))
            with httpx.Client(transport=transport, base_url="http://x") as api:
                assert api.get("/healthz").status_code == 200
        finally:
            process.terminate()
            assert process.wait(15) == 0
            process.stderr.close()  # type: ignore[union-attr]
            os.close(write)
            os.close(read)


@pytest.mark.parametrize("verb", ["status", "reload"])
def test_nobody_is_there(tmp_path: Path, verb: str) -> None:
    said = fastgw(tmp_path, verb)
    assert said.returncode == 1
    assert "no gateway runs here" in said.stderr and said.stderr.count("\n") == 1


def test_control_that_does_not_answer(tmp_path: Path) -> None:
    with running(tmp_path) as (gw, _):
        gw.wait_for("serves")
        (tmp_path / "default" / "admin.sock").unlink()
        (tmp_path / "default" / "admin.sock").write_text("")
        said = fastgw(tmp_path, "status")
        assert said.returncode == 1 and "admin.sock" in said.stderr
        assert str(gw.process.pid) in said.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--access-log", "tcp:host"], "is no target"),
        (["--access-log", "-", "--access-log-format", "{clinet}"], "did you mean 'client'"),
        (["--access-log", "-", "--access-log-fields", "path,path"], "each only once"),
        (["--access-log", "-", "--access-log-sample", "200%"], "neither a part"),
        (["--access-log", "-", "--access-log-skip", "paht=/x"], "did you mean 'path'"),
        (["--access-log-format", "combined"], "'to' is missing: nothing is written"),
        (["--admin-listen", "127.0.0.1:0"], "needs --admin-token-file"),
        (["--admin-token-file", "/nowhere/token"], "No such file"),
        (["--metrics-listen", "nonsense"], "an address is"),
    ],
)
def test_wrong_options_end_the_start(tmp_path: Path, options: list[str], says: str) -> None:
    said = fastgw(
        tmp_path, "run", "--to", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", *options
    )
    assert said.returncode in (1, 2)
    assert says in said.stderr, said.stderr
    assert "Traceback" not in said.stderr


def metrics(tmp_path: Path) -> dict[str, float]:
    """Every sample of a gateway, by its name with labels."""
    transport = httpx.HTTPTransport(uds=str(tmp_path / "default" / "admin.sock"))
    with httpx.Client(transport=transport, base_url="http://x") as api:
        text = api.get("/metrics").text
    return {
        s.name + ",".join(v for k, v in sorted(s.labels.items()) if k != "le"): s.value
        for family in parse(text)
        for s in family.samples
    }


def test_counters_outlive_their_workers(tmp_path: Path) -> None:
    """kill -9 while requests are under way: no counter falls, no level sticks."""
    with running(tmp_path) as (gw, url):
        gw.wait_for("serves")
        for i in range(3):
            with httpx.Client() as client:
                for _ in range(5):
                    assert client.get(url + "/").status_code == 200
            with socket.create_connection(url.removeprefix("http://").split(":")) as s:
                s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
                until(lambda: metrics(tmp_path).get("fastgw_exchanges0") == 1, "under way")
                before = metrics(tmp_path)
                assert before["fastgw_requests_totalall,2xx"] == 5 * (i + 1)
                (pid,) = gw.workers()
                os.kill(pid, signal.SIGKILL)
                until(lambda: metrics(tmp_path)["fastgw_workers"] == 1, "replaced")
            until(lambda: metrics(tmp_path)["fastgw_exchanges0"] == 0, "over")
            after = metrics(tmp_path)
            fell = {
                name: (value, after.get(name))
                for name, value in before.items()
                if ("_total" in name or "_count" in name or "_bucket" in name)
                and after.get(name, 0) < value
            }
            assert not fell
            levels = [v for k, v in after.items() if "open_attempts" in k or "busy_conn" in k]
            assert set(levels) == {0}
            assert after["fastgw_worker_restarts_total"] == i + 1


def test_counters_are_kept_over_reloads(tmp_path: Path) -> None:
    with running(tmp_path) as (gw, url):
        gw.wait_for("serves")
        httpx.get(url + "/")
        said = fastgw(tmp_path, "reload")
        assert (said.returncode, said.stdout) == (0, "generation 2 is running\n"), said.stderr
        httpx.get(url + "/")
        assert metrics(tmp_path)["fastgw_requests_totalall,2xx"] == 2
        (tmp_path / "gateway.yaml").write_text("version: 1\nroutes: {a: {match: /, upstrem: x}}\n")
        said = fastgw(tmp_path, "reload")
        assert said.returncode == 2 and "did you mean 'upstream'" in said.stderr
        now = metrics(tmp_path)
        assert (now["fastgw_reloads_total"], now["fastgw_reload_failures_total"]) == (1, 1)
        assert httpx.get(url + "/").status_code == 200


def test_put_config(tmp_path: Path) -> None:
    with running(tmp_path) as (gw, url):
        gw.wait_for("serves")
        transport = httpx.HTTPTransport(uds=str(tmp_path / "default" / "admin.sock"))
        with httpx.Client(transport=transport, base_url="http://x", timeout=30) as api:
            text = "version: 1\nroutes: {b: {match: /*, respond: {status: 418}}}\n"
            assert api.put("/config?dry_run=true", content=text).json()["changed"] is False
            assert httpx.get(url + "/").status_code == 200
            assert api.put("/config", content=text).json() == {"changed": True, "generation": 2}
            assert httpx.get(url + "/").status_code == 418
            assert api.put("/config", content="version: 9\n").status_code == 422
            assert httpx.get(url + "/").status_code == 418
            assert api.post("/reload").json()["generation"] == 4
            assert httpx.get(url + "/").status_code == 200


def test_what_a_put_configuration_names_is_beside_the_file(tmp_path: Path) -> None:
    """As for a dry run, so for the change itself; errors say a line of what was put."""
    with running(tmp_path) as (gw, url):
        gw.wait_for("serves")
        (tmp_path / "more").mkdir()
        (tmp_path / "more" / "b.yaml").write_text(
            "version: 1\nroutes: {b: {match: /b, respond: {status: 418}}}\n"
        )
        transport = httpx.HTTPTransport(uds=str(tmp_path / "default" / "admin.sock"))
        with httpx.Client(transport=transport, base_url="http://x", timeout=30) as api:
            text = "version: 1\ninclude: more/*.yaml\nroutes: {}\n"
            assert api.put("/config?dry_run=true", content=text).status_code == 200
            assert api.put("/config", content=text).status_code == 200
            assert httpx.get(url + "/b").status_code == 418
            for query in ("", "?dry_run=true"):
                said = api.put(f"/config{query}", content=text.replace("*.yaml", "none.yaml"))
                assert said.status_code == 422
                assert any("put-config.yaml:2:" in line for line in said.json()["errors"])
        assert not list(tmp_path.glob("put-*"))


def test_log_level_of_all_processes(tmp_path: Path) -> None:
    with running(tmp_path) as (gw, _):
        gw.wait_for("serves")
        transport = httpx.HTTPTransport(uds=str(tmp_path / "default" / "admin.sock"))
        with httpx.Client(transport=transport, base_url="http://x") as api:
            assert api.put("/log-level", json={"level": "debug"}).status_code == 200
        gw.signal(signal.SIGTERM)
        gw.wait_for("debug master.* worker 0 .* drains")
