"""The wheel of deadlines against a naive model."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw.ext.testing.base_doors import WheelDoor

SLOT_MS = 16
SPAN_MS = 4096 * SLOT_MS
START_MS = 5_000_000
N = 6

steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(0, N - 1), st.integers(-50, 3 * SPAN_MS)),
        st.tuples(st.just("set"), st.integers(0, N - 1), st.integers(0, 100)),
        st.tuples(st.just("clear"), st.integers(0, N - 1), st.just(0)),
        st.tuples(st.just("pass"), st.just(0), st.integers(0, 2 * SPAN_MS)),
        st.tuples(st.just("pass"), st.just(0), st.integers(0, 40)),
        st.tuples(st.just("next"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


def slot_end(at_ms: int) -> int:
    """When the slot of a deadline comes round."""
    return -(-at_ms // SLOT_MS) * SLOT_MS


@settings(max_examples=300, deadline=None)
@given(steps)
def test_against_a_model(plan: list[tuple[str, int, int]]) -> None:
    """None fires early, none more than a slot late, each once, and the timer is set in time."""
    wheel, now = WheelDoor(N), START_MS
    model: dict[int, tuple[int, int]] = {}  # number -> (due, when its slot ends)
    wheel.advance(now)
    last_slot = now // SLOT_MS * SLOT_MS
    for what, i, ms in plan:
        if what == "set":
            # What is due already fires with the next slot.
            model[i] = now + ms, max(slot_end(now + ms), last_slot + SLOT_MS)
            wheel.set(i, now + ms)
        elif what == "clear":
            model.pop(i, None)
            wheel.clear(i)
        else:
            now = max(now, wheel.next_ms) if what == "next" else now + ms
            last_slot = now // SLOT_MS * SLOT_MS
            wheel.fired.clear()
            wheel.advance(now)
            assert len(set(wheel.fired)) == len(wheel.fired)
            for fired in wheel.fired:
                assert model.pop(fired)[0] <= now
            assert not [at for at, end in model.values() if end <= now]
        assert wheel.filed == len(model)
        if model:
            assert 0 < wheel.next_ms <= min(end for _, end in model.values())
    for i in range(N):
        wheel.clear(i)


def test_a_later_time_does_not_refile() -> None:
    wheel = WheelDoor(1)
    wheel.advance(START_MS)
    wheel.set(0, START_MS + 100)
    first = wheel.next_ms
    wheel.set(0, START_MS + 10_000)
    assert wheel.next_ms == first
    wheel.advance(first)
    assert wheel.fired == []
    assert wheel.next_ms == slot_end(START_MS + 10_000)


def test_one_firing_a_deadline() -> None:
    """The slot comes round when its deadline is due: no second wake-up for the same one."""
    wheel = WheelDoor(1)
    wheel.advance(START_MS)
    wheel.set(0, START_MS + 1001)
    wheel.advance(wheel.next_ms)
    assert wheel.fired == [0]


def test_cleared_deadlines_cost_no_wakeups() -> None:
    wheel = WheelDoor(64)
    wheel.advance(START_MS)
    for i in range(64):
        wheel.set(i, START_MS + 1000 + i * SLOT_MS)
    for i in range(63):
        wheel.clear(i)
    wheel.advance(wheel.next_ms)
    assert wheel.fired == []
    assert wheel.next_ms == slot_end(START_MS + 1000 + 63 * SLOT_MS)
    wheel.advance(wheel.next_ms)
    assert wheel.fired == [63]
    assert wheel.next_ms == 0


def test_firing_may_set_and_clear() -> None:
    """Deadlines changed from inside a firing, of the same slot too."""
    wheel = WheelDoor(3)
    wheel.advance(START_MS)

    def on_fire(door: WheelDoor, kind: int) -> None:
        if kind == 0:
            door.clear(1)
            door.set(0, START_MS + 5000)

    wheel.on_fire = on_fire
    for i in range(3):
        wheel.set(i, START_MS + 100)
    wheel.advance(START_MS + 200)
    assert wheel.fired == [0, 2]
    wheel.advance(START_MS + 6000)
    assert wheel.fired == [0, 2, 0]
    wheel.clear(0)
