"""Limits of connections by the client's address."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

import pytest

from fastgw.ext.io.peer_limits import LocalPeerLimits, NodePeerLimits
from fastgw.ext.shm.addresses import AddressColumn, create_addresses
from tests.edge.kit import GET, listening, v1
from tests.scenario.client import Client
from tests.scenario.origin import Origin

NOBODY = ("192.0.2.0/24",)


def test_connections_at_once() -> None:
    limits = LocalPeerLimits(connections=2)
    said = [limits.ask("203.0.113.9", 1) for _ in range(3)]
    assert [verdict for verdict, _ in said] == ["admitted", "admitted", "too_many"]
    assert limits.ask("203.0.113.10", 1)[0] == "admitted"
    limits.give_back(said[0][1])
    assert limits.ask("203.0.113.9", 1)[0] == "admitted"
    assert limits.too_many == 1


def test_new_ones_a_second() -> None:
    limits = LocalPeerLimits(per_second=2)
    at = {0: 2, 400: 0, 500: 1, 1000: 1, 1001: 0, 9000: 2}
    for now_ms, admitted in at.items():
        said = [limits.ask("203.0.113.9", now_ms + 1)[0] for _ in range(3)]
        assert said.count("admitted") == admitted, now_ms
        assert said.count("too_fast") == 3 - admitted


def test_ipv6_counts_by_prefix() -> None:
    limits = LocalPeerLimits(connections=1, ipv6_prefix=56)
    assert limits.ask("2001:db8:0:aa00::1", 1)[0] == "admitted"
    assert limits.ask("2001:db8:0:aaff::2", 1)[0] == "too_many"
    assert limits.ask("2001:db8:0:ab00::1", 1)[0] == "admitted"
    assert limits.ask("203.0.113.9", 1)[0] == "admitted"
    assert limits.ask("203.0.113.10", 1)[0] == "admitted"


def test_a_full_table_lets_through_and_counts() -> None:
    limits = LocalPeerLimits(connections=1, rows=16)
    said = [limits.ask(f"203.0.113.{i}", 1)[0] for i in range(20)]
    assert said == ["admitted"] * 16 + ["uncounted"] * 4
    assert limits.uncounted == 4


def test_rows_are_used_again() -> None:
    limits = LocalPeerLimits(connections=1, per_second=5, rows=16)
    for round_ in range(5):
        now_ms = 1 + 2000 * round_
        rows = [limits.ask(f"203.0.{round_}.{i}", now_ms) for i in range(16)]
        assert {verdict for verdict, _ in rows} == {"admitted"}
        for _, row in rows:
            limits.give_back(row)


def test_against_a_plain_count() -> None:
    """Many addresses coming and going: never more than the limit, and nobody refused below it."""
    dice = Random(4)
    limits = LocalPeerLimits(connections=3, rows=4096)
    open_: list[tuple[str, int]] = []
    for step in range(20_000):
        if open_ and dice.random() < 0.5:
            _, row = open_.pop(dice.randrange(len(open_)))
            limits.give_back(row)
            continue
        address = f"10.0.{dice.randrange(2)}.{dice.randrange(100)}"
        there = sum(one == address for one, _ in open_) if len(open_) < 2000 else 0
        verdict, row = limits.ask(address, step + 1)
        assert verdict == ("too_many" if there >= 3 else "admitted")
        if verdict == "admitted":
            open_.append((address, row))


def test_the_node_counts_connections_each_worker_new_ones() -> None:
    table = create_addresses(3, rows=64)
    a, b = (
        NodePeerLimits(AddressColumn(table, i), "main", connections=3, per_second=2) for i in (1, 2)
    )
    assert [a.ask("203.0.113.9", 1)[0] for _ in range(3)] == ["admitted", "admitted", "too_fast"]
    assert table.connections() == 2, "who came too fast is not counted"
    verdict, row = b.ask("203.0.113.9", 1)
    assert verdict == "admitted"
    assert b.ask("203.0.113.9", 1)[0] == "too_many"
    b.give_back(row)
    assert b.ask("203.0.113.9", 1)[0] == "admitted", "who was one too many has cost no credit"
    assert (a.too_many, a.too_fast, b.too_many, b.too_fast) == (0, 1, 1, 0)


def test_the_node_counts_ipv6_by_prefix() -> None:
    column = AddressColumn(create_addresses(2, rows=64), 1)
    limits = NodePeerLimits(column, "main", connections=1, ipv6_prefix=56)
    assert limits.ask("2001:db8:0:aa00::1", 1)[0] == "admitted"
    assert limits.ask("2001:db8:0:aaff::2", 1)[0] == "too_many"
    assert limits.ask("2001:db8:0:ab00::1", 1)[0] == "admitted"


def test_a_full_table_of_the_node_lets_through_and_counts() -> None:
    limits = NodePeerLimits(AddressColumn(create_addresses(2, rows=16), 1), "main", connections=1)
    said = [limits.ask(f"203.0.113.{i}", 1)[0] for i in range(20)]
    assert said == ["admitted"] * 16 + ["uncounted"] * 4
    assert limits.uncounted == 4


def test_without_a_limit_at_once_the_node_counts_nothing() -> None:
    table = create_addresses(2, rows=16)
    limits = NodePeerLimits(AddressColumn(table, 1), "main", per_second=1)
    assert [limits.ask("203.0.113.9", 1)[0] for _ in range(2)] == ["uncounted", "too_fast"]
    assert (table.connections(), limits.uncounted) == (0, 0)


@pytest.mark.parametrize(("rows", "prefix"), [(15, 64), (100, 64), (16, 0), (16, 129)])
def test_what_makes_no_table(rows: int, prefix: int) -> None:
    with pytest.raises(ValueError):
        LocalPeerLimits(rows=rows, ipv6_prefix=prefix)


def test_a_listener_refuses_one_too_many() -> None:
    limits = {"connections": 2}
    with Origin() as origin, listening(origin, trusted=NOBODY, per_address=limits) as gw:
        with Client(gw.address) as a, Client(gw.address) as b:
            assert a.send(GET).answer().status == b.send(GET).answer().status == 200
            with Client(gw.address) as c:
                assert c.at_end()
            assert gw.counters()["address_too_many"] == 1
            assert a.send(GET).answer().status == 200, "those who are there go on"
        gw.until(lambda n: n["connections"] == 0, "gone")
        with Client(gw.address) as a:
            assert a.send(GET).answer().status == 200


def test_a_listener_refuses_who_comes_too_fast() -> None:
    limits = {"per_second": 3}
    with Origin() as origin, listening(origin, trusted=NOBODY, per_address=limits) as gw:
        served = 0
        for _ in range(8):
            with Client(gw.address) as c, contextlib.suppress(EOFError, ConnectionError):
                served += c.send(GET).answer().status == 200
        assert 3 <= served <= 5
        assert gw.counters()["address_too_fast"] == 8 - served


def test_trusted_proxies_are_not_limited_but_those_they_name_are() -> None:
    with Origin() as origin:
        o: dict[str, Any] = {"per_address": {"connections": 1}, "proxy_protocol": {}}
        with listening(origin, **o) as gw, contextlib.ExitStack() as held:
            for i in range(3):
                c = held.enter_context(Client(gw.address))
                assert c.send(v1(f"203.0.113.{i}") + GET).answer().status == 200
            with Client(gw.address) as c:
                assert c.send(v1("203.0.113.0") + GET).at_end()
            for _ in range(3):
                c = held.enter_context(Client(gw.address))
                assert c.send(b"PROXY UNKNOWN\r\n" + GET).answer().status == 200
