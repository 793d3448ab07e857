"""The table of client addresses: exact over processes that count, die and meet in a row."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from random import Random

import pytest

from fastgw.ext.shm.addresses import AddressColumn, create_addresses, map_addresses
from fastgw.ext.shm.segment import SegmentError, create_segment

NO_PLACE, TOO_MANY = -1, -2
HOME = "203.0.113.9"


def test_the_sum_of_all_processes_is_limited() -> None:
    table = create_addresses(4, rows=64)
    a, b = AddressColumn(table, 1), AddressColumn(table, 2)
    row = a.ask(HOME, most=2)
    assert row >= 0
    assert b.ask(HOME, most=2) == row
    assert a.ask(HOME, most=2) == b.ask(HOME, most=2) == TOO_MANY
    assert a.ask("203.0.113.10", most=2) >= 0, "another address"
    b.give_back(row)
    assert a.ask(HOME, most=2) == row


def test_listeners_do_not_share_their_counts() -> None:
    a = AddressColumn(create_addresses(2, rows=64), 1)
    assert a.ask(HOME, whose=1, most=1) >= 0
    assert a.ask(HOME, whose=2, most=1) >= 0
    assert a.ask(HOME, whose=1, most=1) == TOO_MANY


def test_what_a_dead_process_counted_is_gone() -> None:
    table = create_addresses(4, rows=64)
    dead, living = AddressColumn(table, 1), AddressColumn(table, 2)
    for _ in range(3):
        dead.ask(HOME)
    living.ask(HOME)
    assert table.connections() == 4
    table.clear(1)
    assert table.connections() == 1
    assert living.ask(HOME, most=2) >= 0
    assert living.ask(HOME, most=2) == TOO_MANY


def test_a_full_table_has_no_place_until_somebody_leaves() -> None:
    table = create_addresses(2, rows=16)
    a = AddressColumn(table, 1)
    rows = [a.ask(f"203.0.113.{i}", most=1) for i in range(16)]
    assert sorted(rows) == list(range(16))
    assert a.ask("203.0.113.99", most=1) == NO_PLACE
    assert a.ask("203.0.113.3", most=1) == TOO_MANY, "those in the table are counted"
    a.give_back(rows[5])
    assert a.ask("203.0.113.99", most=1) == rows[5]
    assert a.ask("203.0.113.5", most=1) == NO_PLACE


def test_a_row_that_was_held_by_a_dead_process_is_used_again() -> None:
    table = create_addresses(2, rows=16)
    a = AddressColumn(table, 1)
    row = a.ask(HOME)
    a.give_back(row)
    table.hold(row)
    others = [a.ask(f"203.0.113.{i}", most=1) for i in range(10, 26)]
    assert NO_PLACE in others, "it is waited for, but not for ever"
    for other in others:
        a.give_back(other)
    table.clear(0)
    assert sorted(a.ask(f"198.51.100.{i}", most=1) for i in range(16)) == list(range(16))


def test_against_a_plain_count() -> None:
    """Two processes, few addresses, a table that is never full."""
    table, random = create_addresses(3, rows=64), Random(5)
    columns = [AddressColumn(table, i) for i in (1, 2)]
    open_rows: dict[str, list[tuple[AddressColumn, int]]] = {}
    for _ in range(3000):
        address, column = f"203.0.113.{random.randrange(8)}", random.choice(columns)
        there = open_rows.setdefault(address, [])
        if random.random() < 0.5:
            row = column.ask(address, most=5)
            assert (row == TOO_MANY) == (len(there) >= 5)
            if row >= 0:
                there.append((column, row))
        elif there:
            who, row = there.pop(random.randrange(len(there)))
            who.give_back(row)
    assert table.connections() == sum(map(len, open_rows.values()))


def in_child(work: Callable[[], None]) -> int:
    """Run something in another process."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return pid


def test_many_processes_at_once_count_exactly() -> None:
    """They meet in the same rows, which change hands all the time; nothing is lost."""
    table = create_addresses(5, rows=16)

    def work(index: int) -> None:
        column, random = AddressColumn(table, index), Random(index)
        held: list[int] = []
        for _ in range(20_000):
            if held and random.random() < 0.5:
                column.give_back(held.pop(random.randrange(len(held))))
            else:
                row = column.ask(f"203.0.113.{random.randrange(64)}", most=3)
                held += [row] if row >= 0 else []
        for row in held:
            column.give_back(row)

    pids = [in_child(lambda i=i: work(i)) for i in range(1, 4)]  # type: ignore[misc]
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    assert table.connections() == 0
    column = AddressColumn(table, 4)
    rows = [column.ask(f"198.51.100.{i}", most=1) for i in range(16)]
    assert sorted(rows) == list(range(16)), "every row can be used again"


def test_a_process_that_is_killed_leaves_nothing_behind() -> None:
    table = create_addresses(3, rows=64)
    read, write = os.pipe()

    def work() -> None:
        column = AddressColumn(table, 1)
        for i in range(20):
            column.ask(f"203.0.113.{i}")
        os.write(write, b"x")
        signal.pause()

    pid = in_child(work)
    assert os.read(read, 1) == b"x"
    assert table.connections() == 20
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    table.clear(1)
    assert table.connections() == 0
    os.close(read)
    os.close(write)


def test_the_next_master_maps_it() -> None:
    table = create_addresses(3, rows=64)
    AddressColumn(table, 1).ask(HOME)
    again = map_addresses(table.segment.fd, 3)
    assert again.connections() == 1
    with pytest.raises(ValueError, match="3 columns of addresses, not 4"):
        map_addresses(table.segment.fd, 4)


def test_what_is_no_table() -> None:
    for rows in (0, 15, 100):
        with pytest.raises(ValueError, match="power of two"):
            create_addresses(2, rows=rows)
    other = create_segment("other", b"FGWOTHR\0", 1, 4096)
    with pytest.raises(SegmentError, match="magic"):
        map_addresses(other.fd, 2)
    table = create_addresses(2, rows=16)
    for column in (-1, 2):
        with pytest.raises(IndexError):
            AddressColumn(table, column)
        with pytest.raises(IndexError):
            table.clear(column)
