"""Listening addresses: how they read, how they are bound, and who is in the way."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
from pathlib import Path

import pytest

from fastgw.master.addresses import AddressError, bind_all, parse
from tests.process.gateway import fake, greeted


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80, ""),
        ("[::1]:443", "::1", 443, ""),
        (":8080", "", 8080, ""),
        ("unix:/run/x.sock", "", 0, "/run/x.sock"),
    ],
)
def test_written_forms(text: str, host: str, port: int, path: str) -> None:
    address = parse(text)
    assert (address.host, address.port, address.path) == (host, port, path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:-1",
        "1.2.3.4:8o",
        "localhost:80",
        "[1.2.3.4]:80",
        "[]:80",
        "::1:80",
        "unix:x",
        "unix:/" + "x" * 107,
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(AddressError, match="^" + re.escape(text[:5] or ":")):
        parse(text)


def test_one_socket_a_slot_and_port() -> None:
    listening = bind_all(["127.0.0.1:0"], 3)
    ports = {listening.of_slot(slot)[0].socket.getsockname()[1] for slot in range(3)}
    assert len(ports) == 1
    assert len({listening.of_slot(slot)[0].socket.fileno() for slot in range(3)}) == 3
    listening.close()


def test_bare_port_is_both_families() -> None:
    listening = bind_all([":0"], 1)
    families = {given.socket.family for given in listening.of_slot(0)}
    ports = {given.socket.getsockname()[1] for given in listening.of_slot(0)}
    listening.close()
    assert families == {socket.AF_INET, socket.AF_INET6}
    assert len(ports) == 1
    assert {given.index for given in listening.of_slot(0)} == {0}


def test_nothing_stays_open_when_one_can_not_be_bound(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with pytest.raises(AddressError):
        bind_all([f"unix:{path}", "192.0.2.1:80"], 1)
    assert not path.exists()


def test_reuse_port_neighbour_is_noticed() -> None:
    """Another SO_REUSEPORT listener would let us bind without an error."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressError, match=rf"in use by .* \(pid {os.getpid()}\)"):
            bind_all([f"127.0.0.1:{port}"], 1)


def test_address_in_use_ends_the_start_and_names_the_holder(tmp_path: Path) -> None:
    with fake(tmp_path / "a") as first:
        host, port = first.address()
        first.ready()
        with fake(tmp_path / "b", [f"{host}:{port}"]) as second:
            assert second.wait() == 1
        pids = {first.process.pid, *first.workers()}
    assert f"127.0.0.1:{port}: address in use by " in second.log
    assert any(f"(pid {pid})" in second.log for pid in pids)


def test_ipv6(tmp_path: Path) -> None:
    with fake(tmp_path, ["[::1]:0"]) as gateway:
        address = gateway.address()
        gateway.ready()
        assert address[0] == "::1"
        client, pid = greeted(address)
        client.close()
        assert pid in gateway.workers()


def test_unix_socket_is_shared_and_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with fake(tmp_path, [f"unix:{path}"], workers=2) as gateway:
        gateway.ready()
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        client, pid = greeted(str(path))
        client.close()
        assert pid in gateway.workers()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(5) == 0
    assert not path.exists()


def test_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listening = bind_all([f"unix:{path}"], 1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listening.close()


def test_live_unix_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        with pytest.raises(AddressError, match=rf"in use by .* \(pid {os.getpid()}\)"):
            bind_all([f"unix:{path}"], 1)
        assert path.exists()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(AddressError, match="is not a socket"):
        bind_all([f"unix:{path}"], 1)
    assert path.read_text() == "data"
