"""One look at DNS, at a name server of the test's own."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastgw.control.resolver import Found, LookupFailed, Resolver, usable
from fastgw.hosts_file import MOST_BYTES, HostsFile, family_of, read_hosts
from fastgw.name_server import name_server
from tests.control.dns_server import DnsServer

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as one:
        yield one


def resolver(server: DnsServer, folder: Path, conf: str = "", timeout_s: float = 5.0) -> Resolver:
    """One that asks the test's server, with files of the test's own."""
    (folder / "hosts").touch()
    (folder / "resolv.conf").write_text("nameserver 192.0.2.53\n" + conf)
    hosts = HostsFile(folder / "hosts")
    return Resolver([server.address], timeout_s, hosts, folder / "resolv.conf")


def find(one: Resolver, host: str) -> Found:
    return asyncio.run(one.find(host))


def test_addresses_and_the_least_ttl_of_the_chain(server: DnsServer, tmp_path: Path) -> None:
    server.zone["api.test"] = [("CNAME", 7, "real.test")]
    server.zone["real.test"] = [("A", 30, "127.0.0.2"), ("A", 30, "127.0.0.1")]
    found = find(resolver(server, tmp_path), "api.test")
    assert found == Found(((V4, "127.0.0.1"), (V4, "127.0.0.2")), 7.0)
    assert {kind for _, kind in server.asked} == {"A", "AAAA"}


def test_a_name_with_ipv6_alone(server: DnsServer, tmp_path: Path) -> None:
    server.zone["six.test"] = [("AAAA", 60, "::1")]
    assert find(resolver(server, tmp_path), "six.test").addresses == ((V6, "::1"),)


def test_search_domains(server: DnsServer, tmp_path: Path) -> None:
    """A short name is looked for in them in turn, as resolv.conf says."""
    server.zone["orders.prod.test"] = [("A", 9, "127.0.0.9")]
    one = resolver(server, tmp_path, "search none.test prod.test\n")
    assert find(one, "orders").addresses == ((V4, "127.0.0.9"),)
    assert ("orders.none.test", "A") in server.asked


def test_resolv_conf_is_read_again(server: DnsServer, tmp_path: Path) -> None:
    server.zone["orders.prod.test"] = [("A", 9, "127.0.0.9")]
    one = resolver(server, tmp_path)
    with pytest.raises(LookupFailed):
        find(one, "orders")
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\nsearch prod.test\n")
    assert find(one, "orders").addresses == ((V4, "127.0.0.9"),)


def test_hosts_file_comes_first(server: DnsServer, tmp_path: Path) -> None:
    server.zone["here.test"] = [("A", 9, "192.0.2.9")]
    one = resolver(server, tmp_path)
    (tmp_path / "hosts").write_text("127.0.0.7 other HERE.test  # comment\n::1 here.test\n")
    assert find(one, "here.test").addresses == ((V4, "127.0.0.7"), (V6, "::1"))
    assert not server.asked
    (tmp_path / "hosts").write_text("127.0.0.7 other\n")
    assert find(one, "here.test").addresses == ((V4, "192.0.2.9"),)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.test", "no such name"),
        ("empty.test", "the name has no address"),
        ("silent.test", "no name server answers"),
        ("broken.test", "SERVFAIL"),
        ("a..b", "empty"),
    ],
)
def test_failures(server: DnsServer, tmp_path: Path, name: str, says: str) -> None:
    server.zone["empty.test"] = [("TXT", 5, "x")]
    server.silent.add("silent.test")
    server.broken.add("broken.test")
    with pytest.raises(LookupFailed, match=says):
        find(resolver(server, tmp_path, timeout_s=0.5), name)


def test_one_family_that_fails_is_no_failure(server: DnsServer, tmp_path: Path) -> None:
    server.zone["half.test"] = [("A", 5, "127.0.0.3")]
    one = resolver(server, tmp_path)
    assert find(one, "half.test").addresses == ((V4, "127.0.0.3"),)


def test_no_name_server_at_all(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("")
    one = Resolver((), 1.0, HostsFile(tmp_path / "hosts"), tmp_path / "resolv.conf")
    with pytest.raises(LookupFailed):
        find(one, "x.test")


def test_addresses_without_a_route_are_left_out() -> None:
    """Unless there are no others."""
    both = [(V4, "127.0.0.1"), (V6, "100::1")]
    assert usable(both) in (both, [(V4, "127.0.0.1")])
    assert usable([(V6, "100::1")]) == [(V6, "100::1")]


def test_hosts_file_as_it_may_look(tmp_path: Path) -> None:
    assert read_hosts("") == read_hosts("# nothing\n\n nonsense a b\n127.0.0.1\n") == {}
    text = "127.0.0.1\tlocalhost box\n::1 localhost\nfe80::1%lo0 local\n127.0.0.1 localhost\n"
    found = read_hosts(text)
    assert found == {"localhost": [(V4, "127.0.0.1"), (V6, "::1")], "box": [(V4, "127.0.0.1")]}
    assert HostsFile(tmp_path / "none").find("localhost") == []
    big = tmp_path / "big"
    with open(big, "wb") as f:
        f.write(b"127.0.0.1 first\n")
        f.truncate(2 * MOST_BYTES)
    assert HostsFile(big).find("first") == [(V4, "127.0.0.1")]
    assert os.stat(big).st_size > MOST_BYTES
    assert family_of("1.2.3") == family_of("") == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.2", ("10.0.0.2", 53)),
        ("10.0.0.2:5353", ("10.0.0.2", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("[::1]", ("::1", 53)),
        ("[::1]x", None),
        ("ns.test", None),
        ("10.0.0.2:0", None),
        ("10.0.0.2:99999", None),
        ("10.0.0.2:x", None),
        ("", None),
    ],
)
def test_name_servers(text: str, found: tuple[str, int] | None) -> None:
    assert name_server(text) == found
