"""The plain stream: reading, writing, backpressure."""

from __future__ import annotations

import hashlib
import select
import socket
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.testing import io_doors
from fastgw.ext.testing.io_doors import Door, EchoAcceptor, Hoard, ProxyAcceptor
from tests.io.harness import Net, noise, packed, run

KIB, MIB = 1 << 10, 1 << 20
FAMILIES = ["tcp", "unix"]


def path_of(family: str, tmp_path: Path) -> Path | None:
    """Where to listen."""
    return tmp_path / "s" if family == "unix" else None


# -- reading -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_are_delivered(loop: str, family: str, tmp_path: Path) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair(path=path_of(family, tmp_path))
        await net.send(peer, b"hello")
        await net.until(lambda: door.received() == b"hello")
        if family == "tcp":
            assert door.peer == "{}:{}".format(*peer.getsockname())
            assert door.local == "{}:{}".format(*peer.getpeername())
        else:
            assert door.peer == "unix"
        assert door.bytes_in == 5

    run(loop, test)


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_everything_comes_back_from_an_echo(
    loop: str, family: str, bulk: bool, tmp_path: Path
) -> None:
    async def test(net: Net) -> None:
        acceptor = EchoAcceptor()
        acceptor.bulk = bulk
        address = net.listen(acceptor, path=path_of(family, tmp_path))
        peer = await net.peer(address)
        sent = noise(6 * MIB + 123)
        sending = net.loop.create_task(net.send(peer, sent))
        got = await net.recv(peer, len(sent))
        await sending
        assert hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()
        peer.shutdown(socket.SHUT_WR)
        assert await net.recv_all(peer) == b""

    run(loop, test)


def test_bulk_bodies_arrive_in_counted_buffers(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.pause()
        door.set_bulk(True)
        sent = noise(MIB)
        sending = net.loop.create_task(net.send(peer, sent))
        await net.until(lambda: door.has("readable"))
        door.resume()
        await net.until(lambda: len(door.received()) == MIB)
        await sending
        assert door.received() == sent
        assert "counted" in [n for n, _ in door.events]
        # A trickle is lent: nobody may hold 64 KiB for a few bytes.
        del door.events[:]
        for i in range(4):
            await net.send(peer, b"drop")
            await net.received(door, 4 * (i + 1))
        assert {n for n, _ in door.events} == {"bytes"}

    run(loop, test)


def test_a_paused_stream_delivers_nothing(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.pause()
        await net.send(peer, b"one")
        await net.until(lambda: door.has("readable"))
        assert door.received() == b""
        door.resume()
        assert door.received() == b"", "resume must not deliver from inside the call"
        await net.until(lambda: door.received() == b"one")

    run(loop, test)


def test_pausing_inside_a_delivery(loop: str) -> None:
    """Of a large amount only what was in hand is delivered after a pause."""

    async def test(net: Net) -> None:
        door, peer = await net.pair(lambda d, n, v: d.pause() if n == "bytes" else None)
        door.pause()
        sent = noise(256 * KIB)
        sending = net.loop.create_task(net.send(peer, sent))
        for _ in range(1000):
            before = len(door.received())
            await net.until(lambda: door.has("readable"))
            assert len(door.received()) == before
            door.resume()
            await net.received(door, before + 1)
            assert len(door.received()) - before <= 64 * KIB
            if len(door.received()) == len(sent):
                break
        await sending
        assert door.received() == sent

    run(loop, test)


def test_one_stream_can_not_take_the_whole_turn(loop: str) -> None:
    """A flood is read in shares, between which another stream gets its turn."""

    async def test(net: Net) -> None:
        shares: list[tuple[int, int]] = []
        flooded, peer = await net.pair(
            lambda d, n, v: shares.append((net.engine.turns, len(v))) if n == "bytes" else None
        )
        flooded.pause()
        sending = net.loop.create_task(net.send(peer, noise(8 * MIB)))
        await net.until(lambda: flooded.has("readable"))
        await net.turns(50)
        flooded.resume()
        await sending
        await net.until(lambda: flooded.bytes_in == 8 * MIB)
        a_turn: dict[int, int] = {}
        for turn, n in shares:
            a_turn[turn] = a_turn.get(turn, 0) + n
        assert max(a_turn.values()) <= 256 * KIB
        assert len(a_turn) >= 8 * MIB // (256 * KIB)

    run(loop, test)


# -- writing -------------------------------------------------------------------------------


def test_a_write_outside_of_a_turn_goes_out_by_itself(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        await net.turns(10)
        door.write(b"from Python")
        assert door.queued == 11
        assert await net.recv(peer, 11) == b"from Python"
        assert door.queued == 0

    run(loop, test)


def test_one_sendmsg_a_turn(loop: str) -> None:
    def many(door: Door, name: str, value: Any) -> None:
        if name == "bytes":
            for i in range(20):
                door.write(b"lent %2d " % i)
                door.write(b"c" * 2000, counted=True)
                door.put(b"in place")

    async def test(net: Net) -> None:
        _, peer = await net.pair(many)
        before = net.engine.sends
        await net.send(peer, b"go")
        got = await net.recv(peer, 20 * 2016)
        assert got == b"".join(b"lent %2d " % i + b"c" * 2000 + b"in place" for i in range(20))
        assert net.engine.sends == before + 1

    run(loop, test)


def test_never_two_sendmsg_in_one_turn(loop: str) -> None:
    """What is written after a stream was flushed waits for the next turn."""

    async def test(net: Net) -> None:
        out, peer = await net.pair()
        source, source_peer = await net.pair(lambda d, n, v: out.write(v) if n == "bytes" else None)
        source.pause()
        await net.send(source_peer, b"second")
        await net.until(lambda: source.has("readable"))
        sends, turns = net.engine.sends, net.engine.turns
        out.write(b"first ")
        source.resume()  # is read after `out` was flushed, in the same turn
        assert await net.recv(peer, 12) == b"first second"
        assert net.engine.sends == sends + 2
        assert net.engine.turns >= turns + 2

    run(loop, test)


def test_writes_of_one_turn_are_gathered(loop: str) -> None:
    async def test(net: Net) -> None:
        a, peer = await net.pair()
        for _ in range(50):
            a.write(b"x" * 10)
            a.write(b"y" * 3000, counted=True)
        before = net.engine.sends
        assert len(await net.recv(peer, 50 * 3010)) == 50 * 3010
        assert net.engine.sends == before + 1
        assert a.slots == 4, "the ring's memory is given back"

    run(loop, test)


def test_a_turn_writes_at_most_256_kib(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        sent = noise(MIB)
        for at in range(0, MIB, 64 * KIB):
            door.write(sent[at : at + 64 * KIB], counted=True)
        net.engine.rounds = 1
        net.engine.run()
        assert door.bytes_out == 256 * KIB
        net.engine.run()
        assert door.bytes_out == 512 * KIB
        net.engine.rounds = 8
        assert await net.recv(peer, MIB) == sent

    run(loop, test)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stalled_reader_gets_every_byte(loop: str, family: str, tmp_path: Path) -> None:
    """Pieces of every kind wait while the peer does not read; freed buffers are poisoned."""

    async def test(net: Net) -> None:
        door, peer = await net.pair(path=path_of(family, tmp_path))
        expected = bytearray()
        blocks = [noise(n) for n in (1, 7, 700, 1023, 1024, 5000, 65536, 100_000, 262144)]
        for round_ in range(12):
            for i, block in enumerate(blocks):
                kind = (round_ + i) % 3
                if kind == 0:
                    door.write(block)
                elif kind == 1:
                    door.write(block, counted=True)
                else:
                    door.put(block, len(block) + 100)
                expected += block
            await net.turns(2)  # some of it is flushed in between
        assert door.has("blocked")
        held = io_doors.pool_of(net.engine).in_use
        assert held >= door.queued
        assert await net.recv(peer, len(expected)) == bytes(expected)
        await net.until(lambda: door.queued == 0)
        assert not door.has("blocked")
        assert io_doors.pool_of(net.engine).in_use == 0

    run(loop, test)


def test_a_proxied_stall_brakes_the_sender(loop: str) -> None:
    """Backpressure from end to end: a reader that stalls stops the far sender."""

    async def test(net: Net) -> None:
        sink, sink_doors = net.listen_doors()
        address = net.listen(ProxyAcceptor(net.engine, packed(sink)))
        peer = await net.peer(address)
        await net.until(lambda: bool(sink_doors.doors))
        far = sink_doors.doors[0]
        far.pause()
        sent = noise(16 * MIB)
        sending = net.loop.create_task(net.send(peer, sent))
        await net.until(lambda: far.has("readable"))
        last = -1
        while last != net.engine.receives:  # until nothing moves any more
            last = net.engine.receives
            await net.turns(200)
        assert not sending.done()
        assert io_doors.pool_of(net.engine).in_use < MIB
        far.resume()
        await sending
        await net.until(lambda: far.bytes_in == len(sent))
        assert far.received() == sent

    run(loop, test)


def test_the_mark_says_no_room_and_then_room_once(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        await net.turns(5)
        answers: list[bool] = []
        sent = 0
        while len(answers) < 1000 and (not answers or answers[-1]):
            answers.append(door.write(b"z" * 8192))
            sent += 8192
        assert answers == [True] * 31 + [False]
        while not door.has("blocked"):
            door.write(b"z" * 65536)
            sent += 65536
            await net.turns(2)
        assert door.write(b"") is True
        del door.events[:]
        assert door.write(b"z" * 262144) is False
        sent += 262144
        queued: list[int] = []
        door.reply = lambda d, n, v: queued.append(d.queued) if n == "room" else None
        assert len(await net.recv(peer, sent)) == sent
        assert len(queued) == 1
        assert queued[0] < door.mark // 2

    run(loop, test)


def test_out_of_memory_ends_the_stream(loop: str) -> None:
    async def test(net: Net) -> None:
        door, _ = await net.pair()
        io_doors.limit_pool(net.engine, 8192, 8192)
        assert door.write(b"x" * 10_000) is False
        assert door.names() == ["accepted"], "never told from inside the call"
        await net.until(lambda: "gone" in door.names())
        assert door.events[-1] == ("gone", "memory")

    run(loop, test)


def test_reading_a_body_waits_for_memory(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        io_doors.limit_pool(net.engine, MIB, MIB // 2)
        hoard = Hoard(net.engine, MIB - 8 * KIB)
        door.set_bulk(True)
        await net.send(peer, b"a" * 50_000)
        await net.until(lambda: door.has("starved"))
        assert door.received() == b""
        hoard.give_back()
        await net.until(lambda: len(door.received()) == 50_000)
        assert not door.has("starved")

    run(loop, test)


def test_a_body_comes_in_sips_while_memory_is_tight(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        io_doors.limit_pool(net.engine, MIB, MIB // 2)
        hoard = Hoard(net.engine, 600 * KIB)
        door.set_bulk(True)
        await net.send(peer, b"a" * 50_000)
        await net.until(lambda: len(door.received()) == 50_000)
        assert {n for n, _ in door.events if n != "accepted"} == {"bytes"}, "none is counted"
        assert max(len(v) for n, v in door.events if n == "bytes") < 4096
        hoard.give_back()

    run(loop, test)


def test_a_tight_stream_queues_one_piece(loop: str) -> None:
    async def test(net: Net) -> None:
        door, _ = await net.pair()
        io_doors.limit_pool(net.engine, MIB, MIB // 2)
        assert door.write(b"x" * 100) is True
        hoard = Hoard(net.engine, 600 * KIB)
        assert door.write(b"x" * 100) is False
        await net.until(lambda: "room" in door.names())
        hoard.give_back()
        assert door.write(b"x" * 100) is True

    run(loop, test)


def test_an_idle_stream_holds_no_buffer(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair(lambda d, n, v: d.write(v) if n == "bytes" else None)
        for size in (10, 3000, 100_000, 20):
            sent = noise(size)
            await net.send(peer, sent)
            assert await net.recv(peer, size) == sent
            await net.until(lambda: door.queued == 0)
            assert not door.has_tail
            assert door.slots == 4
            assert io_doors.pool_of(net.engine).in_use == 0

    run(loop, test)


def test_tcp_keeps_epollout_once_it_was_needed_and_unix_takes_it_back(
    loop: str, tmp_path: Path
) -> None:
    async def test(net: Net) -> None:
        for path, kept in ((None, select.EPOLLOUT), (tmp_path / "s", 0)):
            door, peer = await net.pair(path=path)
            assert not door.interest & select.EPOLLOUT
            sent = 0
            while not door.has("blocked"):
                door.write(b"z" * 65536)
                sent += 65536
                await net.turns(2)
            assert door.interest & select.EPOLLOUT
            await net.recv(peer, sent)
            await net.flushed(door)
            assert door.interest & select.EPOLLOUT == kept

    run(loop, test)


def test_a_hundred_interleaved_connections(loop: str) -> None:
    async def test(net: Net) -> None:
        sink = net.listen(EchoAcceptor())
        address = net.listen(ProxyAcceptor(net.engine, packed(sink)))
        peers = [await net.peer(address) for _ in range(100)]
        sent = [b"".join(b"%d:%d;" % (i, j) * 50 for j in range(60)) for i in range(100)]

        async def one(i: int) -> None:
            for at in range(0, len(sent[i]), 3001):
                part = sent[i][at : at + 3001]
                await net.send(peers[i], part)
                assert await net.recv(peers[i], len(part)) == part

        tasks = [net.loop.create_task(one(i)) for i in range(100)]
        for task in tasks:
            await net.within(task, 30)

    run(loop, test)
