"""The engine: turns, their fairness, deadlines, work put off from outside of a turn."""

from __future__ import annotations

import time

from fastgw.ext.testing.io_doors import EchoAcceptor, TimerDoor
from tests.io.harness import Net, noise, run


def test_a_deadline_set_outside_of_a_turn_fires(loop: str) -> None:
    async def test(net: Net) -> None:
        timer = TimerDoor(net.engine, net.changed.set)
        began = time.monotonic()
        timer.set_in(60)
        await net.until(lambda: timer.fired == 1)
        assert 0.059 <= time.monotonic() - began < 5

    run(loop, test)


def test_an_earlier_deadline_moves_the_timer(loop: str) -> None:
    async def test(net: Net) -> None:
        late, soon = TimerDoor(net.engine, net.changed.set), TimerDoor(net.engine, net.changed.set)
        late.set_in(60_000)
        await net.turns()
        soon.set_in(20)
        await net.until(lambda: soon.fired == 1)
        assert late.fired == 0
        late.clear()

    run(loop, test)


def test_moving_a_deadline_arms_no_timer(loop: str) -> None:
    """Deadlines that are moved later with each request cost no system call."""

    async def test(net: Net) -> None:
        timer = TimerDoor(net.engine, net.changed.set)
        timer.set_in(60_000)
        before = net.engine.arms
        for i in range(1000):
            timer.set_in(60_000 + i)
        await net.turns()
        assert net.engine.arms == before
        timer.clear()

    run(loop, test)


def test_python_gets_its_turn_during_a_flood(loop: str) -> None:
    """A wake-up makes a few turns at most, however much there is to do."""

    async def test(net: Net) -> None:
        address = net.listen(EchoAcceptor())
        client = await net.peer(address)
        sent = noise(4 << 20)
        sending = net.loop.create_task(net.send(client, sent))
        receiving = net.loop.create_task(net.recv(client, len(sent)))
        most, last = 0, net.engine.turns
        while not receiving.done():
            await net.turns(1)
            most = max(most, net.engine.turns - last)
            last = net.engine.turns
        await sending
        assert await receiving == sent
        # One wake-up by epoll and one that was asked for may meet in one round of the loop.
        assert most <= 2 * net.engine.rounds

    run(loop, test)


def test_an_idle_engine_does_nothing(loop: str) -> None:
    """No wake-ups, no turns, while nothing happens: paused peers with unread data included."""

    async def test(net: Net) -> None:
        door, peer = await net.pair()
        half, half_peer = await net.pair()
        door.pause()
        half.pause()
        await net.send(peer, b"unread")
        await net.send(half_peer, b"unread")
        half_peer.close()
        await net.until(lambda: door.has("readable") and "half_closed" in half.names())
        await net.turns(20)
        before = net.engine.wakeups
        timer = TimerDoor(net.engine, net.changed.set)
        timer.set_in(150)
        await net.until(lambda: timer.fired == 1)
        # Two for the timer at most, not one for every round of the loop.
        assert net.engine.wakeups - before <= 2

    run(loop, test)


def test_work_waits_for_the_loop(loop: str) -> None:
    """What is put off while detached is done once attached."""

    async def test(net: Net) -> None:
        door, peer = await net.pair()
        net.engine.detach()
        door.write(b"later")
        await net.turns(10)
        assert door.queued == 5
        net.engine.attach(net.loop)
        assert await net.recv(peer, 5) == b"later"

    run(loop, test)
