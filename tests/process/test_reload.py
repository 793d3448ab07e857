"""Reload in place: the next request is served by the new configuration, and nobody notices."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from fastgw.master.compile_job import NICE, CompileJob
from fastgw.master.compiler import CompileError
from fastgw.master.settings import Compiled
from tests.process.gateway import Gateway, fake, greeted
from tests.process.service import (
    Load,
    Tunnel,
    ask,
    configuration,
    connect,
    run,
)
from tests.scenario.origin import Origin

SAID = b"GET /said HTTP/1.1\r\nHost: gw.test\r\n\r\n"


def said(status: int) -> str:
    return f"said: {{match: /said, respond: {{status: {status}}}}}"


def reload(gateway: Gateway, file: Path, text: str) -> None:
    file.write_text(text)
    gateway.signal(signal.SIGHUP)
    gateway.wait_for(r"reload \(HUP\): generation \d+ serves")


def status(client: socket.socket, request: bytes = SAID) -> int:
    return int(ask(client, request).split()[1])


def test_kept_connection_is_served_by_the_new_configuration(tmp_path: Path, origin: Origin) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin, [said(200)]))
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        before = gateway.workers()
        with connect(address) as client:
            assert status(client) == 200
            for number in (201, 202, 203):
                reload(gateway, file, configuration(origin, [said(number)]))
                assert status(client) == number
        assert gateway.workers() == before


def test_bad_configuration_changes_nothing_and_says_why(tmp_path: Path, origin: Origin) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin, [said(201)]))
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        with connect(address) as client:
            for text, why in (
                (configuration(origin, ["wrong: {pth: /x}"]), r"gateway\.yaml:6:\d+: .*pth"),
                ("\0", r"gateway\.yaml"),
                ("", r"gateway\.yaml"),
            ):
                file.write_text(text)
                gateway.signal(signal.SIGHUP)
                gateway.wait_for("error master.*" + why)
                gateway.wait_for(r"reload \(HUP\) failed: generation 1 goes on")
                assert status(client) == 201
            file.unlink()
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(r"failed: generation 1 goes on")
            reload(gateway, file, configuration(origin, [said(204)]))
            assert status(client) == 204


def test_tunnels_requests_and_load_go_on(tmp_path: Path, origin: Origin) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin))
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        tunnels = [Tunnel(address) for _ in range(20)]
        upload = connect(address)
        upload.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        with Load(address) as kept, Load(address, fresh=True) as fresh:
            for i in range(5):
                reload(gateway, file, configuration(origin, [said(200 + i)]))
                upload.sendall(b"%d" % i)
                assert all(t.echoes(b"%d" % i) for t in tunnels)
                kept.more()
                fresh.more()
        assert kept.failures == fresh.failures == []
        assert ask(upload, b"!").startswith(b"HTTP/1.1 200")
        upload.close()
        for t in tunnels:
            t.close()


def maps_of_plans(pid: int) -> int:
    return Path(f"/proc/{pid}/maps").read_text().count("fastgw-plan")


def test_old_plan_is_unmapped_though_tunnels_stay(tmp_path: Path, origin: Origin) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin))
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        (pid,) = gateway.workers()
        tunnel = Tunnel(address)
        for i in range(3):
            reload(gateway, file, configuration(origin, [said(200 + i)]))
        end = time.monotonic() + 10
        while maps_of_plans(pid) > 1:
            assert time.monotonic() < end, "old plans are still mapped"
            time.sleep(0.01)
        assert tunnel.echoes(b"still there")
        tunnel.close()


def test_request_under_way_ends_with_its_own_configuration(tmp_path: Path, origin: Origin) -> None:
    """Its plan stays mapped until it has ended."""
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin))
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        address = gateway.address()
        gateway.ready()
        (pid,) = gateway.workers()
        with connect(address) as upload:
            upload.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
            time.sleep(0.05)
            reload(gateway, file, configuration(origin, [said(200)]))
            assert maps_of_plans(pid) == 2
            assert ask(upload, b"def").startswith(b"HTTP/1.1 200")
        end = time.monotonic() + 10
        while maps_of_plans(pid) > 1:
            assert time.monotonic() < end, "the old plan is still mapped"
            time.sleep(0.01)


def two(origin: Origin, more: str) -> str:
    text = configuration(origin)
    return text.replace("{main: '127.0.0.1:0'}", f"{{main: '127.0.0.1:0'{more}}}")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def test_listeners_come_and_go(tmp_path: Path, origin: Origin) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(two(origin, ""))
    port = free_port()
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        reload(gateway, file, two(origin, f", a-second: '127.0.0.1:{port}'"))
        kept = connect(("127.0.0.1", port))
        for _ in range(4):
            with connect(("127.0.0.1", port)) as client:
                assert ask(client).endswith(b"ok")
        reload(gateway, file, two(origin, ""))
        assert ask(kept).endswith(b"ok")
        kept.close()
        with connect(address) as client:
            assert ask(client).endswith(b"ok")
        gateway_refuses(port)


def gateway_refuses(port: int) -> None:
    """New connections are refused, at the latest once the socket is closed."""
    end = time.monotonic() + 12
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except ConnectionRefusedError:
            return
        except TimeoutError:
            pass
        assert time.monotonic() < end


def test_address_that_is_taken_refuses_the_reload(tmp_path: Path, origin: Origin) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(two(origin, ""))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with run(tmp_path, str(file), "--workers", "1") as gateway:
            address = gateway.address()
            gateway.ready()
            file.write_text(two(origin, f", more: '127.0.0.1:{port}'"))
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(rf"127.0.0.1:{port}: address in use")
            gateway.wait_for("failed: generation 1 goes on")
            with connect(address) as client:
                assert ask(client).endswith(b"ok")


def test_compiler_stands_back_behind_requests() -> None:
    def found(_source: object) -> Compiled:
        raise CompileError([str(os.nice(0))])

    job = CompileJob(found, {}, 2, lambda: None)
    with pytest.raises(CompileError) as told:
        job.result()
    assert int(told.value.lines[0]) == min(19, os.nice(0) + NICE) > os.nice(0)


def test_reloads_in_a_row_become_one_more(tmp_path: Path) -> None:
    with fake(tmp_path, workers=2) as gateway:
        gateway.ready()
        for _ in range(5):
            gateway.signal(signal.SIGHUP)
        gateway.wait_for(r"generation 2 serves")
        end = time.monotonic() + 1
        while time.monotonic() < end:
            client, _ = greeted_again(gateway)
            client.close()
        numbers = re.findall(r"generation (\d+) serves", gateway.log)
        assert numbers[-1:] <= ["3"]


def greeted_again(gateway: Gateway) -> tuple[socket.socket, int]:
    found = re.search(r"http://([^:]+):(\d+)", gateway.log)
    assert found
    return greeted((found[1], int(found[2])))


def test_worker_that_refuses_leaves_everyone_with_the_old_plan(tmp_path: Path) -> None:
    with fake(tmp_path, workers=2, orders={"refuse": True}) as gateway:
        gateway.ready()
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("worker . refuses generation 2: RuntimeError: this plan can't be used")
        gateway.wait_for("failed: generation 1 goes on")


def test_worker_that_dies_meanwhile_does_not_hold_the_reload(tmp_path: Path) -> None:
    with fake(tmp_path, workers=2) as gateway:
        gateway.ready()
        stopped, _ = gateway.workers()
        os.kill(stopped, signal.SIGSTOP)
        gateway.signal(signal.SIGHUP)
        gateway.wait_for("compiling generation 2")
        os.kill(stopped, signal.SIGKILL)
        gateway.wait_for("generation 2 serves")


def test_watch_reloads_when_a_file_has_changed(tmp_path: Path, origin: Origin) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(configuration(origin, [said(200)]))
    with run(tmp_path, str(file), "--workers", "1", "--watch") as gateway:
        address = gateway.address()
        gateway.ready()
        with connect(address) as client:
            assert status(client) == 200
            new = tmp_path / "new"
            new.write_text(configuration(origin, [said(203)]))
            new.rename(file)
            gateway.wait_for(r"reload \(a file has changed\): generation 2 serves")
            assert status(client) == 203


def test_watch_looks_at_every_file_that_was_read(tmp_path: Path, origin: Origin) -> None:
    """What is included, what is named, what was missing; not at neighbours of the same kind."""
    more = tmp_path / "more.d"
    more.mkdir()
    (more / "a.yaml").write_text("routes:\n  said: {match: /said, respond: {status: 201}}\n")
    (tmp_path / "body.txt").write_text("one")
    (tmp_path / "token").write_text("t1")
    file = tmp_path / "gateway.yaml"
    routes = [
        "body: {match: /body, respond: {file: body.txt}}",
        "token: {match: /token, respond: {body: '${file:token}'}}",
    ]
    file.write_text("include: more.d/*.yaml\n" + configuration(origin, routes))
    with run(tmp_path, str(file), "--workers", "1", "--watch") as gateway:
        address = gateway.address()
        gateway.ready()

        def served(path: str) -> bytes:
            with connect(address) as client:
                return ask(client, SAID.replace(b"/said", path.encode()))

        (tmp_path / "neighbour.yaml").write_text("no part of it")
        (tmp_path / "body.txt").write_text("another")
        gateway.wait_for(r"reload \(a file has changed\): generation 2 serves")
        assert served("/body").endswith(b"another")
        (more / "b.yaml").write_text("routes:\n  more: {match: /more, respond: {status: 202}}\n")
        gateway.wait_for(r"generation 3 serves")
        assert served("/more").startswith(b"HTTP/1.1 202")
        (tmp_path / "token").unlink()
        gateway.wait_for(r"token: No such file")
        gateway.wait_for(r"failed: generation 3 goes on")
        (tmp_path / "token").write_text("t2")
        gateway.wait_for(r"generation 5 serves")
        assert served("/token").endswith(b"t2")
        assert served("/said").startswith(b"HTTP/1.1 201")


def test_wide_address_becomes_a_narrow_one_and_back(tmp_path: Path, origin: Origin) -> None:
    file, port = tmp_path / "gateway.yaml", free_port()
    file.write_text(configuration(origin, listen=f":{port}"))
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        gateway.ready()
        with Load(("127.0.0.1", port), fresh=True) as fresh, Load(("127.0.0.1", port)) as kept:
            for listen in (f"127.0.0.1:{port}", f":{port}"):
                reload(gateway, file, configuration(origin, listen=listen))
                fresh.more(50)
                kept.more(50)
        assert fresh.failures == kept.failures == []


def test_narrow_address_beside_somebody_else_is_refused(tmp_path: Path, origin: Origin) -> None:
    """A second gateway with SO_REUSEPORT would get its connections without an error."""
    file, port = tmp_path / "gateway.yaml", free_port()
    file.write_text(configuration(origin, listen=f"127.0.0.1:{port}"))
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with run(tmp_path, str(file), "--workers", "1") as gateway:
            address = gateway.address()
            gateway.ready()
            other.bind(("127.0.0.2", port))
            other.listen()
            file.write_text(configuration(origin, listen=f":{port}"))
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(rf":{port}: address in use")
            with connect(address) as client:
                assert ask(client).endswith(b"ok")


def test_other_code_of_a_plugin_means_a_whole_new_set(
    tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from fastgw import Policy, Response\n"
        "class Answers(Policy):\n"
        "    def on_request(self, request):\n"
        "        return Response({})\n"
    )
    plugin, file = tmp_path / "answering.py", tmp_path / "gateway.yaml"
    plugin.write_text(code.format(201))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    route = "mine: {match: /said, upstream: app, policies: [{plugin: 'answering:Answers'}]}"
    file.write_text(configuration(origin, [route]))
    with run(tmp_path, str(file), "--workers", "2") as gateway:
        address = gateway.address()
        gateway.ready()
        before = gateway.workers()
        with connect(address) as client, Load(address, fresh=True) as load:
            assert status(client) == 201
            plugin.write_text("this is no Python")
            gateway.signal(signal.SIGHUP)
            gateway.wait_for("failed: generation 1 goes on")
            assert status(client) == 201
            plugin.write_text(code.format(202))
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(r"generation \d serves")
            load.more(50)
            # The old worker serves this once more, and says that it was the last time.
            said = ask(client, SAID)
            assert said.startswith(b"HTTP/1.1 201") and b"connection: close" in said.lower()
            with connect(address) as other:
                assert status(other) == 202
        assert load.failures == []
        assert not set(before) & set(gateway.workers()[-2:])
