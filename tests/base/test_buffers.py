"""The bounded pool of counted buffers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.ext.base.debug import debug_build
from fastgw.ext.testing.base_doors import PoolDoor

MIB = 1 << 20


@given(
    st.lists(
        st.tuples(st.sampled_from(["take", "take", "reserved", "give"]), st.integers(1, 600_000)),
        max_size=80,
    )
)
def test_the_sum_stays_below_the_bound(plan: list[tuple[str, int]]) -> None:
    door, held, counted = PoolDoor(2 * MIB), [], 0
    for what, n in plan:
        if what != "give":
            most = door.pool.bound_bytes if what == "reserved" else door.pool.full_bytes
            number = door.take(n, what == "reserved")
            if number:
                assert door.cap(number) >= n
                counted += door.cap(number)
                held.append(number)
                assert counted <= most
            else:
                assert counted + n > most - 262144
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


def test_the_marks_stand_above_each_other() -> None:
    for bound in (64 * 1024, MIB, 256 * MIB):
        pool = PoolDoor(bound).pool
        assert 0 < pool.near_bytes < pool.full_bytes < pool.bound_bytes == bound


def test_the_reserve_is_for_those_who_name_it() -> None:
    door = PoolDoor(MIB)  # 64 KiB of it are the reserve
    held = [door.take(65536) for _ in range(15)]
    assert door.pool.in_use == door.pool.full_bytes
    assert door.take(1) == 0
    held += [door.take(1, reserved=True) for _ in range(16)]
    assert all(held) and door.pool.in_use == door.pool.bound_bytes
    assert door.take(1, reserved=True) == 0
    for number in held:
        door.release(number)


def test_refusal_and_relief() -> None:
    door = PoolDoor(4 * 262144 * 16 // 15 + 1)  # four of the largest, and the reserve
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
    full = [door.take(65536) for _ in range(15)]
    assert door.keep(b"x") == (False, b"")
    for number in full:
        door.release(number)
