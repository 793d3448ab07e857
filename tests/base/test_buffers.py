"""The bounded pool of counted buffers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.ext.base.debug import debug_build
from fastgw.ext.testing.base_doors import PoolDoor

MIB = 1 << 20


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 600_000)), max_size=80))
def test_the_sum_stays_below_the_bound(plan: list[tuple[bool, int]]) -> None:
    door, held, counted = PoolDoor(2 * MIB), [], 0
    for take, n in plan:
        if take:
            number = door.take(n)
            if number:
                assert door.cap(number) >= n
                counted += door.cap(number)
                held.append(number)
            else:
                assert counted + n > 2 * MIB - 262144
        elif held:
            number = held.pop(n % len(held))
            counted -= door.cap(number)
            door.release(number)
        assert door.pool.in_use == counted <= 2 * MIB
        assert door.pool.live == len(held)
        assert door.tight == (counted >= door.pool.near_bytes)
    for number in held:
        door.release(number)
    assert door.pool.in_use == 0


def test_refusal_and_relief() -> None:
    door = PoolDoor(4 * 262144)
    held = [door.take(262144) for _ in range(4)]
    assert door.take(1) == 0
    assert door.pool.refused == 1
    assert not door.pool.relief
    door.release(held.pop())
    assert door.pool.relief
    assert not door.tight
    for number in held:
        door.release(number)


def test_the_last_holder_gives_back() -> None:
    door = PoolDoor(MIB)
    number = door.take(10)
    door.hold(number)
    door.release(number)
    assert door.pool.live == 1
    door.release(number)
    assert door.pool.live == 0


def test_freed_buffers_are_reused_hottest_first() -> None:
    door = PoolDoor(MIB)
    first, second = door.take(100), door.take(100)
    hot = door.address(second)
    door.release(first)
    door.release(second)
    again = door.take(200)
    assert door.address(again) == hot
    door.release(again)


@pytest.mark.skipif(not debug_build(), reason="only debug builds poison")
def test_freed_buffers_are_poisoned() -> None:
    door = PoolDoor(MIB)
    number = door.take(100)
    door.fill(number, b"secret")
    address = door.address(number)
    door.release(number)
    assert door.look(address, 6) == b"\xdb" * 6


def test_keep_copies_what_is_lent() -> None:
    door = PoolDoor(MIB)
    assert door.keep(b"x" * 5000) == (True, b"x" * 5000)
    full = [door.take(262144) for _ in range(4)]
    assert door.keep(b"x") == (False, b"")
    for number in full:
        door.release(number)
